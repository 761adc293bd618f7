/** Events come in the order of their time, and of their making. */
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { EventHeap } from '../../../sim/heap.ts'

it('events come in the order of their time, those of one time in the order of their making', () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(fc.nat({ max: 20 }), fc.constant('take' as const))), steps => {
      const heap = new EventHeap()
      const model: { at: number; name: number }[] = []
      const seen: number[] = []
      const take = () => {
        model.sort((a, b) => a.at - b.at || a.name - b.name)
        const next = model.shift()
        expect(heap.nextAt).toBe(next?.at ?? Number.POSITIVE_INFINITY)
        const run = heap.pop()
        run?.()
        expect(run === undefined).toBe(next === undefined)
        if (next) expect(seen.at(-1)).toBe(next.name)
      }
      steps.forEach((step, name) => {
        if (step === 'take') take()
        else {
          heap.push(step, () => void seen.push(name))
          model.push({ at: step, name })
        }
        expect(heap.size).toBe(model.length)
      })
      while (model.length > 0) take()
      take()
    }),
  )
})

it('an event without a time is refused', () => {
  for (const at of [Number.NaN, Number.POSITIVE_INFINITY])
    expect(() => new EventHeap().push(at, () => {})).toThrow(RangeError)
})
