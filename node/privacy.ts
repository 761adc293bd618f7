/** The privacy policy of a charter, for people. */
import { type Charter, patientPrivacy } from '../config/charter.ts'
import { MedmeshError } from '../config/error.ts'
import { shortfall } from '../protocol/privacy/budget.ts'
import { epsilonOfReleases, plannedReleases } from '../protocol/privacy/policy.ts'

/** Throws MedmeshError CHARTER_PRIVACY_BUDGET where the planned rounds cost more than the charter's budget. */
export function checkBudget(charter: Charter): void {
  const privacy = patientPrivacy(charter)
  const lack = shortfall(charter)
  if (!privacy || !lack) return
  const { epsilon, enough } = lack
  throw new MedmeshError(
    'CHARTER_PRIVACY_BUDGET',
    `privacy.noiseMultiplier is too small: ${charter.training.rounds} rounds cost epsilon ${shown(epsilon)} at delta ${privacy.delta}, and privacy.epsilonMax is ${privacy.epsilonMax}`,
    enough
      ? `set it to statistics ${enough.statistics}, training ${enough.training}, evaluation ${enough.evaluation}; or take fewer rounds${Number.isFinite(epsilon) ? `, or promise epsilonMax ${up(epsilon)}` : ''}`
      : 'no noise gives such an epsilon: promise a larger epsilonMax',
  )
}

/** What is protected and how well, in a few lines. */
export function privacyInWords(charter: Charter): readonly string[] {
  const privacy = patientPrivacy(charter)
  if (!privacy)
    return [
      'Privacy: no differential privacy: the sums and the model are exact; summing in secret alone is no anonymity',
    ]
  const { noise, epsilonMax, delta, samplingRate, clipNorm, noiseMultiplier: z } = privacy
  const planned = epsilonOfReleases(charter, plannedReleases(charter))
  return [
    `Privacy: each patient's row, at any hospital, by noise in every ${noise === 'sum' ? 'sum' : "sum or in each hospital's training"}: at most epsilon ${epsilonMax} at delta ${delta}`,
    `  the planned rounds cost epsilon ${shown(planned)}; the rest of the budget is for rounds that have to be tried again`,
    `  each step of training takes a row with probability ${samplingRate}, its gradient clipped to norm ${clipNorm}; noise is ${z.training} times what a row can change`,
    `  (${z.statistics} times in the sums for normalisation, ${z.evaluation} times in the counts of the evaluation)`,
    '  not covered: that a hospital takes part, that many rows of one patient are counted as many patients, and what a hospital publishes elsewhere',
  ]
}

function shown(epsilon: number): string {
  return epsilon.toPrecision(3)
}

function up(epsilon: number): number {
  return Math.ceil(epsilon * 100) / 100
}
