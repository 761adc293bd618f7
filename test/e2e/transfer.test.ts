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

interface Seen {
  readonly event: TransferEvent
  /** Bytes that the line had carried by then from giver to taker. */
  readonly carried: number
}

/** Acts when this share of the next vector of its kind has gone over the line. */
async function strike(v: Vectors, { what, giver, taker }: Way, share: number, act: (line: Line) => void) {
  const line = v.lines.of(giver, taker)
  const seen: { begun?: Seen; struck?: true; ended?: Seen } = {}
  v.hear((by, event) => {
    if (by !== taker || event.kind !== 'transfer' || event.way !== 'from' || event.what !== what) return
    const now = { event, carried: line.carriedFrom(giver) }
    if (seen.begun) {
      if (event.vector === seen.begun.event.vector && event.state !== 'going') seen.ended ??= now
    } else if (event.peer === v.id(giver) && event.bytesDone === 0) {
      seen.begun = now
      line.after(share * event.bytesTotal, giver, () => {
        act(line)
        seen.struck = true
        v.look()
      })
    }
  })
  await v.until(`${100 * share} % of a ${what}`, () => seen.struck === true)
  return {
    round: seen.begun!.event.round,
    /** How it ended, and what the line had carried of it. */
    end: async (): Promise<Seen> => {
      await v.until(`the end of a ${what}`, () => seen.ended !== undefined)
      const { event, carried } = seen.ended!
      return { event, carried: carried - seen.begun!.carried }
    },
  }
}

test('a line that is cut at 10, 50 or 90 % of a vector carries less than two parts of it again', async () => {
  const v = await start({ rounds: 3, deadlines: PATIENT })
  const pair = { giver: 0, taker: 1 }
  for (const share of [0.1, 0.5, 0.9]) {
    const slice = await (await strike(v, { ...pair, what: 'slice' }, share, line => line.cut())).end()
    expect(slice.event).toMatchObject({ state: 'done', peer: v.id(0) })
    expect(slice.carried - slice.event.bytesTotal, `slice, ${share}`).toBeLessThan(2 * PART_BYTES)
    // It is not back at once.
    const sum = await (await strike(v, { ...pair, what: 'sum' }, share, line => line.cut(2))).end()
    // Who was overtaken by the others meanwhile drops the sum, and what of it was on its way was for nothing.
    const inVain = sum.event.state === 'done' ? 0 : WINDOW_PARTS
    expect(sum.carried - sum.event.bytesDone, `sum, ${share}`).toBeLessThan((2 + inVain) * PART_BYTES)
  }
  await v.untilClosed(3, [0, 1, 2, 3])
  v.expectExact(3, [0, 1, 2, 3])
  for (const round of [1, 2, 3]) {
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
