/**
 * The long vectors and models on their way, as the machine tells of them, with what only a clock can say: how fast, and how long
 * still. Those that go one way at a time count together, the finished ones too, until the last has ended.
 */
import type { MemberId, Millis, TransferEvent } from '../protocol/ports.ts'

/** After these nothing of the attempt before is on its way any more; a model only after those that bring another. */
const ENDS: readonly string[] = [
  'roundOpened',
  'committee',
  'survivorsFixed',
  'roundClosed',
  'roundAborted',
  'studyFinished',
]

/** Of one vector, since it was first told of. */
export interface Pace {
  /** Undefined until something has moved. */
  readonly bytesPerSecond?: number | undefined
  /** Until it is whole, if it goes on like this. */
  readonly remainingMs?: number | undefined
}

export type TransferLine = TransferEvent & Pace

/** All vectors of one way. */
export interface Traffic extends Pace {
  readonly way: TransferEvent['way']
  /** Of whom some vector is not whole. */
  readonly peers: readonly MemberId[]
  readonly vectors: number
  readonly bytesDone: number
  readonly bytesTotal: number
  /** Since the first of them was told of. */
  readonly ageMs: Millis
}

interface Vector {
  readonly line: TransferLine
  readonly since: Millis
  /** Bytes that had moved when it was first told of. */
  readonly before: number
}

export class TransferBook {
  readonly #ways: Record<TransferEvent['way'], Map<string, Vector>> = { from: new Map(), to: new Map() }

  /** The event with its pace. `now`: of a clock that does not go back. */
  told(event: TransferEvent, now: Millis): TransferLine {
    const vectors = this.#ways[event.way]
    if (!areGoing(vectors)) vectors.clear()
    // What comes may change its source, what is given goes to each.
    const key = event.way === 'from' ? event.vector : `${event.vector} ${event.peer}`
    const known = vectors.get(key)
    const goesOn = known !== undefined && known.line.bytesDone <= event.bytesDone
    const { since, before } = goesOn ? known : { since: now, before: event.bytesDone }
    const line = {
      ...event,
      ...paceOf(event.bytesDone - before, event.bytesTotal - event.bytesDone, now - since),
    }
    if (event.state === 'dropped') vectors.delete(key)
    else vectors.set(key, { line, since, before })
    return line
  }

  /** What other events mean for what is on its way. */
  heard(kind: string): void {
    if (!ENDS.includes(kind)) return
    for (const vectors of Object.values(this.#ways))
      for (const [key, { line }] of vectors)
        if (line.what !== 'model' || kind === 'roundClosed') vectors.delete(key)
  }

  /** Those that are not whole. */
  lines(): TransferLine[] {
    return Object.values(this.#ways).flatMap(vectors =>
      [...vectors.values()].map(v => v.line).filter(line => line.state === 'going'),
    )
  }

  /** Undefined: nothing is on its way. */
  traffic(way: TransferEvent['way'], now: Millis): Traffic | undefined {
    const vectors = this.#ways[way]
    if (!areGoing(vectors)) return undefined
    const all = [...vectors.values()]
    const sum = (of: (v: Vector) => number) => all.reduce((total, v) => total + of(v), 0)
    const bytesDone = sum(v => v.line.bytesDone)
    const bytesTotal = sum(v => v.line.bytesTotal)
    const since = Math.min(...all.map(v => v.since))
    return {
      way,
      peers: [...new Set(all.filter(v => v.line.state === 'going').map(v => v.line.peer))].sort(),
      vectors: all.length,
      bytesDone,
      bytesTotal,
      ageMs: now - since,
      ...paceOf(bytesDone - sum(v => v.before), bytesTotal - bytesDone, now - since),
    }
  }
}

function areGoing(vectors: ReadonlyMap<string, Vector>): boolean {
  return [...vectors.values()].some(v => v.line.state === 'going')
}

function paceOf(moved: number, left: number, ms: Millis): Pace {
  if (moved <= 0 || ms <= 0) return {}
  const bytesPerSecond = Math.round((1000 * moved) / ms)
  return { bytesPerSecond, remainingMs: Math.round((left * ms) / moved) }
}
