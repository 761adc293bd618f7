/** A subject's charter with noise in its sums. Clipping is so short that every update is clipped: nobody is easier to notice. */
import type { Charter } from '../../config/charter.ts'

/** L2 norm of what a hospital, or a patient, adds to a sum at most. */
export const CHANGE = 0.01

const COMMON = { epsilonMax: 1000, delta: 1e-5 }

/** `training`: noise of a training round over CHANGE. */
const multipliers = (training: number) => ({ statistics: 5, training, evaluation: 5 })

export function hospitalsNoised(charter: Charter, noise: number): Charter {
  return {
    ...charter,
    training: { ...charter.training, clipNorm: CHANGE },
    privacy: { unit: 'hospital', noiseMultiplier: multipliers(noise), ...COMMON },
  }
}

/** `samplingRate`: with which a row is in a step. */
export function patientsNoised(charter: Charter, noise: number, samplingRate: number): Charter {
  const clipNorm = CHANGE / charter.training.learningRate
  const patient = { unit: 'patient', noise: 'sum', patients: 400, samplingRate, clipNorm } as const
  return { ...charter, privacy: { ...patient, noiseMultiplier: multipliers(noise), ...COMMON } }
}
