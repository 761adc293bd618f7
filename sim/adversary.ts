/**
 * A hospital that lies: the production machine, whose words are rewritten before they leave. It owns its keys, so what
 * it says instead is signed as well as the truth. What a lie may do is what a malicious member may do (THREATS).
 */
import { toHex } from '../protocol/bytes.ts'
import { type ConsensusMessage, isConsensusType, parseConsensus } from '../protocol/consensus/message.ts'
import { sha256 } from '../protocol/crypto/hash.ts'
import { Peer, type PeerConfig } from '../protocol/peer.ts'
import type { Effect, Input, Machine, MemberId, Millis, Output } from '../protocol/ports.ts'
import { residueBytes } from '../protocol/sum/field.ts'
import { decode, encode } from '../protocol/wire/codec.ts'
import { openEnvelope, plainEnvelope, sealEnvelope } from '../protocol/wire/envelope.ts'
import { BODIES, type Body, type BodyType, GOSSIP_TYPES } from '../protocol/wire/messages.ts'

/** What the honest machine was about to say. */
export interface Said {
  readonly type: string
  /** Recipient of a direct message; undefined: everybody. */
  readonly to: MemberId | undefined
  /** Decoded, where the type is none of consensus. */
  readonly body: unknown
  readonly consensus: ConsensusMessage | undefined
  readonly bytes: Uint8Array
}

/** What is said instead. */
export interface Says {
  /** Undefined: as it would have gone. */
  readonly to?: MemberId
  readonly bytes: Uint8Array
}

/** Undefined: nothing to lie about here. */
export type Lie = (said: Said, liar: Liar) => readonly Says[] | undefined

export class Liar implements Machine {
  readonly config: PeerConfig
  readonly peer: Peer
  readonly #lies: readonly Lie[]
  /** What was said instead: it is no truth to lie about when it comes back. */
  readonly #said = new Set<string>()
  /** Sums that this machine has computed, as bytes, by their hash. */
  readonly sums = new Map<string, Uint8Array>()
  now: Millis = 0

  constructor(config: PeerConfig, lies: readonly Lie[]) {
    this.config = config
    this.peer = new Peer(config)
    this.#lies = lies
  }

  get self(): MemberId {
    return this.config.self
  }

  /** All members but this one, in the charter's order. */
  get others(): readonly MemberId[] {
    return this.config.charter.members.map(m => m.id).filter(m => m !== this.self)
  }

  handle(input: Input, now: Millis): Output {
    this.now = now
    if (input.kind === 'jobDone' && input.result.kind === 'vector' && input.result.output.kind === 'sum') {
      const { sum, hash } = input.result.output
      this.sums.set(toHex(hash), residueBytes(sum))
    }
    const output = this.peer.handle(input, now)
    return { ...output, effects: output.effects.flatMap(e => this.#rewrite(e)) }
  }

  /** A message of this member with another body; signed where its kind is signed. */
  says<T extends BodyType>(type: T, body: Body<T>): Uint8Array {
    const { network, self, seed } = this.config
    if ((GOSSIP_TYPES as readonly string[]).includes(type)) {
      return sealEnvelope({ network, type, from: self, seed }, encode(body))
    }
    return plainEnvelope(type, self, encode(body))
  }

  /** Signs any body as any type. */
  signs(type: string, body: Uint8Array): Uint8Array {
    const { network, self, seed } = this.config
    return sealEnvelope({ network, type, from: self, seed }, body)
  }

  #rewrite(effect: Effect): Effect[] {
    switch (effect.kind) {
      case 'publish':
        return this.#lie(effect, undefined)
      case 'send':
        return this.#lie(effect, effect.to)
      case 'store':
        return [{ ...effect, release: effect.release.flatMap(e => this.#rewrite(e)) }]
      default:
        return [effect]
    }
  }

  #lie(effect: Effect & { readonly bytes: Uint8Array }, to: MemberId | undefined): Effect[] {
    const said = this.#read(effect.bytes, to)
    if (!said || this.#said.has(toHex(sha256(said.bytes)))) return [effect]
    for (const lie of this.#lies) {
      const instead = lie(said, this)
      if (!instead) continue
      for (const { bytes } of instead) this.#said.add(toHex(sha256(bytes)))
      return instead.flatMap(s => {
        const direct = s.to ?? to
        // What is sent again to one member is the version that this member was told.
        if (to !== undefined && s.to !== undefined && s.to !== to) return []
        return [
          direct === undefined
            ? { kind: 'publish', bytes: s.bytes }
            : { kind: 'send', to: direct, bytes: s.bytes },
        ]
      })
    }
    return [effect]
  }

  #read(bytes: Uint8Array, to: MemberId | undefined): Said | undefined {
    const raw = openEnvelope(bytes)
    if (!raw.ok || raw.value.from !== this.self) return undefined
    const { type } = raw.value
    if (isConsensusType(type)) {
      const parsed = parseConsensus(raw.value)
      return parsed.ok ? { type, to, body: undefined, consensus: parsed.value, bytes } : undefined
    }
    if (!(type in BODIES)) return undefined
    const body = decode<unknown>(raw.value.body, BODIES[type as BodyType])
    return body.ok ? { type, to, body: body.value, consensus: undefined, bytes } : undefined
  }
}

/** The machine of a hospital that tells these lies, the first that applies to each message. */
export function liar(...lies: readonly Lie[]): (config: PeerConfig) => Machine {
  return config => new Liar(config, lies)
}

/** A lie about one kind of message: other bodies for it. */
export function about<T extends BodyType>(
  type: T,
  change: (body: Body<T>, liar: Liar, said: Said) => Body<T> | undefined,
): Lie {
  return (said, l) => {
    if (said.type !== type) return undefined
    const body = change(said.body as Body<T>, l, said)
    return body && [{ bytes: l.says(type, body) }]
  }
}

/** Tells the first half of the others the truth and the rest something else. */
export function twoFaced<T extends BodyType>(
  type: T,
  change: (body: Body<T>, liar: Liar, version: number) => Body<T>,
  versionOf: (index: number) => number = i => i % 2,
): Lie {
  return (said, l) => {
    if (said.type !== type) return undefined
    return l.others.map((to, i) => {
      const version = versionOf(i)
      return {
        to,
        bytes: version === 0 ? said.bytes : l.says(type, change(said.body as Body<T>, l, version)),
      }
    })
  }
}

/** Says nothing of these kinds. */
export function silentAbout(...types: readonly string[]): Lie {
  return said => (types.includes(said.type) ? [] : undefined)
}

/** Bytes with one bit changed. */
export function flipped(bytes: Uint8Array, at = 0): Uint8Array {
  const out = bytes.slice()
  if (out.length > 0) out[at % out.length]! ^= 1
  return out
}
