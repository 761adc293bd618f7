/**
 * What leaves an honest hospital has none of its secrets in it: seeds, shares (but those that a reveal is of), mask keys, values
 * in the clear. Each message is searched for them, at every place.
 */
import { ascii, equalBytes, toHex } from '../../protocol/bytes.ts'
import { hkdf } from '../../protocol/crypto/kdf.ts'
import type { Job, JobResult, MemberId } from '../../protocol/ports.ts'
import { decodeSeed } from '../../protocol/round/join.ts'
import { decodeShares, RECORDS } from '../../protocol/round/records.ts'
import { secretFromSeed } from '../../protocol/sum/shamir.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import type { CheckContext } from './context.ts'
import { clearOf, type MaskWork } from './inputs.ts'
import { Judge } from './judge.ts'
import { bodyOf, readMessage } from './read.ts'

export function leaks(context: CheckContext): Checker {
  return new Leaks(context)
}

/** Of larger messages the beginning is searched: what leaks leaks everywhere. */
const SEARCHED_BYTES_MAX = 65_536
/** Stretches of an input that are looked for in the clear. */
const STRETCHES = 6

interface Secret {
  readonly what: string
  readonly bytes: Uint8Array
  /** Messages that have it in them, and then evidence may: whose it may be there is a question of secrecy, not of form. */
  readonly opensIn: 'reveal' | 'pairs' | undefined
  /** Of an input, which a sum can be the same as. */
  readonly isInput: boolean
  isRevealed: boolean
}

type Kind = 'share' | 'pair' | 'input' | undefined

const OPENS_IN = { share: 'reveal', pair: 'pairs', input: undefined } as const

/** The secrets of one hospital, in this attempt and the last, found by their first two bytes. */
class Secrets {
  #now: Secret[] = []
  #before: Secret[] = []
  readonly #first = new Uint8Array(8192)
  #byFirst = new Map<number, Secret[]>()
  searched = new WeakSet<Uint8Array>()
  /** Hashes of sums that it claims. */
  sums = new Set<string>()

  /** A new attempt: what was secret before the last one is forgotten. */
  turn(): void {
    this.#before = this.#now
    this.#now = []
    this.#first.fill(0)
    this.#byFirst = new Map()
    this.sums = new Set()
    for (const secret of this.#before) this.#index(secret)
  }

  has(secret: Uint8Array): boolean {
    return this.#byFirst.get(firstOf(secret, 0))?.some(s => equalBytes(s.bytes, secret)) === true
  }

  add(what: string, secret: Uint8Array, kind?: Kind): void {
    if (this.has(secret)) return
    const one = {
      what,
      bytes: secret,
      opensIn: kind && OPENS_IN[kind],
      isInput: kind === 'input',
      isRevealed: false,
    }
    this.#now.push(one)
    this.#index(one)
    this.searched = new WeakSet()
  }

  #index(secret: Secret): void {
    const first = firstOf(secret.bytes, 0)
    this.#first[first >> 3]! |= 1 << (first & 7)
    this.#byFirst.set(first, [...(this.#byFirst.get(first) ?? []), secret])
  }

  *in(message: Uint8Array): Iterable<Secret> {
    const end = Math.min(message.length, SEARCHED_BYTES_MAX) - 1
    const bits = this.#first
    for (let i = 0; i < end; i++) {
      const first = firstOf(message, i)
      if ((bits[first >> 3]! & (1 << (first & 7))) === 0) continue
      for (const secret of this.#byFirst.get(first) ?? [])
        if (standsAt(message, i, secret.bytes)) yield secret
    }
  }
}

class Leaks extends Judge {
  readonly #secrets = new Map<MemberId, Secrets>()

  constructor(context: CheckContext) {
    super('leaks', context)
  }

  #of(host: MemberId): Secrets {
    const known = this.#secrets.get(host) ?? new Secrets()
    this.#secrets.set(host, known)
    return known
  }

