/**
 * One committee of one round: a consortium of its own, with a charter that differs from the study's in its members and
 * their f, and a network that no other committee has. So all keys, votes and certificates are of this one alone.
 */
import { type Charter, quorum } from '../../config/charter.ts'
import { ascii, toHex, u32be } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { Lru } from '../crypto/lru.ts'
import { type Authority, memberKeys } from '../ledger/certificate.ts'
import { committeePlan } from '../ledger/plan.ts'
import { faultyMax, type LedgerState } from '../ledger/state.ts'
import type { PeerConfig } from '../peer.ts'
import type { MemberId, ModelState } from '../ports.ts'
import { assert } from '../result.ts'

export interface Committee {
  readonly index: number
  readonly round: number
  /** Bound to the study's network, the last entry, the round and the index: the committee's network and charter hash. */
  readonly hash: Uint8Array
  readonly charter: Charter
  readonly members: readonly MemberId[]
}

/** Members of one simulation are in the same committees. */
const committees = new Lru<Committee>(1024)

/** Committee `index` of the round that comes next; `state` is between rounds and has a draw. */
export function committeeAt(state: LedgerState, network: Uint8Array, index: number): Committee {
  const { phase, draw, charter, head } = state
  assert(phase.kind === 'between' && draw !== undefined, 'a round of committees is to come')
  const { round } = phase
  const hash = sha256(ascii('medmesh/1 committee\n'), network, head, u32be(round, index))
  const name = toHex(hash)
  const known = committees.get(name)
  if (known) return known
  const members = draw.committees[index]!
  const committee = {
    index,
    round,
    hash,
    members,
    charter: {
      ...charter,
      members: charter.members.filter(m => draw.committeeOf.get(m.id) === index),
      maliciousMax: faultyMax(charter),
      committees: undefined,
    },
  }
  committees.set(name, committee)
  return committee
}

/** Who certifies a committee's entries. */
export function committeeAuthority(state: LedgerState, { hash, members, charter }: Committee): Authority {
  const keys = memberKeys(state.charter)
  return {
    network: hash,
    voters: members,
    quorum: quorum(members.length, charter.maliciousMax),
    publicKeyOf: member => keys.get(member)!,
  }
}

/** The machine that a member runs in its committee. `model`: that of the study's ledger, where the round starts. */
export function partOf(
  config: PeerConfig,
  state: LedgerState,
  { charter, hash, round }: Committee,
  model: ModelState,
  residual: Float32Array | undefined,
): PeerConfig {
  return {
    charter,
    charterHash: hash,
    network: hash,
    self: config.self,
    seed: config.seed,
    part: {
      plan: committeePlan(round, state.charter.members.length, state.head),
      model,
      modelHash: state.modelHash,
      residual,
    },
  }
}
