/**
 * The liars of one study, who collude: they have each other's keys, secrets and all that any of them hears, and agree
 * without a word, since what one draws by a name the others draw by it too.
 */

import { toHex } from '../../protocol/bytes.ts'
import { Lru } from '../../protocol/crypto/lru.ts'
import type { PeerConfig } from '../../protocol/peer.ts'
import type { MemberId, Value } from '../../protocol/ports.ts'
import { decodeSeed } from '../../protocol/round/join.ts'
import { decodeShares, RECORDS } from '../../protocol/round/records.ts'
import type { MemberShares } from '../../protocol/round/secrets.ts'
import { sealEnvelope } from '../../protocol/wire/envelope.ts'
import { Random } from '../random.ts'

/** Messages that are kept to be said again. */
const HEARD_MAX = 512

/** Committees of the last rounds, in which they were. */
const WITHIN_MAX = 64

export interface HeardMessage {
  readonly by: MemberId
  readonly via: 'gossip' | 'stream'
  readonly bytes: Uint8Array
}

export class Coalition {
  /** In the charter's order. */
  readonly members: readonly MemberId[]
  /** All others of the charter, in its order. */
  readonly honest: readonly MemberId[]
  readonly #configs: ReadonlyMap<MemberId, PeerConfig>
  readonly #seed: number
  readonly #within = new Lru<Coalition>(WITHIN_MAX)
  /** What reached any of them, the latest last; bounded. */
  readonly heard: HeardMessage[] = []
  /** Seed of the attempt that each of them is in: all its secrets follow from it. */
  readonly seeds = new Map<MemberId, Uint8Array>()
  /** Shares that each of them was dealt in its present attempt, by dealer. */
  readonly shares = new Map<MemberId, ReadonlyMap<MemberId, MemberShares>>()

  /** `configs`: of all who collude, of one charter. `seed`: unsigned 32-bit. */
  constructor(configs: readonly PeerConfig[], seed: number) {
    this.#configs = new Map(configs.map(c => [c.self, c]))
    const all = configs[0]?.charter.members.map(m => m.id) ?? []
    this.members = all.filter(m => this.#configs.has(m))
    this.honest = all.filter(m => !this.#configs.has(m))
    this.#seed = seed
  }

  /** Those of them that are in a committee: the rest cannot speak there. `part`: of any of them in it. */
  within(part: PeerConfig): Coalition {
    const name = toHex(part.network)
    const known = this.#within.get(name)
    if (known) return known
    const inIt = this.members.filter(m => part.charter.members.some(c => c.id === m))
    const configs = inIt.map(m => ({ ...part, self: m, seed: this.configOf(m).seed }))
    const fresh = new Coalition(configs, this.#seed)
    this.#within.set(name, fresh)
    return fresh
  }

  includes(member: MemberId): boolean {
    return this.#configs.has(member)
  }

  /** Chance that all of them draw alike for the same name. */
  random(name: string): Random {
    // FNV-1a.
    let hash = 0x811c9dc5 ^ this.#seed
    for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193)
    return new Random(hash)
  }

  /** Two halves of the honest members, another cut for each name: which one a member is in. */
  half(name: string, member: MemberId): 0 | 1 {
    const order = this.shuffled(name, this.honest)
    return 2 * order.indexOf(member) < order.length ? 0 : 1
  }

  /** The same order for all of them. */
  shuffled<T>(name: string, of: readonly T[]): T[] {
    const random = this.random(name)
    const out = [...of]
    for (let i = out.length - 1; i > 0; i--) {
      const j = random.below(i + 1)
      const x = out[i]!
      out[i] = out[j]!
      out[j] = x
    }
    return out
  }

  /** Any body, signed by any of them. */
  signs(member: MemberId, type: string, body: Uint8Array): Uint8Array {
    const { network, seed } = this.configOf(member)
    return sealEnvelope({ network, type, from: member, seed }, body)
  }

  configOf(member: MemberId): PeerConfig {
    const config = this.#configs.get(member)
    if (!config) throw new RangeError(`${member} is not of the coalition`)
    return config
  }

  /** A message has reached one of them. */
  hears(by: MemberId, via: 'gossip' | 'stream', bytes: Uint8Array): void {
    this.heard.push({ by, via, bytes })
    if (this.heard.length > HEARD_MAX) this.heard.splice(0, HEARD_MAX / 4)
  }

  /** One of them has stored something: its secrets are everyone's. */
  stores(by: MemberId, puts: readonly (readonly [key: string, value: Value])[]): void {
    for (const [key, value] of puts) {
      if (!(value instanceof Uint8Array)) continue
      if (key === RECORDS.seed) {
        const record = decodeSeed(value)
        if (record) this.seeds.set(by, record.seed)
        this.shares.delete(by)
      } else if (key === RECORDS.shares) {
        const shares = decodeShares(value)
        if (shares) this.shares.set(by, shares)
      }
    }
  }
}
