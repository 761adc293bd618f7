/**
 * Vectors of several parts over real sockets: a line that is cut in the midst of one, a peer that is killed, one that gives a
 * byte a second. All that are left close the round, and its sum is that of the survivors' inputs, to the last bit.
 */
import { afterEach, expect, test } from 'vitest'
import type { TransferEvent } from '../../protocol/ports.ts'
import { WINDOW_PARTS } from '../../protocol/round/transfers.ts'
import { PART_BYTES } from '../../protocol/wire/limits.ts'
import type { Line } from './lines.ts'
import { Vectors, type VectorsOptions } from './vectors.ts'

/** So many that a slice is longer than what is asked for at once: then it is told how far it is. */
const PARAMETERS = 1_200_000
/** In milliseconds: nobody is ever taken for silent; and whoever is costs seconds. */
const PATIENT = { joinDeadlineMs: 120_000, inputDeadlineMs: 120_000, openDeadlineMs: 120_000 }
const HASTY = { joinDeadlineMs: 1000, inputDeadlineMs: 4000, openDeadlineMs: 6000 }

let running: Vectors | undefined
afterEach(async () => {
  await running?.close()
  running = undefined
})

async function start(o: Omit<VectorsOptions, 'parameters'>): Promise<Vectors> {
  running = await Vectors.start({ parameters: PARAMETERS, ...o })
  return running
}

/** A vector on its way. */
interface Way {
  readonly what: TransferEvent['what']
  readonly giver: number
  readonly taker: number
}

interface Struck {
  readonly round: number
  /** Resolves at its end: what had come then, whether that was all, and what the line had carried of it. */
  readonly end: () => Promise<{
    readonly bytesDone: number
    readonly isDone: boolean
    readonly carried: number
  }>
}

/** Acts when this share of the next vector of its kind has gone over the line; of a later one where it is dropped before that. */
async function strike(v: Vectors, way: Way, share: number, act: (line: Line) => void): Promise<Struck> {
  const { what, giver, taker } = way
  const line = v.lines.of(giver, taker)
  let last: TransferEvent | undefined
  let before = 0
  let [isStruck, isEnded] = [false, false]
  let carried = 0
  const end = () => {
    isEnded = isStruck
    carried = line.carriedFrom(giver) - before
    if (isStruck) return
    last = undefined
    line.forget()
  }
  v.hear((by, event) => {
    if (by !== taker || isEnded) return
    // With the attempt ends what it was for.
    if (last && (event.kind === 'roundClosed' || event.kind === 'roundAborted')) end()
    if (event.kind !== 'transfer' || event.way !== 'from' || event.what !== what) return
    if (last?.vector === event.vector) {
      last = event
      if (event.state !== 'going') end()
    } else if (!last && event.peer === v.id(giver) && event.bytesDone === 0) {
      last = event
      before = line.carriedFrom(giver)
      line.after(share * event.bytesTotal, giver, () => {
        act(line)
        isStruck = true
        v.look()
      })
    }
  })
  await v.until(`${100 * share} % of a ${what}`, () => isStruck)
  return {
    round: last!.round,
    end: async () => {
      await v.until(`the end of a ${what}`, () => isEnded)
      return { bytesDone: last!.bytesDone, isDone: last!.state === 'done', carried }
    },
  }
}

test('a line that is cut at 10, 50 or 90 % of a vector carries less than two parts of it again', async () => {
  const v = await start({ rounds: 9, deadlines: PATIENT })
  const pair = { giver: 0, taker: 1 }
  let last = 0
  for (const share of [0.1, 0.5, 0.9]) {
    const slice = await (await strike(v, { ...pair, what: 'slice' }, share, line => line.cut())).end()
    expect(slice.isDone).toBe(true)
    expect(slice.carried - slice.bytesDone, `slice, ${share}`).toBeLessThan(2 * PART_BYTES)
    // It is not back at once.
    const ofSum = await strike(v, { ...pair, what: 'sum' }, share, line => line.cut(2))
    const sum = await ofSum.end()
    // Whom the others overtake meanwhile needs the sum no more, and what of it was on its way was for nothing.
    const inVain = sum.isDone ? 0 : WINDOW_PARTS
    expect(sum.carried - sum.bytesDone, `sum, ${share}`).toBeLessThan((2 + inVain) * PART_BYTES)
    last = ofSum.round
  }
  await v.untilClosed(last, [0, 1, 2, 3])
  v.expectExact(last, [0, 1, 2, 3])
  for (let round = 1; round <= last; round++) {
    expect(v.closed(round, 0)?.attempt).toBe(0)
    expect(v.survivors(round)).toHaveLength(4)
  }
})

test('who trickles or is killed in the midst of a vector is left behind by name', async () => {
  const [giver, taker] = [3, 1]
  const others = [0, 1, 2]
  const v = await start({ rounds: 9, deadlines: HASTY, process: giver })
  const leftBehind = async (round: number) => {
    await v.untilClosed(round, others)
    expect(v.survivors(round)).toEqual(others.map(i => v.id(i)))
    expect(v.named(round)).toContain(v.id(giver))
    v.expectExact(round, others)
  }
  const slice = { what: 'slice', giver, taker } as const
  const lines = v.lines.all(giver)

  const slow = await strike(v, slice, 0.1, () => {
    for (const line of lines) line.trickle(giver)
  })
  await leftBehind(slow.round)
  for (const line of lines) line.heal()

  const killed = await strike(v, slice, 0.5, () => v.kill())
  await leftBehind(killed.round)
})
