/** How the fields of a charter must fit each other where its sums carry noise. What the noise costs, `protocol/privacy` says. */
import type { CharterDraft, PatientPrivacy, Protection } from './charter.ts'
import type { Problem } from './problem.ts'

const code = 'CHARTER_PRIVACY'

export function privacyProblems(charter: CharterDraft): Problem[] {
  const { privacy, training, secureSum, committees } = charter
  if (privacy.unit === 'none') return []
  const problems =
    privacy.unit === 'patient' ? patientProblems(charter, privacy) : hospitalProblems(charter, privacy)
  if (privacy.unit === 'patient' && privacy.noise === 'sum') {
    problems.push(...stepProblems({ training }))
  } else if (training.weighting !== 'equal') {
    problems.push({
      code,
      path: ['training', 'weighting'],
      says: 'must be equal where not a whole round is one step: a sum of row counts without noise would tell of them',
      fix: 'set it to equal',
    })
  }
  const isInSum = privacy.unit === 'hospital' || privacy.noise === 'sum'
  if (isInSum && secureSum.compression) {
    problems.push({
      code,
      path: ['secureSum', 'compression'],
      says: 'must be left out where updates are summed with noise: coarse steps leave no room for it',
      fix: 'leave it out',
    })
  }
  if (committees) {
    problems.push({
      code,
      path: ['committees'],
      says: 'must be left out under noise: none is shared out among committees yet',
      fix: 'leave it out',
    })
  }
  return problems
}

function patientProblems(
  { members, training }: CharterDraft,
  { delta, patients }: PatientPrivacy,
): Problem[] {
  const problems = deltaProblems(delta, patients, 'patient')
  const most = members.length * training.weightMax
  if (patients > most) {
    problems.push({
      code,
      path: ['privacy', 'patients'],
      says: `must be at most ${most}: ${members.length} hospitals of at most weightMax rows`,
      fix: 'correct it, or raise training.weightMax to the rows of the largest hospital',
    })
  }
  return problems
}

function hospitalProblems({ members }: CharterDraft, { delta }: Protection): Problem[] {
  return deltaProblems(delta, members.length, 'hospital')
}

function deltaProblems(delta: number, units: number, unit: 'patient' | 'hospital'): Problem[] {
  if (delta <= 1 / units) return []
  return [
    {
      code,
      path: ['privacy', 'delta'],
      says: `must be at most 1/${units} = ${1 / units}, as there are so many: with more, all that is known of one ${unit} may be told`,
      fix: `set it to ${(units ** -1.1).toPrecision(1)}, which is about ${units}^-1.1`,
    },
  ]
}

/** Each round is one step over the rows of all. */
function stepProblems({ training }: Pick<CharterDraft, 'training'>): Problem[] {
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
  return problems
}
