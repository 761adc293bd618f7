/** What an entry says of a round's committees, as far as charter and lot can tell whether it may. */
import { type Charter, survivorsFloor } from '../../config/charter.ts'
import type { CommitteesSummed } from '../ledger/entry.ts'
import { isSublist, sameList } from '../ledger/lists.ts'
import { Memo } from '../memo.ts'
import type { MemberId } from '../ports.ts'
import { membersOf } from '../round/bitmap.ts'
import { committeesMin, type Draw } from './draw.ts'

/** What is wrong with the committees that an entry names; undefined: nothing. That the sums add up is the voters' part. */
export function wrongCommittees(charter: Charter, draw: Draw, body: CommitteesSummed): string | undefined {
  const all = draw.committees.map((_, index) => index)
  const given = body.committees.map(c => c.index)
  if (!isSublist(given, all)) return 'committees are not of this round, or not in their order'
  const rest = all.filter(index => !given.includes(index))
  if (!sameList(body.missing, rest)) return 'missing is not the rest of the committees'
  const least = committeesMin(all.length)
  if (given.length < least) return `${given.length} committees, at least ${least}`
  const floor = survivorsFloor({ ...charter, maliciousMax: charter.committees?.maliciousMax ?? 0 })
  for (const { index, survivors } of body.committees) {
    const members = membersOf(draw.committees[index]!, survivors)
    if (!members) return `survivors of committee ${index} are not of its members`
    if (members.size < floor) return `${members.size} survivors in committee ${index}, at least ${floor}`
  }
  if (!body.faults.every(f => draw.committeeOf.has(f.member))) return 'who is accused is no member'
  return undefined
}

const survivors = new Memo<CommitteesSummed, readonly MemberId[]>()

/** All members whose inputs are in the round's sum, in the order of their committees. */
export function survivorsOf(draw: Draw, body: CommitteesSummed): readonly MemberId[] {
  const known = survivors.get(body)
  if (known) return known
  const all = body.committees.flatMap(c => [...(membersOf(draw.committees[c.index]!, c.survivors) ?? [])])
  survivors.set(body, all)
  return all
}

type LeftOut = readonly { readonly member: MemberId; readonly reason: string }[]
const missed = new Memo<CommitteesSummed, LeftOut>()

/** All others: of committees that are missing, or left out by their own. */
export function missedOf(draw: Draw, body: CommitteesSummed): LeftOut {
  const known = missed.get(body)
  if (known) return known
  const all = new Set(survivorsOf(draw, body))
  const leftOut = draw.committees.flatMap((members, index) => {
    const reason = body.missing.includes(index) ? 'committee' : 'silent'
    return members.filter(m => !all.has(m)).map(member => ({ member, reason }))
  })
  missed.set(body, leftOut)
  return leftOut
}
