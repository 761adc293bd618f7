/** The privacy policy of a charter, for people. */
import { type Charter, protection } from '../config/charter.ts'
import { MedmeshError } from '../config/error.ts'
import { protectionInWords } from '../config/words.ts'
import { shortfall } from '../protocol/privacy/budget.ts'
import { epsilonOfReleases, plannedReleases } from '../protocol/privacy/policy.ts'

/** Throws MedmeshError CHARTER_PRIVACY_BUDGET where the planned rounds cost more than the charter's budget. */
export function checkBudget(charter: Charter): void {
  const privacy = protection(charter)
  const lack = shortfall(charter)
  if (!privacy || !lack) return
  const { epsilon, enough } = lack
  throw new MedmeshError(
    'CHARTER_PRIVACY_BUDGET',
    `privacy.noiseMultiplier is too small: ${charter.training.rounds} rounds cost epsilon ${shown(epsilon)} at delta ${privacy.delta} of one ${privacy.unit}, and privacy.epsilonMax is ${privacy.epsilonMax}`,
    enough
      ? `set it to statistics ${enough.statistics}, training ${enough.training}, evaluation ${enough.evaluation}; or take fewer rounds${Number.isFinite(epsilon) ? `, or promise epsilonMax ${up(epsilon)}` : ''}`
      : 'no noise gives such an epsilon: promise a larger epsilonMax',
  )
}

/** What is protected and how well, in a few lines. */
export function privacyInWords(charter: Charter): readonly string[] {
  const privacy = protection(charter)
  const first = `Privacy: ${protectionInWords(charter)}`
  if (!privacy) return [first]
  const { noiseMultiplier: z } = privacy
  const planned = epsilonOfReleases(charter, plannedReleases(charter))
  const isPatient = privacy.unit === 'patient'
  return [
    first,
    `  the planned rounds cost epsilon ${shown(planned)}; the rest of the budget is for rounds that have to be tried again`,
    isPatient
      ? `  each step of training takes a row with probability ${privacy.samplingRate}, its gradient clipped to norm ${privacy.clipNorm}; noise is ${z.training} times what a row can change`
      : `  an update is clipped to norm ${charter.training.clipNorm}; noise is ${z.training} times that`,
    `  (${z.statistics} times what ${isPatient ? 'a row' : 'a hospital'} can change in the sums for normalisation, ${z.evaluation} times in the evaluation)`,
    isPatient
      ? '  not covered: that a hospital takes part, that many rows of one patient are counted as many patients, and what a hospital publishes elsewhere'
      : '  not covered: that a hospital takes part, and what it publishes elsewhere; of its patients each is protected as the hospital is, at least',
  ]
}

function shown(epsilon: number): string {
  return epsilon.toPrecision(3)
}

function up(epsilon: number): number {
  return Math.ceil(epsilon * 100) / 100
}
