/** Charters whose sums carry noise, for tests. */
import type { Charter, PatientPrivacy, Protection } from '../../config/charter.ts'
import { u32be } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { NoiseKey } from '../../protocol/ports.ts'
import { NOISE_LEVELS_MAX } from '../../protocol/wire/limits.ts'

/** That protects patients. */
export const noised =
  (privacy: Partial<PatientPrivacy> = {}) =>
  (charter: Charter): Charter => ({
    ...charter,
    training: { ...charter.training, localUpdates: 1, optimizer: 'sgd' },
    privacy: {
      unit: 'patient',
      noise: 'sum',
      patients: 400,
      samplingRate: 0.1,
      clipNorm: 1,
      noiseMultiplier: { statistics: 5, training: 1, evaluation: 5 },
      epsilonMax: 8,
      delta: 1e-4,
      ...privacy,
    },
  })

/** That protects hospitals. */
export const hospitalsNoised =
  (privacy: Partial<Extract<Protection, { unit: 'hospital' }>> = {}) =>
  (charter: Charter): Charter => ({
    ...charter,
    training: { ...charter.training, weighting: 'equal' },
    privacy: {
      unit: 'hospital',
      noiseMultiplier: { statistics: 5, training: 3, evaluation: 5 },
      epsilonMax: 100,
      delta: 1e-2,
      ...privacy,
    },
  })

/** A hospital's keys of all levels of noise above the lowest. */
export function levelKeys(hospital: number): readonly NoiseKey[] {
  return Array.from({ length: NOISE_LEVELS_MAX }, (_, i) => ({
    level: i + 1,
    key: sha256(u32be(hospital, i + 1)),
  }))
}