  onCommit(host: SimHost, puts: readonly (readonly [string, Uint8Array])[]): void {
    if (!this.isHonest(host.id)) return
    const secrets = this.#of(host.id)
    for (const [key, value] of puts) {
      if (key === RECORDS.seed) seedOf(host.id, secrets, value)
      if (key !== RECORDS.shares) continue
      const shares = decodeShares(value)
      if (!shares) this.fail(`${host.id} stores shares that cannot be read`)
      for (const [from, { self, mask, levels }] of shares ?? []) {
        secrets.add(`${host.id} sends a share of the self-mask seed of ${from} in the clear`, self, 'share')
        secrets.add(`${host.id} sends a share of the mask seed of ${from} in the clear`, mask, 'share')
        for (const level of levels)
          secrets.add(`${host.id} sends a share of a noise seed of ${from} in the clear`, level, 'share')
      }
    }
  }

  onJob(host: SimHost, job: Job, _result: JobResult): void {
    if (!this.isHonest(host.id)) return
    const secrets = this.#of(host.id)
    if (job.kind === 'learn') secrets.add(`${host.id} sends its learning seed`, job.seed)
    else if (job.work.kind === 'mask') masking(host.id, secrets, job.work)
  }

  onRelease(host: SimHost, _to: MemberId | undefined, bytes: Uint8Array): void {
    if (!this.isHonest(host.id)) return
    const secrets = this.#of(host.id)
    if (secrets.searched.has(bytes)) return
    secrets.searched.add(bytes)
    this.checked++
    const message = readMessage(bytes)
    const claim = message && bodyOf(message, 'claim')
    if (claim) secrets.sums.add(toHex(claim.sum))
    const part = message && bodyOf(message, 'part')
    // Where all others gave zeros, the sum is what one hospital gave: that is the sum's to tell.
    const isSum = part !== undefined && secrets.sums.has(toHex(part.hash))
    for (const secret of secrets.in(bytes)) {
      if (secret.isInput && isSum) continue
      if (secret.opensIn && secret.opensIn === message?.type) secret.isRevealed = true
      else if (!secret.isRevealed) this.fail(secret.what)
    }
  }
}

function seedOf(host: MemberId, secrets: Secrets, value: Uint8Array): void {
  const record = decodeSeed(value)
  // A restarted hospital stores the same seed again.
  if (!record || secrets.has(record.seed)) return
  secrets.turn()
  secrets.add(`${host} sends the seed of its attempt`, record.seed)
  // As `attemptKeys` derives them, without the key pairs, which take time.
  for (const which of ['mask', 'self'])
    secrets.add(
      `${host} sends its ${which} seed`,
      secretFromSeed(hkdf(record.seed, ascii(`${which} seed`), 64)),
    )
}

function masking(host: MemberId, secrets: Secrets, work: MaskWork): void {
  secrets.add(`${host} sends its rounding key`, work.roundingKey)
  secrets.add(`${host} sends its self-mask key`, work.selfKey)
  for (const { key } of work.noiseKeys ?? []) secrets.add(`${host} sends a noise key`, key)
  for (const { key } of work.pairs) secrets.add(`${host} sends a pairwise mask key`, key, 'pair')
  const clear = clearOf(work)
  if (!clear) return
  const { numbers, residues } = clear
  const step = Math.max(1, Math.floor(residues.length / STRETCHES))
  for (let i = 0; i + 4 <= residues.length; i += step) {
    stretch(secrets, `${host} sends its input in the clear`, bytesOf(residues.slice(i, i + 4)))
    stretch(secrets, `${host} sends its numbers in the clear`, bytesOf(numbers.slice(i, i + 2)))
  }
}

/** Zeros and small counts are everywhere; what has seven different bytes in it is not there by chance. */
function stretch(secrets: Secrets, what: string, found: Uint8Array): void {
  if (new Set(found).size >= 7) secrets.add(what, found, 'input')
}

function bytesOf(vector: Uint32Array | Float64Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength)
}

function firstOf(message: Uint8Array, at: number): number {
  return message[at]! | (message[at + 1]! << 8)
}

function standsAt(message: Uint8Array, at: number, secret: Uint8Array): boolean {
  if (at + secret.length > message.length) return false
  for (let i = 0; i < secret.length; i++) if (message[at + i] !== secret[i]) return false
  return true
}
