/** How the fields of a charter must fit each other where its sums carry noise. What the noise costs, `protocol/privacy` says. */
import type { CharterDraft } from './charter.ts'
import type { Problem } from './problem.ts'

export function privacyProblems({
  privacy,
  training,
  secureSum,
  committees,
  members,
}: CharterDraft): Problem[] {
  if (privacy.unit === 'none') return []
  const problems: Problem[] = []
  const code = 'CHARTER_PRIVACY'
  const deltaMax = 1 / privacy.patients
  if (privacy.delta > deltaMax) {
    problems.push({
      code,
      path: ['privacy', 'delta'],
      says: `must be at most 1/patients = ${deltaMax}: with more, all that is known of one patient may be told`,
      fix: `set it to ${(privacy.patients ** -1.1).toPrecision(1)}, which is about patients^-1.1`,
    })
  }
  const most = members.length * training.weightMax
  if (privacy.patients > most) {
    problems.push({
      code,
      path: ['privacy', 'patients'],
      says: `must be at most ${most}: ${members.length} hospitals of at most weightMax rows`,
      fix: 'correct it, or raise training.weightMax to the rows of the largest hospital',
    })
  }
  problems.push(...(privacy.noise === 'sum' ? stepProblems({ training, secureSum }) : []))
  if (privacy.noise === 'hospital' && training.weighting !== 'equal') {
    problems.push({
      code,
      path: ['training', 'weighting'],
      says: 'must be equal where privacy.noise is hospital: a sum of row counts without noise would tell of patients',
      fix: 'set it to equal',
    })
  }
  if (committees) {
    problems.push({
      code,
      path: ['committees'],
      says: 'must be left out where privacy.unit is patient: no noise is shared out among committees yet',
      fix: 'leave it out',
    })
  }
  return problems
}

/** Each round is one step over the rows of all. */
function stepProblems({ training, secureSum }: Pick<CharterDraft, 'training' | 'secureSum'>): Problem[] {
  const code = 'CHARTER_PRIVACY'
  const problems: Problem[] = []
  if (training.localUpdates !== 1) {
    problems.push({
      code,
      path: ['training', 'localUpdates'],
      says: 'must be 1 where privacy.noise is sum: each round is one step over the rows of all hospitals',
      fix: 'set it to 1, and take more rounds',
    })
  }
  if (training.optimizer !== 'sgd') {
    problems.push({
      code,
      path: ['training', 'optimizer'],
      says: 'must be sgd where privacy.noise is sum',
      fix: 'set it to sgd',
    })
  }
  if (secureSum.compression) {
    problems.push({
      code,
      path: ['secureSum', 'compression'],
      says: 'must be left out where privacy.noise is sum: coarse steps leave no room for the noise',
      fix: 'leave it out',
    })
  }
  return problems
}
