/**
 * How honest members vote (SPEC C1, L6; Tendermint, arXiv 1807.04938, lines 28 to 43): a precommit only after a quorum's
 * prevotes have come, no prevote against the own lock, none for survivors of whom one was seen to have given two inputs.
 * A broken rule shows here long before two entries are certified, which takes liars at the right time and place.
 */
import { equalBytes, fromHex, toHex } from '../../protocol/bytes.ts'
import type { Vote } from '../../protocol/consensus/message.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { Lru } from '../../protocol/crypto/lru.ts'
import { decodeEntry, type Entry } from '../../protocol/ledger/entry.ts'
import { taskOf } from '../../protocol/ledger/plan.ts'
import type { Input, MemberId, Output } from '../../protocol/ports.ts'
import { layoutFor, vectorLength } from '../../protocol/sum/layout.ts'
import { verifyEnvelope } from '../../protocol/wire/envelope.ts'
import type { Body } from '../../protocol/wire/messages.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import { attemptName, type CheckContext } from './context.ts'
import { Judge } from './judge.ts'
import { bodyOf, heightOfKey, type Message, readMessage, readRecord } from './read.ts'
import { Seats } from './seats.ts'

export function voting(context: CheckContext): Checker {
  return new Voting(context)
}

/** Values of one height that are followed: more are a liar's flood, of which no quorum will prevote one. */
const VALUES_MAX = 4096
/** Different inputs of one member that are kept for each host. */
const INPUTS_MAX = 4
/** Heights ahead of a host of which it is noted what it heard. */
const HEIGHTS_AHEAD = 64

/** What one host has heard at one height: by `view/value` who prevoted. */
type Heard = Map<string, Set<MemberId>>

interface Voter {
  /** Of the ledger on its disk. */
  height: number
  /** Its votes beyond that, as they left; and its prevotes as they were made. */
  voted: Set<string>
  made: Set<string>
  readonly heard: Map<number, Heard>
  /** The last value that it precommitted, at the height that follows. */
  lock: { readonly view: number; readonly id: string } | undefined
  /** The attempt which it takes part in, in this life: round, attempt and the hex of the entry that opened it. */
  attempt: string | undefined
  /** Different inputs of this attempt that were handed to it, by author. */
  inputs: Map<MemberId, readonly Message[]>
}

class Voting extends Judge {
  readonly #voters = new Map<MemberId, Voter>()
  /** Proposals by height: `view/value` to the highest valid view that any of them claims. */
  readonly #proposed = new Map<number, Map<string, number>>()
  /** Proposed entries that fix survivors, by value. */
  readonly #values = new Lru<Entry>(64)
  readonly #seats: Seats

  constructor(context: CheckContext) {
    super('voting', context)
    this.#seats = new Seats(context)
  }

  onStart(host: SimHost): void {
    if (!this.isHonest(host.id)) return
    const v = this.#voter(host.id)
    v.attempt = undefined
    v.inputs = new Map()
  }

  /** Before the machine handles it. */
  onInput(host: SimHost, input: Input): void {
    if (input.kind !== 'message' || !this.isHonest(host.id)) return
    const message = readMessage(input.bytes)
    if (!message) return
    if (message.vote) this.#hear(host.id, message)
    else if (message.type === 'input') this.#given(host, message)
  }

