/** What people are told in every text about sums and models: whom noise protects, and that summing in secret protects nobody. */
import { type Charter, protection } from './charter.ts'

/** The unit that is protected, and how well: in a few words, without a full stop. */
export function protectionInWords(charter: Pick<Charter, 'privacy'>): string {
  const privacy = protection(charter)
  if (!privacy)
    return 'no differential privacy: nothing protects a patient in the sums and the model, which are exact; summing in secret alone is no anonymity'
  const { epsilonMax, delta } = privacy
  const isPatient = privacy.unit === 'patient'
  const unit = isPatient ? "each patient's row, at any hospital," : 'all that one hospital gives'
  const where = isPatient && privacy.noise === 'hospital' ? "sum or in each hospital's training" : 'sum'
  return `${unit} is protected by noise in every ${where}: at most epsilon ${epsilonMax} at delta ${delta}`
}
