/** Whether a training round's model is what the learners' own numbers give, whatever the protocol has made of them (SPEC D2). */
import { type Charter, type PatientPrivacy, patientPrivacy } from '../../config/charter.ts'
import type { Section } from '../../protocol/ports.ts'
import { varianceOf } from '../../protocol/privacy/shares.ts'
import { type Masking, updateOf } from './inputs.ts'

/** Deviations that no draw of noise is off by: more comes once in 10^32. */
export const NOISE_TAIL = 12

const norm = (xs: Iterable<number>) => Math.sqrt(Array.from(xs, x => x * x).reduce((a, b) => a + b, 0))

/** What a hospital sent of its clipped update, and of what it owed, times its weight; and the weight. */
function given({ training: { clipNorm, weightMax, weighting } }: Charter, { work, unsent }: Masking) {
  const { samples } = work.learned
  const update = Array.from(updateOf(work.learned), (x, i) => x + (work.residual?.[i] ?? 0))
  const weight = samples === 0 ? 0 : weighting === 'equal' ? 1 : Math.min(1, samples / weightMax)
  const clip = Math.min(1, clipNorm / (norm(update) || 1))
  return { weight, update: update.map((x, i) => weight * (x * clip - (unsent?.[i] ?? 0))) }
}

/**
 * Whether `after` is `before` and the weighted mean of the updates, within what rounding to steps can do; undefined where it could
 * be all of it, as there are hardly any rows.
 */
export function isWeightedMean(
  charter: Charter,
  maskings: readonly Masking[],
  before: Float32Array,
  after: Float32Array,
): boolean | undefined {
  const noised = patientPrivacy(charter)
  if (noised?.noise === 'sum') return isNoisedStep(noised, maskings, before, after)
  const { sections } = maskings[0]!.work
  const of = (name: string) => sections.find(s => s.name === name)!
  const update = of('update')
  const noise = (s: Section) => NOISE_TAIL * Math.sqrt(maskings.length * varianceOf(s.noise))
  const step = (s: Section) => (maskings.length + noise(s)) / s.scale
  const all = maskings.map(m => given(charter, m))
  const weight = all.reduce((w, one) => w + one.weight, 0)
  if (weight < 2 / charter.training.weightMax) return undefined
  const mean = Array.from(before, (_, i) => all.reduce((u, one) => u + one.update[i]!, 0) / weight)
  const off = mean.map((x, i) => Math.abs(before[i]! + x - after[i]!))
  const blur = (x: number) => (2 * Math.abs(x) * step(of('weight'))) / weight
  if (!update.rotated) {
    // Of factors a value of the update has one of each column, against a row of the basis: of length 1 at most.
    const terms = Math.sqrt(charter.secureSum.compression?.rank ?? 1)
    return off.every(
      (x, i) => x <= (2 * terms * step(update)) / weight + blur(mean[i]!) + 1e-6 * (1 + Math.abs(after[i]!)),
    )
  }
  // The rotation keeps norms: of rounding, and of what was cut at the bound.
  const cut = maskings.reduce((sum, { clear }) => {
    const beyond = Array.from(clear.numbers.subarray(0, update.length), x => Math.abs(x) - update.bound)
    return sum + norm(beyond.filter(x => x > 0))
  }, 0)
  const rounded = Math.sqrt(update.length) * step(update) + cut
  return norm(off) <= (2 * rounded) / weight + blur(norm(mean)) + 1e-6 * (1 + norm(after))
}

/** Whether `after` is `before` and a step by the sum of the gradients, within what noise and rounding can do. */
function isNoisedStep(
  { samplingRate, patients }: PatientPrivacy,
  maskings: readonly Masking[],
  before: Float32Array,
  after: Float32Array,
): boolean {
  const { noise, scale } = maskings[0]!.work.sections.find(s => s.name === 'update')!
  const rows = samplingRate * patients
  const blur = (maskings.length + NOISE_TAIL * Math.sqrt(maskings.length * varianceOf(noise))) / scale / rows
  const updates = maskings.map(m => updateOf(m.work.learned))
  return before.every((x, i) => {
    const step = updates.reduce((sum, update) => sum + update[i]!, 0) / rows
    return Math.abs(x + step - after[i]!) <= blur + 1e-6 * (1 + Math.abs(after[i]!))
  })
}
