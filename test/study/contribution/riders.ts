/** Members who want the model for nothing, or for less than they say: what each of them gives. */

import type { Random } from '../../../node/attack/random.ts'
import type { Dataset } from '../../../node/training/dataset.ts'
import { normOf } from '../../../protocol/model/contribution.ts'
import type { Hospital, Turn } from './play.ts'

export interface Attack {
  readonly name: string
  /** Least area under the ROC curve of rider against honest, of 20 hospitals with 4 riders after 20 audits; undefined: told only. */
  readonly aucMin: number | undefined
  /** Turns `hospitals` into riders. `random`: the same for all of them. */
  readonly riders: (hospitals: readonly Hospital[], random: Random) => Hospital[]
}

/** Of noise that is to look like nothing in particular. */
const SMALL_NORM = 0.05
/** Of noise that is to drown what can be seen; clipNorm is 1. */
const LOUD_NORM = 0.5
const TINY = 0.05
const FEW = 5
/** Noise beside a replayed step is as long as the step, and at least so long. */
const NOISE_NORM_MIN = 0.01

type Gives = (turn: Turn) => Float32Array

const last = ({ steps }: Turn) => steps[0]!
const plus = (a: Float32Array, b: Float32Array, factor: number) => a.map((v, j) => v + factor * b[j]!)
const stepNorm = (turn: Turn) => Math.max(normOf(last(turn)), NOISE_NORM_MIN)

function noise(length: number, norm: number, random: Random): Float32Array {
  const v = Float32Array.from({ length }, () => random.normal())
  const factor = norm / normOf(v)
  return v.map(x => x * factor)
}

const replayWithNoise: Gives = turn =>
  plus(last(turn), noise(last(turn).length, stepNorm(turn), turn.random), 1)

const all =
  (gives: Gives): Attack['riders'] =>
  hospitals =>
    hospitals.map(h => ({ ...h, gives }))

export const ATTACKS: readonly Attack[] = [
  { name: 'zero update', aucMin: 0.95, riders: all(turn => new Float32Array(last(turn).length)) },
  {
    name: 'small noise',
    aucMin: 0.95,
    riders: all(turn => noise(last(turn).length, SMALL_NORM, turn.random)),
  },
  { name: 'replayed step', aucMin: 0.95, riders: all(last) },
  { name: 'replay with noise', aucMin: 0.95, riders: all(replayWithNoise) },
  {
    name: 'extrapolation',
    aucMin: 0.95,
    riders: all(({ steps: [one, two] }) => one!.map((v, j) => 2 * v - two![j]!)),
  },
  { name: 'tiny update', aucMin: 0.95, riders: all(({ learn }) => learn().map(v => v * TINY)) },
  {
    name: 'five samples only',
    aucMin: 0.85,
    riders: hospitals => hospitals.map(h => ({ ...h, data: rowsOf(h.data, FEW) })),
  },
  {
    name: 'flipped labels',
    aucMin: 0.85,
    riders: hospitals => hospitals.map(h => ({ ...h, data: flipped(h.data) })),
  },
  {
    name: 'every other round',
    aucMin: 0.85,
    riders: all(turn => (turn.random.uniform() < 0.5 ? turn.learn() : last(turn))),
  },
  { name: 'two who collude', aucMin: 0.85, riders: colluding },
  { name: 'one as two members', aucMin: 0.85, riders: split },
  {
    name: 'loud noise',
    aucMin: undefined,
    riders: all(turn => noise(last(turn).length, LOUD_NORM, turn.random)),
  },
  { name: 'one made-up direction', aucMin: undefined, riders: madeUp },
  { name: 'copy of a colluder', aucMin: undefined, riders: copying },
]

/** In pairs: a replay, one with noise added and the other with the same noise taken off, so that it is gone where both are in one group. */
function colluding(hospitals: readonly Hospital[], random: Random): Hospital[] {
  return hospitals.map((h, i) => ({
    ...h,
    gives: turn => {
      const shared = random.fork('pair', Math.floor(i / 2), turn.round)
      return plus(last(turn), noise(last(turn).length, stepNorm(turn), shared), i % 2 === 0 ? 1 : -1)
    },
  }))
}

/** Each two of them are one rider, who declares half as much for either: each counts for less, and is known less well. */
function split(hospitals: readonly Hospital[]): Hospital[] {
  return hospitals.map(h => ({
    ...h,
    declared: Math.max(1, Math.floor(h.declared / 2)),
    gives: replayWithNoise,
  }))
}

/** A replay and the same made-up direction in every round: looks like what is a hospital's own. */
function madeUp(hospitals: readonly Hospital[], random: Random): Hospital[] {
  return hospitals.map((h, i) => ({
    ...h,
    gives: turn => plus(last(turn), noise(last(turn).length, stepNorm(turn), random.fork('made up', i)), 1),
  }))
}

/** The second of each pair gives what the first has learned, with some noise: the first is honest and tells it. Both count as riders. */
function copying(hospitals: readonly Hospital[], _random: Random): Hospital[] {
  const learned = new Map<Hospital, Float32Array>()
  return hospitals.map((h, i) => {
    const source = hospitals[i - (i % 2)]!
    if (source === h) {
      return {
        ...h,
        gives: turn => {
          learned.set(h, turn.learn())
          return learned.get(h)!
        },
      }
    }
    return {
      ...h,
      gives: turn => {
        const copy = learned.get(source)!
        return plus(copy, noise(copy.length, 0.2 * normOf(copy), turn.random), 1)
      },
    }
  })
}

export function rowsOf(data: Dataset, count: number): Dataset {
  const { x, y } = data.train
  return { ...data, train: { x: x.subarray(0, count * data.d), y: y.subarray(0, count) } }
}

function flipped(data: Dataset): Dataset {
  return { ...data, train: { x: data.train.x, y: data.train.y.map(y => 1 - y) } }
}