  #hear(host: MemberId, { author, vote }: Message): void {
    if (vote!.type === 'proposal') {
      this.#propose(vote!.height, vote!.view, vote!.validView, vote!)
      return
    }
    if (vote!.type === 'prevote' && vote!.id) this.#prevoted(host, author, vote!)
  }

  #propose(
    height: number,
    view: number,
    validView: number,
    { id, value }: { readonly id: Uint8Array; readonly value: Uint8Array },
  ): void {
    const name = toHex(id)
    const of = this.#proposed.get(height) ?? new Map<string, number>()
    this.#proposed.set(height, of)
    const key = `${view}/${name}`
    if (of.size < VALUES_MAX) of.set(key, Math.max(validView, of.get(key) ?? -1))
    if (this.#values.get(name)) return
    const entry = decodeEntry(value)
    if (entry.ok && entry.value.body.kind === 'SurvivorsFixed') this.#values.set(name, entry.value)
  }

  #prevoted(host: MemberId, author: MemberId, { height, view, id }: Vote): void {
    const v = this.#voter(host)
    if (height <= v.height || height > v.height + HEIGHTS_AHEAD) return
    const heard = v.heard.get(height) ?? new Map<string, Set<MemberId>>()
    v.heard.set(height, heard)
    const key = `${view}/${toHex(id!)}`
    const by = heard.get(key) ?? new Set<MemberId>()
    if (heard.size < VALUES_MAX) heard.set(key, by.add(author))
  }

  onRelease(host: SimHost, _to: MemberId | undefined, bytes: Uint8Array): void {
    const message = readMessage(bytes)
    if (message?.vote?.type === 'proposal') this.#hear(host.id, message)
    if (!message || message.author !== host.id || !this.isHonest(host.id)) return
    const offer = bodyOf(message, 'offer')
    if (offer) this.#takesPart(host.id, nameOf(offer))
    const { vote } = message
    if (!vote || vote.type === 'proposal' || !vote.id) return
    // Said again for who missed it: nothing new.
    const v = this.#voter(host.id)
    const name = `${vote.type} ${vote.height}/${vote.view}/${toHex(vote.id)}`
    if (vote.height <= v.height || v.voted.has(name)) return
    v.voted.add(name)
    this.checked++
    if (vote.type === 'prevote') this.#onPrevote(host, vote)
    else this.#onPrecommit(host.id, vote)
  }

  #takesPart(host: MemberId, attempt: string): void {
    const v = this.#voter(host)
    if (v.attempt === attempt) return
    v.attempt = attempt
    v.inputs = new Map()
  }

  #onPrevote(host: SimHost, vote: Vote): void {
    const v = this.#voter(host.id)
    const id = toHex(vote.id!)
    this.#prevoted(host.id, host.id, vote)
    const { lock } = v
    if (lock && lock.id !== id && vote.view > lock.view) {
      const validView = this.#proposed.get(vote.height)?.get(`${vote.view}/${id}`)
      if (validView === undefined || validView < lock.view)
        this.fail(`${host.id} prevotes against its lock, height ${vote.height}`)
    }
  }

  /** A vote is judged by what its voter knew when it made it: more may come before the disk lets it go (seed 1011004). */
  onOutput(host: SimHost, _input: Input, { effects }: Output): void {
    if (!this.isHonest(host.id)) return
    for (const effect of effects) {
      for (const e of effect.kind === 'store' ? effect.release : [effect]) {
        const message = e.kind === 'publish' || e.kind === 'send' ? readMessage(e.bytes) : undefined
        if (message?.vote && message.author === host.id) this.#makes(host.id, message)
      }
    }
  }

  #makes(host: MemberId, message: Message): void {
    const vote = message.vote!
    if (vote.type === 'proposal') this.#hear(host, message)
    if (vote.type !== 'prevote' || !vote.id) return
    const v = this.#voter(host)
    const name = `${vote.height}/${vote.view}/${toHex(vote.id)}`
    if (vote.height <= v.height || v.made.has(name)) return
    v.made.add(name)
    this.#survivors(host, vote)
  }

  /** Nobody whose two inputs this member has seen may survive by its vote, unless more than f others vouch for it. */
  #survivors(host: MemberId, vote: Vote): void {
    const id = toHex(vote.id!)
    const entry = this.#values.get(id)
    const v = this.#voter(host)
    if (entry?.body.kind !== 'SurvivorsFixed' || v.inputs.size === 0) return
    // Who only watches this attempt still has the inputs of the last one that it took part in (seed 1004459).
    if (!v.attempt?.startsWith(`${attemptName(entry.body)} `)) return
    const vouch = new Set<MemberId>()
    for (const [key, by] of v.heard.get(vote.height) ?? []) {
      if (key.endsWith(`/${id}`)) for (const m of by) vouch.add(m)
    }
    vouch.delete(host)
    if (vouch.size > this.context.f) return
    const { survivors } = entry.body
    for (const { member } of survivors) {
      if (this.#hasSeenTwo(host, v.inputs.get(member) ?? [], entry.body.leftOut.length + survivors.length))
        this.fail(`${host} votes for the survivor ${member}, of whom it has seen two inputs`)
    }
  }

  /** Two that its machine has taken in: signed, and of the right shape. */
  #hasSeenTwo(host: MemberId, given: readonly Message[], cohort: number): boolean {
    if (given.length < 2) return false
    const { network } = this.context.configs.get(host)!
    const key = fromHex(this.context.charter.members.find(m => m.id === given[0]!.author)!.publicKey)
    const taken = given.filter(
      m => this.#isWhole(bodyOf(m, 'input')!, cohort) && verifyEnvelope(m.raw, network, key),
    )
    return taken.length > 1
  }

  /** Whether an input is one that a peer takes in: gossiped and true to its own commitment, or of shards. */
  #isWhole({ round, hashes, data }: Body<'input'>, cohort: number): boolean {
    if (data.length === 0) return hashes.length === 32 * cohort
    const { charter } = this.context
    const length = vectorLength(layoutFor(charter, taskOf(charter, round)!, cohort, round))
    return data.length === 4 * length && hashes.length === 32 && equalBytes(sha256(data), hashes)
  }

  #onPrecommit(host: MemberId, vote: Vote): void {
    const v = this.#voter(host)
    const id = toHex(vote.id!)
    const by = v.heard.get(vote.height)?.get(`${vote.view}/${id}`)?.size ?? 0
    const full = (v.heard.get(vote.height)?.size ?? 0) >= VALUES_MAX
    const quorum = this.#seats.quorum(vote.height)
    if (by < quorum && !full)
      this.fail(`${host} precommits entry ${vote.height} after ${by} prevotes of ${quorum}`)
    if (!v.lock || vote.view > v.lock.view) v.lock = { view: vote.view, id }
  }

  /** Different inputs of one member, once this host takes part in their attempt. */
  #given(host: SimHost, message: Message): void {
    const v = this.#voter(host.id)
    const input = bodyOf(message, 'input')!
    const phase = host.peer?.state.phase
    if (v.attempt === undefined || phase?.kind !== 'opened' || nameOf(input) !== v.attempt) return
    const before = v.inputs.get(message.author) ?? []
    const isNew = !before.some(m => equalBytes(m.raw.body, message.raw.body))
    if (isNew && before.length < INPUTS_MAX) v.inputs.set(message.author, [...before, message])
  }

  onCommit(host: SimHost, puts: readonly (readonly [string, Uint8Array])[]): void {
    if (!this.isHonest(host.id)) return
    for (const [key, value] of puts) {
      const height = heightOfKey(key)
      if (height === undefined) continue
      const body = readRecord(value)?.entry.body
      if (body) this.#seats.note(height, body)
      const v = this.#voter(host.id)
      v.height = height
      v.voted = new Set()
      v.made = new Set()
      v.lock = undefined
      for (const h of v.heard.keys()) if (h <= height) v.heard.delete(h)
      let least = height
      for (const other of this.#voters.values()) least = Math.min(least, other.height)
      for (const h of this.#proposed.keys()) if (h <= least) this.#proposed.delete(h)
    }
  }

  #voter(id: MemberId): Voter {
    const known = this.#voters.get(id)
    if (known) return known
    const fresh: Voter = {
      height: 0,
      voted: new Set(),
      made: new Set(),
      heard: new Map(),
      lock: undefined,
      attempt: undefined,
      inputs: new Map(),
    }
    this.#voters.set(id, fresh)
    return fresh
  }
}

function nameOf(of: { round: number; attempt: number; opened: Uint8Array }): string {
  return `${attemptName(of)} ${toHex(of.opened)}`
}
