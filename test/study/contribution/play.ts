/**
 * Hospitals that train together with real learners, and audits of the sums of their groups. The sums are made in the clear: a secure sum is exact,
 * but for its rounding, and which masks cancel in which group is another test's business.
 */
import { type Charter, parameterCount } from '../../../config/charter.ts'
import type { Random } from '../../../node/attack/random.ts'
import type { Dataset } from '../../../node/training/dataset.ts'
import { learnOn } from '../../../node/training/learner.ts'
import type { TrainedModel } from '../../../node/training/model.ts'
import { groupsOf, isAudited } from '../../../protocol/contribution/groups.ts'
import { type AuditRecord, recordOf } from '../../../protocol/contribution/record.ts'
import { addScaled } from '../../../protocol/contribution/regress.ts'
import { sketch } from '../../../protocol/contribution/sketch.ts'
import { clipFactor, normOf } from '../../../protocol/model/contribution.ts'
import type { MemberId, ModelState } from '../../../protocol/ports.ts'
import { federateWith } from '../models.ts'

/** What a member knows when it gives its update. */
export interface Turn {
  readonly round: number
  /** What training on the rows that it uses gives. */
  readonly learn: () => Float32Array
  /** The global model's last steps, the latest first; zeros before there were any. */
  readonly steps: readonly Float32Array[]
  /** Of this member and round alone. */
  readonly random: Random
}

export interface Hospital {
  readonly id: MemberId
  /** What it says it trains on; its weight. */
  readonly declared: number
  /** What it trains on. */
  readonly data: Dataset
  /** Undefined: what it has learned. */
  readonly gives?: (turn: Turn) => Float32Array
  /** Chance of being among a round's survivors. */
  readonly presence?: number
}

export interface Played {
  readonly audits: readonly AuditRecord[]
  /** What each gave in each audited round, if it was there. */
  readonly given: readonly ReadonlyMap<MemberId, Float32Array>[]
  /** The last steps before each audited round, the latest first. */
  readonly steps: readonly (readonly Float32Array[])[]
}

export interface Rounds {
  /** Audited ones; as many more are played as it takes. */
  readonly audits: number
  /** One round in so many is audited. */
  readonly oneIn: number
  readonly groupSize: number
}

const NO_ROWS = { x: new Float32Array(0), y: new Float32Array(0) }
const STEPS = 2

/** The same charter, hospitals and `random` give the same audits. Draws of `random` are by name only. */
export function play(
  charter: Charter,
  model: TrainedModel,
  hospitals: readonly Hospital[],
  { audits: wanted, oneIn, groupSize }: Rounds,
  random: Random,
): Played {
  let state = normalised(charter, model, hospitals, random)
  const { clipNorm } = charter.training
  const length = parameterCount(charter)
  const first = state.parameters
  const stepsBefore: Float32Array[][] = []
  let steps = Array.from({ length: STEPS }, () => new Float32Array(length))
  const audits: AuditRecord[] = []
  const given: Map<MemberId, Float32Array>[] = []
  for (let round = 1; audits.length < wanted; round++) {
    const there = hospitals.filter(
      h => h.presence === undefined || random.fork('there', h.id, round).uniform() < h.presence,
    )
    const updates = new Map(
      there.map(h => {
        const seed = random.fork('minibatches', h.id, round).key()
        const job = { kind: 'learn', task: 'train', round, model: state, seed } as const
        const learn = () => learnOn(model, charter, withoutTest(h.data), job).delta as Float32Array
        const turn = { round, learn, steps, random: random.fork('turn', h.id, round) }
        return [h.id, clipped(h.gives?.(turn) ?? learn(), clipNorm)] as const
      }),
    )
    const survivors = there.map(h => h.id)
    const weights = new Map(there.map(h => [h.id, h.declared]))
    const sumOf = (members: readonly MemberId[]) => {
      const sum = new Float64Array(length)
      for (const m of members) addScaled(sum, Float64Array.from(updates.get(m)!), weights.get(m)!)
      return sum
    }
    const total = survivors.reduce((w, m) => w + weights.get(m)!, 0)
    const step = Float32Array.from(sumOf(survivors), v => v / total)
    state = { ...state, parameters: state.parameters.map((v, j) => v + step[j]!) }
    const before = steps
    steps = [step, ...steps].slice(0, STEPS)
    const beacon = random.fork('beacon', round).key()
    if (!isAudited(beacon, oneIn)) continue
    const groups = groupsOf(beacon, survivors, groupSize).map(members => ({
      members,
      sum: sketch(sumOf(members)),
    }))
    const progress = sketch(state.parameters.map((v, j) => v - first[j]!))
    audits.push(recordOf({ groups, rows: weights, weights, progress }))
    given.push(updates)
    stepsBefore.push(before)
  }
  return { audits, given, steps: stepsBefore }
}

function clipped(update: Float32Array, clipNorm: number): Float32Array {
  const factor = clipFactor(normOf(update), clipNorm)
  return factor < 1 ? update.map(v => v * factor) : update
}

/** The study's first model, with the means and deviations that a round of statistics gives. */
export function normalised(
  charter: Charter,
  model: TrainedModel,
  hospitals: readonly Hospital[],
  random: Random,
): ModelState {
  const learners = hospitals.map(h => ({
    notices: [],
    learn: (job: Parameters<typeof learnOn>[3]) => learnOn(model, charter, withoutTest(h.data), job),
    dispose: () => {},
  }))
  const training = { ...charter.training, rounds: 0 }
  return federateWith({ ...charter, training }, learners, random.fork('model').below(1000))
}

/** Nobody looks at what a round measures here. */
export function withoutTest(data: Dataset): Dataset {
  return { ...data, test: NO_ROWS }
}
