/** A charter whose sums carry noise, for tests. */
import type { Charter, PatientPrivacy } from '../../config/charter.ts'

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
