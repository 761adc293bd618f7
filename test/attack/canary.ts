/**
 * Canaries: how much of the privacy that a noised sum promises is really there? A hospital, or a patient, that is as easy to notice as can
 * be takes part or does not; who tells the two apart too well refutes the epsilon. The bound is from the rates of true and false
 * alarms (Jagielski, Ullman and Oprea 2020; Nasr et al. 2021), with exact binomial intervals.
 *
 * The sums are those of a training round as it opens them, with the noise of its kernels, of as many hospitals as its charter counts on; the
 * epsilon is what a ledger would say of it. The attacker knows what all others gave, so they give zeros, and the canary's direction.
 */
import { type Charter, patientPrivacy, protection } from '../../config/charter.ts'
import type { Random } from '../../node/attack/random.ts'
import type { Person, Subject } from '../../node/attack/subject.ts'
import { learnedBy, noisyHospitals, openedUpdate } from '../../node/attack/targets.ts'
import { logitsOf, type TrainedModel } from '../../node/training/model.ts'
import type { Learned } from '../../protocol/ports.ts'
import { epsilonOfReleases, NO_RELEASES } from '../../protocol/privacy/policy.ts'
import { CHANGE } from './noised.ts'
import { lowerLimit, upperLimit } from './statistics.ts'

/** Chance that a bound is above an epsilon that holds. */
const MISS = 0.05

export interface Canary {
  /** In whose rounds it is, and in whose it is said to be. */
  readonly charter: Charter
  readonly stated: Charter
}

export interface CanaryRow {
  readonly unit: Charter['privacy']['unit']
  /** Noise of the sum, and the noise that its epsilon is stated for, over what the canary changes; 0: none. */
  readonly noiseMultiplier: number
  readonly statedMultiplier: number
  /** With which a patient is in a sum. */
  readonly samplingRate: number
  readonly trials: number
  /** Of one round, at the charter's delta. */
  readonly epsilon: number
  /** Of all runs with the canary, and of all without, those that were said to have it. */
  readonly truePositives: number
  readonly falsePositives: number
  /** Epsilon is at least that, with a confidence of 95 %. */
  readonly epsilonMin: number
  /** What is stated holds, or where less noise is added than that, the canary shows it. */
  readonly isKept: boolean
}

/** `trials`: sums, half of them with the canary; half of all choose the threshold and the others are counted. */
export function measureCanary(
  subject: Subject,
  trained: TrainedModel,
  { charter, stated }: Canary,
  trials: number,
  random: Random,
): CanaryRow {
  const score = scorer(subject, trained, charter, random)
  const scores = (count: number) => ({
    present: Array.from({ length: count }, () => score(true)),
    absent: Array.from({ length: count }, () => score(false)),
  })
  const quarter = Math.floor(trials / 4)
  const { delta, epsilon } = promised(stated)
  const threshold = bestThreshold(scores(quarter), delta)
  const counted = boundAt(threshold, scores(quarter), delta)
  const row = {
    unit: charter.privacy.unit,
    noiseMultiplier: multiplierOf(charter),
    statedMultiplier: multiplierOf(stated),
    samplingRate: patientPrivacy(charter)?.samplingRate ?? 1,
    trials: 4 * quarter,
    epsilon,
    ...counted,
  }
  const isTrue = row.noiseMultiplier >= row.statedMultiplier
  return { ...row, isKept: isTrue === counted.epsilonMin <= epsilon }
}

function multiplierOf(charter: Charter): number {
  return protection(charter)?.noiseMultiplier.training ?? 0
}

/** Where nothing is protected all is told, and delta has no say. */
function promised(charter: Charter): { readonly epsilon: number; readonly delta: number } {
  const privacy = protection(charter)
  if (!privacy) return { epsilon: Number.POSITIVE_INFINITY, delta: 0 }
  return { epsilon: epsilonOfReleases(charter, { ...NO_RELEASES, train: 1 }), delta: privacy.delta }
}

interface Scores {
  readonly present: readonly number[]
  readonly absent: readonly number[]
}

function bestThreshold(scores: Scores, delta: number): number {
  const all = [...scores.present, ...scores.absent].sort((a, b) => a - b)
  // A few dozen are enough, and an interval is not cheap.
  const some = all.filter((_, i) => i % Math.ceil(all.length / 64) === 0)
  const bounds = some.map(threshold => boundAt(threshold, scores, delta).epsilonMin)
  const best = some.filter((_, i) => bounds[i] === Math.max(...bounds))
  return best[Math.floor(best.length / 2)]!
}

type Counted = Pick<CanaryRow, 'truePositives' | 'falsePositives' | 'epsilonMin'>

/**
 * (epsilon, delta)-privacy says TPR <= e^epsilon FPR + delta and TNR <= e^epsilon FNR + delta. Each of the two rates misses its
 * interval with half of the chance, so both hold together.
 */
function boundAt(threshold: number, { present, absent }: Scores, delta: number): Counted {
  const [n, m] = [present.length, absent.length]
  const hits = present.filter(s => s >= threshold).length
  const alarms = absent.filter(s => s >= threshold).length
  const from = (rate: number, other: number) => Math.log(Math.max(rate - delta, Number.MIN_VALUE) / other)
  const noticed = from(lowerLimit(hits, n, MISS / 2), upperLimit(alarms, m, MISS / 2))
  const cleared = from(lowerLimit(m - alarms, m, MISS / 2), upperLimit(n - hits, n, MISS / 2))
  return { truePositives: hits / n, falsePositives: alarms / m, epsilonMin: Math.max(0, noticed, cleared) }
}

/** Of one sum, with the canary or without: its component along the canary's update, which is 1 where it is in the sum, before noise. */
function scorer(
  subject: Subject,
  trained: TrainedModel,
  charter: Charter,
  random: Random,
): (isPresent: boolean) => number {
  const canary = canaryOf(subject, trained)
  const learn = (by: Charter, persons: readonly Person[]) =>
    learnedBy(by, subject.model, trained, persons, random.key())
  const whole = learn(alwaysDrawn(charter), [canary])
  const direction = whole.delta!
  const norm = Math.hypot(...direction)
  if (norm < 0.999 * CHANGE) throw new Error('the canary is not at the clipping norm')
  const nothing: Learned = { ...whole, delta: new Float32Array(direction.length) }
  const others = Array.from({ length: Math.max(0, noisyHospitals(charter) - 1) }, () => nothing)
  // A patient is drawn, or not, each time.
  const isPatient = charter.privacy.unit === 'patient'
  const present = () => (isPatient ? learn(charter, [canary]) : whole)
  const absent = () => (isPatient ? learn(charter, []) : nothing)
  return isPresent => {
    const update = openedUpdate(charter, [isPresent ? present() : absent(), ...others], random)
    return update.reduce((sum, v, i) => sum + v * direction[i]!, 0) / norm / CHANGE
  }
}

function alwaysDrawn(charter: Charter): Charter {
  const privacy = patientPrivacy(charter)
  return privacy ? { ...charter, privacy: { ...privacy, samplingRate: 1 } } : charter
}

/** All that the charter's ranges allow, and not what the model says of it. */
function canaryOf({ model, limits }: Subject, trained: TrainedModel): Person {
  const normal = Float32Array.from(limits, ([, max]) => max)
  trained.set(model.parameters)
  const y = logitsOf(trained, normal, limits.length)[0]! > 0 ? 0 : 1
  return { x: normal.map((u, j) => u * (model.deviation[j]! || 1) + model.mean[j]!), y }
}
