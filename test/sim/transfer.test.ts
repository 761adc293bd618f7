/** Vectors of several parts each: what a cut line, a crash and a trickle cost, and that the sum is exact all the same. */
import { describe, expect, it } from 'vitest'
import type { Charter } from '../../config/charter.ts'
import type { MemberId, TransferEvent } from '../../protocol/ports.ts'
import { WINDOW_PARTS } from '../../protocol/round/transfers.ts'
import { decode } from '../../protocol/wire/codec.ts'
import { openEnvelope } from '../../protocol/wire/envelope.ts'
import { PART_BYTES } from '../../protocol/wire/limits.ts'
import { BODIES } from '../../protocol/wire/messages.ts'
import type { Observer } from '../../sim/observer.ts'
import { audited } from '../support/audit.ts'
import { type ConsortiumOptions, memberName } from '../support/consortium.ts'

const n = 4
const names = Array.from({ length: n }, (_, i) => memberName(i))
const [first, second] = names as [MemberId, MemberId]
const PARAMETERS = 700_000
/** Of one slice, as of one sum: 4 bytes for each of 175,000 elements. */
const PARTS = partsOf(PARAMETERS)

function partsOf(parameters: number): number {
  return Math.ceil((4 * parameters) / n / PART_BYTES)
}

const wide =
  (parameters: number) =>
  (charter: Charter): Charter => ({
    ...charter,
    model: { ...charter.model, weights: [{ name: 'wide', shape: [parameters], initialiser: 'zeros' }] },
    // A slice takes seconds on these lines.
    secureSum: {
      ...charter.secureSum,
      joinDeadlineMs: 60_000,
      inputDeadlineMs: 120_000,
      openDeadlineMs: 120_000,
    },
  })

/** Parts that each pair was given, in one round of training over lines of 20 Mbit/s. */
function played(o: Partial<ConsortiumOptions> = {}) {
  const given: { readonly from: MemberId; readonly to: MemberId; readonly name: string }[] = []
  const told: (TransferEvent & { readonly by: MemberId })[] = []
  const tap: Observer = {
    onEvent: (host, event) => {
      if (event.kind === 'transfer' && event.what !== 'model') told.push({ by: host.id, ...event })
    },
    onRelease: (host, to, bytes) => {
      const raw = openEnvelope(bytes)
      if (to === undefined || !raw.ok || raw.value.type !== 'part') return
      const body = decode(raw.value.body, BODIES.part)
      if (!body.ok || body.value.round !== 1) return
      given.push({ from: host.id, to, name: `${body.value.part} of ${body.value.hash.join()}` })
    },
  }
  const { c, audit } = audited({
    n,
    f: 1,
    rounds: 1,
    gossipBytesMax: 0,
    edit: wide(PARAMETERS),
    site: () => ({ uplinkMbps: 20, downlinkMbps: 20 }),
    ...o,
    world: { ...o.world, observers: [tap] },
  })
  c.world.startAll()
  const run = () => {
    expect(c.world.run(() => c.finished(), 600_000)).toBe(true)
    expect(audit.problems).toEqual([])
    expect(audit.checked.sums).toBe(3)
  }
  return { c, given, told, run }
}

/** Each of n owners fetches the slices of the others, and each of the others its sum. */
const NEEDED = 2 * n * (n - 1) * PARTS

describe('vectors of several parts', () => {
  it('go once from who has each to who needs it', { timeout: 60_000 }, () => {
    const { given, told, run } = played()
    run()
    expect(PARTS).toBe(3)
    expect(given).toHaveLength(NEEDED)
    expect(new Set(given.map(g => `${g.to} ${g.name}`)).size).toBe(NEEDED)
    expect(told).toEqual([])
  })

  it('longer than a window are told of by both sides', { timeout: 60_000 }, () => {
    const parameters = 1_200_000
    const { told, run } = played({ edit: wide(parameters) })
    run()
    expect(partsOf(parameters)).toBe(WINDOW_PARTS + 1)
    for (const what of ['slice', 'sum'] as const) {
      for (const way of ['from', 'to'] as const) {
        const done = told.filter(t => t.what === what && t.way === way && t.state === 'done')
        expect(new Set(done.map(t => `${t.by} ${t.peer} ${t.vector}`)).size).toBe(n * (n - 1))
        for (const t of done) expect(t).toMatchObject({ round: 1, attempt: 0, bytesDone: t.bytesTotal })
      }
    }
  })

  it('a line that is cut again and again costs what was on its way', { timeout: 60_000 }, () => {
    const { c, given, run } = played()
    let cuts = 0
    const flap = () => {
      const undo = c.world.cut(first, second)
      cuts++
      c.world.at(12_000, () => {
        undo()
        if (cuts < 3) c.world.at(500, flap)
      })
    }
    const isFlowing = () => given.some(g => g.from === first && g.to === second)
    expect(c.world.run(isFlowing, 60_000)).toBe(true)
    flap()
    run()
    expect(cuts).toBe(3)
    expect(given.length).toBeLessThanOrEqual(NEEDED + 2 * cuts * WINDOW_PARTS)
  })

  it('an owner that crashes in the midst of it costs its own input at most', { timeout: 60_000 }, () => {
    const { c, given, run } = played()
    expect(c.world.run(() => given.some(g => g.to === second), 60_000)).toBe(true)
    c.world.crash(second)
    c.world.at(90_000, () => c.world.start(second))
    run()
    const closed = c.closed(first).find(e => e.round === 1)
    expect(closed?.attempt).toBe(0)
  })

  it('who gives at a trickle is left out, openly, and the others close the round', {
    timeout: 60_000,
  }, () => {
    // Its three slices would take twice the deadline.
    const { c } = played({
      site: id => ({ uplinkMbps: id === second ? 0.07 : 20, downlinkMbps: 20 }),
    })
    expect(c.world.run(() => c.closed(first).length >= 2, 600_000)).toBe(true)
    const fixed = c.events.filter(
      ({ host, event }) => host === first && event.kind === 'survivorsFixed' && event.round === 1,
    )
    const leftOut = [expect.objectContaining({ member: second })]
    expect(fixed.map(f => f.event)).toEqual([expect.objectContaining({ attempt: 0, leftOut })])
  })
})
