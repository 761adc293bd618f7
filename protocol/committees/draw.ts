/**
 * Who sums with whom in a round and who decides it: by lot, from a beacon that nobody could choose (SPEC T2). The same at
 * every member and for everybody who checks the ledger later.
 */
import type { Charter } from '../../config/charter.ts'
import { committeeCount } from '../../config/tail.ts'
import { ascii, concatBytes, toHex, u32be } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { Lru } from '../crypto/lru.ts'
import { Memo } from '../memo.ts'
import type { MemberId } from '../ports.ts'
import { shuffled } from '../sum/pairs.ts'
import { shardRange } from '../sum/shards.ts'

export interface Draw {
  /** Who takes part, in the charter's order. */
  readonly members: readonly MemberId[]
  /** Each active member is in one of them; each in the charter's order. */
  readonly committees: readonly (readonly MemberId[])[]
  /** In the charter's order: the voters of the round's entry. */
  readonly deciders: readonly MemberId[]
  /** All active members in an order of the lot: along it entries spread. */
  readonly order: readonly MemberId[]
  /** The committee of each member. */
  readonly committeeOf: ReadonlyMap<MemberId, number>
  /** Position in `order`. */
  readonly positionOf: ReadonlyMap<MemberId, number>
}

/** A lot is the same for all members: those of one simulation draw it once. */
const draws = new Lru<Draw>(8)

/** A list of members stays the same from round to round, and its text is long. */
const names = new Memo<readonly MemberId[], Uint8Array>()

function namesOf(members: readonly MemberId[]): Uint8Array {
  const known = names.get(members)
  if (known) return known
  const text = ascii(members.join())
  names.set(members, text)
  return text
}

/**
 * The lot of `round` among `members` (the active ones, in the charter's order). `beacon`: 32 bytes. Committees have
 * `committees.size` members and up to half as many more, their sizes differ by at most one.
 */
export function drawOf(
  committees: NonNullable<Charter['committees']>,
  beacon: Uint8Array,
  round: number,
  members: readonly MemberId[],
): Draw {
  const seed = sha256(ascii('medmesh/1 draw\n'), beacon, u32be(round, committees.size), namesOf(members))
  const name = toHex(seed)
  const known = draws.get(name)
  if (known) return known
  const count = committeeCount(members.length, committees.size)
  const order = shuffled(members.length, sha256(ascii('committees'), seed))
  const bench = shuffled(members.length, sha256(ascii('deciders'), seed))
  const named = (indices: number[]) => indices.sort((a, b) => a - b).map(i => members[i]!)
  const pieces = Array.from({ length: count }, (_, k) => order.slice(...shardRange(order.length, count, k)))
  const path = order.map(i => members[i]!)
  const drawn: Draw = {
    members,
    committees: pieces.map(named),
    deciders: named(bench.slice(...shardRange(bench.length, count, 0))),
    order: path,
    committeeOf: new Map(pieces.flatMap((piece, k) => piece.map(i => [members[i]!, k] as const))),
    positionOf: new Map(path.map((m, i) => [m, i])),
  }
  draws.set(name, drawn)
  return drawn
}

/**
 * The beacon after an entry with committees' sums: of the seeds of their survivors, which these committed to before anybody
 * knew another's, and not of the entry, whose time its proposer may choose.
 */
export function nextBeacon(beacon: Uint8Array, seeds: readonly Uint8Array[]): Uint8Array {
  return sha256(concatBytes(ascii('medmesh/1 beacon\n'), beacon, ...seeds))
}

/** Fewest committees whose sums make a round: more than half. */
export function committeesMin(count: number): number {
  return Math.floor(count / 2) + 1
}
