/**
 * Canaries: how much of the privacy that a noised sum promises is really there? A hospital that is as easy to notice as can be
 * takes part or does not; who tells the two apart too well refutes the epsilon. The bound is from the rates of true and false
 * alarms (Jagielski, Ullman and Oprea 2020; Nasr et al. 2021), with exact binomial intervals.
 *
 * What is protected here is a hospital's whole update. The attacker knows all other updates and the canary's direction.
 */
import type { Charter } from '../../config/charter.ts'
import { logitsOf, type TrainedModel } from '../../node/training/model.ts'
import type { Learned } from '../../protocol/ports.ts'
import { addInto } from '../../protocol/sum/field.ts'
import { quantisedInput } from '../../protocol/sum/kernels.ts'
import { layoutFor, sectionRange, vectorLength } from '../../protocol/sum/layout.ts'
import { centre } from '../../protocol/sum/quantise.ts'
import type { Random } from './random.ts'
import { gaussianEpsilon, lowerLimit, upperLimit } from './statistics.ts'
import type { Person, Subject } from './subjects.ts'
import { learnedBy } from './targets.ts'

export const DELTA = 1e-5
/** Chance that a bound is above an epsilon that holds. */
const MISS = 0.05
const HOSPITALS = 4

export interface CanaryRow {
  /** Noise of the sum, and the noise that its epsilon is stated for: standard deviations over the clipping norm. */
  readonly noiseMultiplier: number
  readonly statedMultiplier: number
  readonly trials: number
  /** At DELTA, of one round, one hospital more or less. */
  readonly epsilon: number
  /** Of all runs with the canary, and of all without, those that were said to have it. */
  readonly truePositives: number
  readonly falsePositives: number
  /** Epsilon is at least that, with a confidence of 95 %. */
  readonly epsilonMin: number
  readonly isKept: boolean
}

/** `trials`: sums, half of them with the canary; half of all choose the threshold and the others are counted. */
export function measureCanary(
  subject: Subject,
  trained: TrainedModel,
  noise: { readonly noiseMultiplier: number; readonly statedMultiplier?: number },
  trials: number,
  random: Random,
): CanaryRow {
  const { noiseMultiplier, statedMultiplier = noiseMultiplier } = noise
  const score = scorer(subject, trained, noiseMultiplier, random)
  const scores = (count: number) => ({
    present: Array.from({ length: count }, () => score(true)),
    absent: Array.from({ length: count }, () => score(false)),
  })
  const quarter = Math.floor(trials / 4)
  const threshold = bestThreshold(scores(quarter))
  const counted = boundAt(threshold, scores(quarter))
  const epsilon = gaussianEpsilon(statedMultiplier, DELTA)
  const isKept = counted.epsilonMin <= epsilon
  return { noiseMultiplier, statedMultiplier, trials: 4 * quarter, epsilon, ...counted, isKept }
}

interface Scores {
  readonly present: readonly number[]
  readonly absent: readonly number[]
}

function bestThreshold(scores: Scores): number {
  const all = [...scores.present, ...scores.absent].sort((a, b) => a - b)
  // A few dozen are enough, and an interval is not cheap.
  const some = all.filter((_, i) => i % Math.ceil(all.length / 64) === 0)
  const bounds = some.map(threshold => boundAt(threshold, scores).epsilonMin)
  const best = some.filter((_, i) => bounds[i] === Math.max(...bounds))
  return best[Math.floor(best.length / 2)]!
}

type Counted = Pick<CanaryRow, 'truePositives' | 'falsePositives' | 'epsilonMin'>

/**
 * (epsilon, delta)-privacy says TPR <= e^epsilon FPR + delta and TNR <= e^epsilon FNR + delta. Each of the two rates misses its
 * interval with half of the chance, so both hold together.
 */
function boundAt(threshold: number, { present, absent }: Scores): Counted {
  const [n, m] = [present.length, absent.length]
  const hits = present.filter(s => s >= threshold).length
  const alarms = absent.filter(s => s >= threshold).length
  const from = (rate: number, other: number) => Math.log(Math.max(rate - DELTA, Number.MIN_VALUE) / other)
  const noticed = from(lowerLimit(hits, n, MISS / 2), upperLimit(alarms, m, MISS / 2))
  const cleared = from(lowerLimit(m - alarms, m, MISS / 2), upperLimit(n - hits, n, MISS / 2))
  return { truePositives: hits / n, falsePositives: alarms / m, epsilonMin: Math.max(0, noticed, cleared) }
}

/** Of a norm to which the canary's update is shortened for certain: nobody is easier to notice. */
const CLIP_NORM = 0.01

/**
 * Of one sum, with the canary or without: its component along the canary's update, in clipping norms, without what the others gave. With
 * the canary it is 1 before noise. The sum is the protocol's, the noise is what a round would add to it.
 */
function scorer(
  subject: Subject,
  trained: TrainedModel,
  noiseMultiplier: number,
  random: Random,
): (isPresent: boolean) => number {
  const training = { ...subject.charter.training, clipNorm: CLIP_NORM }
  const charter = { ...subject.charter, training }
  const hospitals = [
    canaryOf(subject, trained),
    ...Array.from({ length: HOSPITALS - 1 }, () => subject.draw(random)),
  ]
  const learned = hospitals.map(person => learnedBy({ ...subject, charter }, trained, person, random.key()))
  const canary = summed(charter, learned.slice(0, 1), random)
  const others = summed(charter, learned.slice(1), random)
  const all = summed(charter, learned, random)
  const norm = Math.sqrt(canary.reduce((a, v) => a + v * v, 0))
  if (norm < 0.999 * CLIP_NORM) throw new Error('the canary is not at the clipping norm')
  const sigma = noiseMultiplier * CLIP_NORM
  return isPresent => {
    const sum = isPresent ? all : others
    const along = sum.reduce((a, v, i) => a + (v + sigma * random.normal() - others[i]!) * canary[i]!, 0)
    return along / norm / CLIP_NORM
  }
}

/** All that the charter's ranges allow, and not what the model says of it. */
function canaryOf({ model, limits }: Subject, trained: TrainedModel): Person {
  const normal = Float32Array.from(limits, ([, max]) => max)
  trained.set(model.parameters)
  const y = logitsOf(trained, normal, limits.length)[0]! > 0 ? 0 : 1
  return { x: normal.map((u, j) => u * (model.deviation[j]! || 1) + model.mean[j]!), y }
}

/** The sum's update as it is opened, P numbers. */
function summed(charter: Charter, some: readonly Learned[], random: Random): Float64Array {
  const sections = layoutFor(charter, 'train', HOSPITALS)
  const sum = new Uint32Array(vectorLength(sections))
  for (const learned of some) {
    const input = quantisedInput({ charter, task: 'train', sections, learned, roundingKey: random.key() })
    if (!input.ok) throw new Error(input.error)
    addInto(sum, input.value.residues)
  }
  const [from, to] = sectionRange(sections, 'update')
  const { scale } = sections.find(s => s.name === 'update')!
  return Float64Array.from(sum.subarray(from, to), r => centre(r) / scale)
}
