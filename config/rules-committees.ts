/** How the committees of a charter must fit its members, and how sure it must be that a lot draws good ones. */
import { type CharterDraft, countsBeside, expandedFeatureCount, parameterCount } from './charter.ts'
import type { Problem } from './problem.ts'
import { committeeCount, maliciousBorne, ROUND_FAILURE_MAX, roundFailure } from './tail.ts'

/** Members that can decide and sum together: as many as Shamir shares have abscissas. */
export const TOGETHER_MAX = 255
/** Committees that one entry can name. */
const COMMITTEES_MAX = 512
/** Elements of a committee's sum, 4 bytes each, that fit in the one message in which it goes to those who decide. */
const SUM_LENGTH_MAX = 2_032_640
/** Largest size and f that the schema allows. */
const SIZE_MAX = 64

/** Rules of the section `committees`, and of its absence. */
export function committeeProblems(charter: CharterDraft): Problem[] {
  const n = charter.members.length
  const { committees } = charter
  if (!committees) {
    if (n <= TOGETHER_MAX) return []
    return [
      {
        code: 'CHARTER_MEMBERS',
        path: ['members'],
        says: `must be at most ${TOGETHER_MAX}: more cannot share their seeds among all`,
        fix: 'add a section `committees` with size and maliciousMax',
      },
    ]
  }
  const { size, maliciousMax } = committees
  const fits = Math.floor((size - 1) / 3)
  if (maliciousMax > fits) {
    const says = `must be at most ${fits}: agreement among ${size} members needs n > 3f`
    const fix = `set it to ${fits}, or size to ${3 * maliciousMax + 1}`
    return [{ code: 'CHARTER_COMMITTEE_AGREEMENT', path: ['committees', 'maliciousMax'], says, fix }]
  }
  const most = Math.floor(n / 2)
  if (size > most) {
    const says = `must be at most ${most}: ${n} members make at least two committees`
    const fix =
      most < 4 ? 'leave the section `committees` out' : `set it to ${most}, or leave the section out`
    return [{ code: 'CHARTER_COMMITTEE_SIZE', path: ['committees', 'size'], says, fix }]
  }
  if (committeeCount(n, size) > COMMITTEES_MAX) {
    const least = Math.floor(n / (COMMITTEES_MAX + 1)) + 1
    const says = `must be at least ${least}: one entry names at most ${COMMITTEES_MAX} committees`
    return [{ code: 'CHARTER_COMMITTEE_SIZE', path: ['committees', 'size'], says, fix: `set it to ${least}` }]
  }
  return [...sumProblems(charter), ...tailProblems(n, charter.maliciousMax, size, maliciousMax)]
}

/** As `protocol/sum/layout.ts` lays the vectors of statistics and of training out. */
function sumProblems(charter: CharterDraft): Problem[] {
  const beside = countsBeside(charter)
  const length = Math.max(parameterCount(charter) + beside, 2 * expandedFeatureCount(charter) + 1)
  if (length <= SUM_LENGTH_MAX) return []
  const says = `makes committees' sums of ${length} numbers; at most ${SUM_LENGTH_MAX} go in one message`
  const fix = `make the model smaller, of at most ${SUM_LENGTH_MAX - beside} parameters, or leave the section \`committees\` out`
  return [{ code: 'CHARTER_COMMITTEE_SUM', path: ['model'], says, fix }]
}

function tailProblems(n: number, f: number, size: number, maliciousMax: number): Problem[] {
  const failure = roundFailure(n, f, size, maliciousMax)
  if (failure <= ROUND_FAILURE_MAX) return []
  const says = `is too small: with ${f} of ${n} members malicious, a round has a committee with more than ${maliciousMax} of them with a probability of up to ${failure.toPrecision(2)}; at most ${ROUND_FAILURE_MAX} is allowed`
  return [
    { code: 'CHARTER_COMMITTEE_TAIL', path: ['committees', 'maliciousMax'], says, fix: remedy(n, f, size) },
  ]
}

/** The smallest change that does: a higher f for committees of this size, larger committees, or fewer malicious in all. */
function remedy(n: number, f: number, size: number): string {
  const does = (members: number, faulty: number) => roundFailure(n, f, members, faulty) <= ROUND_FAILURE_MAX
  for (let faulty = 0; 3 * faulty < size; faulty++) if (does(size, faulty)) return `set it to ${faulty}`
  for (let members = size + 1; members <= Math.min(SIZE_MAX, n / 2); members++) {
    const faulty = Math.floor((members - 1) / 3)
    if (does(members, faulty)) return `set size to ${members} and maliciousMax of committees to ${faulty}`
  }
  const faulty = Math.floor((size - 1) / 3)
  const all = maliciousBorne(n, size, faulty)
  return `no committee of up to ${SIZE_MAX} will do: set maliciousMax of all members to ${all}, and that of committees to ${faulty}`
}
