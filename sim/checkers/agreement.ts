/**
 * One ledger (SPEC L1 to L3): no two certificates at one height over all honest disks, each certificate holds with the
 * charter alone, a ledger only grows, one model for each round; and nobody honest is held to have lied, by a peer or by
 * an entry (F2, F3).
 */
import { equalBytes, fromHex } from '../../protocol/bytes.ts'
import { precommitBody } from '../../protocol/consensus/message.ts'
import { verify } from '../../protocol/crypto/sign.ts'
import { type Fault, verdictOf } from '../../protocol/fault.ts'
import { stateHash } from '../../protocol/model/state.ts'
import type { Event, MemberId } from '../../protocol/ports.ts'
import { signingBytes } from '../../protocol/wire/envelope.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import type { CheckContext } from './context.ts'
import { Judge } from './judge.ts'
import { type Certified, heightOfKey, readRecord } from './read.ts'
import { Seats } from './seats.ts'

export function agreement(context: CheckContext): Checker {
  return new Agreement(context)
}

class Agreement extends Judge {
  /** The entry of each height, as the first honest host stored it. */
  readonly #chain = new Map<number, { readonly name: string; readonly host: MemberId }>()
  /** Height up to which each host's disk holds the ledger. */
  readonly #durable = new Map<MemberId, number>()
  readonly #seats: Seats
  readonly #keys: ReadonlyMap<MemberId, Uint8Array>
  readonly #models = new Map<number, { readonly hash: string; readonly host: MemberId }>()

  constructor(context: CheckContext) {
    super('agreement', context)
    this.#seats = new Seats(context)
    this.#keys = new Map(context.charter.members.map(m => [m.id, fromHex(m.publicKey)]))
  }

  onCommit(
    host: SimHost,
    puts: readonly (readonly [string, Uint8Array])[],
    deletes: readonly string[],
  ): void {
    if (!this.isHonest(host.id)) return
    for (const key of deletes)
      if (heightOfKey(key) !== undefined) this.fail(`${host.id} deletes an entry of its ledger`)
    for (const [key, value] of puts) {
      const height = heightOfKey(key)
      if (height !== undefined) this.#entry(host.id, height, value)
    }
  }

  #entry(host: MemberId, height: number, value: Uint8Array): void {
    const certified = readRecord(value)
    if (!certified) {
      this.fail(`${host} stores an entry ${height} that cannot be read`)
      return
    }
    this.checked++
    const { entry, name } = certified
    if (entry.height !== height) this.fail(`${host} stores entry ${entry.height} as entry ${height}`)
    const before = this.#durable.get(host) ?? 0
    if (height > before + 1) this.fail(`${host} stores entry ${height} after entry ${before}`)
    else if (height <= before && this.#chain.get(height)?.name !== name)
      this.fail(`${host} stores another entry ${height} over the one that it had`)
    this.#durable.set(host, Math.max(before, height))
    const first = this.#chain.get(height)
    if (first && first.name !== name) this.fail(`${first.host} and ${host} hold different entries ${height}`)
    this.#certificate(host, certified)
    if (first) return
    this.#chain.set(height, { name, host })
    this.#accusations(certified)
    this.#seats.note(height, entry.body)
  }

  #certificate(host: MemberId, { entry, hash, certificate }: Certified): void {
    const voters = this.#seats.at(entry.height)
    const needed = this.#seats.quorum(entry.height)
    const signers = new Set(certificate.votes.map(v => v.member))
    const what = `the certificate of entry ${entry.height} at ${host}`
    if (signers.size !== certificate.votes.length) this.fail(`${what} counts a vote twice`)
    if (signers.size < needed) this.fail(`${what} has ${signers.size} votes of ${needed}`)
    const { network } = this.context.configs.get(host)!
    const body = precommitBody(entry.height, certificate.view, hash)
    for (const { member, sig } of certificate.votes) {
      const key = this.#keys.get(member)
      if (!key || !voters.includes(member)) this.fail(`${what} has a vote of ${member}, who has none`)
      else if (!verify(key, signingBytes(network, 'precommit', member, body), sig))
        this.fail(`${what} has a vote that ${member} did not sign`)
    }
  }

  /** No honest member is named as having lied; that it was missing may be said of anybody. */
  #accusations({ entry: { height, body } }: Certified): void {
    const named =
      body.kind === 'RoundClosed' ? body.faults : body.kind === 'RoundAborted' ? body.culprits : []
    for (const { member, code } of named) {
      if (verdictOf({ code, detail: '' }) === 'reject' && this.isHonest(member))
        this.fail(`entry ${height} names ${member} for ${code}`)
    }
    if (body.kind !== 'SurvivorsFixed') return
    for (const { member, reason } of body.leftOut) {
      if (reason === 'corrupt' && this.isHonest(member))
        this.fail(`entry ${height} calls the input of ${member} corrupt`)
    }
  }

  onFault(host: SimHost, peer: MemberId, fault: Fault): void {
    if (!this.isHonest(host.id) || !this.isHonest(peer)) return
    this.checked++
    if (verdictOf(fault) === 'reject') this.fail(`${host.id} holds ${fault.code} against ${peer}`)
  }

  onEvent(host: SimHost, event: Event): void {
    if (event.kind !== 'roundClosed' || !this.isHonest(host.id)) return
    this.checked++
    const { round, modelHash } = event
    const first = this.#models.get(round)
    if (!first) this.#models.set(round, { hash: modelHash, host: host.id })
    else if (first.hash !== modelHash)
      this.fail(`${first.host} and ${host.id} end round ${round} with different models`)
    const { model, peer } = host
    if (!peer || !model) return
    if (!equalBytes(stateHash(model), peer.state.modelHash))
      this.fail(`${host.id} holds another model than its ledger names, round ${round}`)
  }
}
