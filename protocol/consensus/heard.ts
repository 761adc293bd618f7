/**
 * What has been heard at one height, within bounds whatever liars send: per view at most two proposals, and of each
 * member its first vote of a type and such others as enough members back (a liar's vote that only some peers
 * hold must be able to reach the rest, else they would not see the quorum that the others saw).
 */
import { equalBytes, toHex } from '../bytes.ts'
import { Memo } from '../memo.ts'
import type { MemberId } from '../ports.ts'
import type { ConsensusMessage, Proposal, Vote } from './message.ts'

const noVotes: ReadonlyMap<MemberId, Vote> = new Map()

/** Of ids in messages, which are looked up at each further message. */
const names = new Memo<Uint8Array, string>()

function keyOf(id: Uint8Array | null): string {
  if (id === null) return 'nil'
  const known = names.get(id)
  if (known !== undefined) return known
  const name = toHex(id)
  names.set(id, name)
  return name
}

/** The votes of one type in one view. */
class Tally {
  readonly first = new Map<MemberId, Vote>()
  readonly #byId = new Map<string, Map<MemberId, Vote>>()

  votesFor(id: Uint8Array | null): ReadonlyMap<MemberId, Vote> {
    return this.#byId.get(keyOf(id)) ?? noVotes
  }

  add(vote: Vote): void {
    if (!this.first.has(vote.from)) this.first.set(vote.from, vote)
    const key = keyOf(vote.id)
    const votes = this.#byId.get(key) ?? new Map<MemberId, Vote>()
    this.#byId.set(key, votes.set(vote.from, vote))
  }

  *all(): Iterable<Vote> {
    for (const votes of this.#byId.values()) yield* votes.values()
  }
}

interface HeardView {
  readonly proposals: Proposal[]
  readonly prevote: Tally
  readonly precommit: Tally
  /** Slots (member and type) of which an equivocation was reported. */
  readonly blamed: Set<string>
}

/** `new`: keep it. `known`: nothing to do. `conflict`: differs from what its author said before. */
export type Novelty =
  | { readonly kind: 'new' }
  | { readonly kind: 'known' }
  | {
      readonly kind: 'conflict'
      readonly before: ConsensusMessage
      /** Worth keeping all the same, because enough members back its value. */
      readonly backed: boolean
      /** Reported already. */
      readonly blamed: boolean
    }

export class Heard {
  readonly #views = new Map<number, HeardView>()
  readonly #quorum: number
  readonly #faultyMax: number

  constructor(quorum: number, faultyMax: number) {
    this.#quorum = quorum
    this.#faultyMax = faultyMax
  }

  /** Views with messages, in ascending order. */
  get views(): number[] {
    return [...this.#views.keys()].sort((a, b) => a - b)
  }

  proposals(view: number): readonly Proposal[] {
    return this.#views.get(view)?.proposals ?? []
  }

  /** Votes of `type` for `id` (null: nil) in `view`, by member. */
  votes(type: Vote['type'], view: number, id: Uint8Array | null): ReadonlyMap<MemberId, Vote> {
    return this.#views.get(view)?.[type].votesFor(id) ?? noVotes
  }

  /** Members with any vote of `type` in `view`. */
  voters(type: Vote['type'], view: number): ReadonlyMap<MemberId, Vote> {
    return this.#views.get(view)?.[type].first ?? noVotes
  }

  /** Members whose prevote for `id` is known, in whatever view. */
  prevoters(id: Uint8Array): readonly MemberId[] {
    const found = new Set<MemberId>()
    for (const heard of this.#views.values()) for (const m of heard.prevote.votesFor(id).keys()) found.add(m)
    return [...found]
  }

  novelty(message: ConsensusMessage): Novelty {
    const heard = this.#views.get(message.view)
    if (heard === undefined) return { kind: 'new' }
    const blamed = heard.blamed.has(`${message.type}/${message.from}`)
    if (message.type === 'proposal') {
      const before = heard.proposals[0]
      if (before === undefined) return { kind: 'new' }
      if (heard.proposals.some(p => equalBytes(p.raw.body, message.raw.body))) return { kind: 'known' }
      // Two quorums meet in an honest member: at most one proposal of a view can ever be backed by one.
      const missing = !heard.proposals.some(p => equalBytes(p.id, message.id))
      const votes = (type: Vote['type']) => heard[type].votesFor(message.id).size
      const backed = missing && (votes('prevote') >= this.#quorum || votes('precommit') >= this.#quorum)
      return { kind: 'conflict', before, backed, blamed }
    }
    const tally = heard[message.type]
    const before = tally.first.get(message.from)
    if (before === undefined) return { kind: 'new' }
    const same = tally.votesFor(message.id)
    if (same.has(message.from)) return { kind: 'known' }
    // A quorum has at least so many honest votes, which are first votes; fewer than three values can have them.
    return { kind: 'conflict', before, backed: same.size >= this.#quorum - this.#faultyMax, blamed }
  }

  add(message: ConsensusMessage): void {
    const heard = this.#view(message.view)
    if (message.type === 'proposal') heard.proposals.push(message)
    else heard[message.type].add(message)
  }

  blame(message: ConsensusMessage): void {
    this.#view(message.view).blamed.add(`${message.type}/${message.from}`)
  }

  forgetUnless(wanted: (view: number) => boolean): void {
    for (const view of this.#views.keys()) if (!wanted(view)) this.#views.delete(view)
  }

  /** All that is kept, proposals first within a view, later views first: in this order a peer that lags needs it. */
  *all(): Iterable<ConsensusMessage> {
    for (const view of this.views.reverse()) {
      const heard = this.#views.get(view)!
      yield* heard.proposals
      yield* heard.prevote.all()
      yield* heard.precommit.all()
    }
  }

  #view(view: number): HeardView {
    const known = this.#views.get(view)
    if (known !== undefined) return known
    const fresh = { proposals: [], prevote: new Tally(), precommit: new Tally(), blamed: new Set<string>() }
    this.#views.set(view, fresh)
    return fresh
  }
}
