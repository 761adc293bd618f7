/**
 * Hybrid key agreement for simulations: the lengths, the checks and the agreement of `protocol/crypto/kem.ts`, without the
 * lattice and the curve. Whoever knows both public keys could compute a secret; nobody in a simulation does.
 */
import { digest } from './digest.ts'

export const HYBRID_PUBLIC_KEY_BYTES = 1216
export const KEM_CIPHERTEXT_BYTES = 1088
const HEAD_BYTES = 32

export interface HybridKeyPair {
  readonly publicKey: Uint8Array
}

export interface Encapsulated {
  readonly ciphertext: Uint8Array
  readonly secret: Uint8Array
}

const made = new WeakSet<HybridKeyPair>()
/** Keys that were looked at: all machines of a simulation hold one and the same array. */
const sound = new WeakSet<Uint8Array>()

export function hybridKeyPair(seed: Uint8Array): HybridKeyPair {
  if (seed.length !== 32) throw new RangeError('a key pair is made from 32 bytes')
  const pair = { publicKey: stretched(digest('key pair', seed), HYBRID_PUBLIC_KEY_BYTES) }
  made.add(pair)
  return pair
}

/** Whether it has the length and the redundancy of a key that `hybridKeyPair` made; few other bytes have. */
export function isHybridPublicKey(bytes: Uint8Array): boolean {
  if (sound.has(bytes)) return true
  if (bytes.length !== HYBRID_PUBLIC_KEY_BYTES) return false
  for (let i = HEAD_BYTES; i < bytes.length; i++) if (bytes[i] !== stretchedByte(bytes, i)) return false
  sound.add(bytes)
  return true
}

export function encapsulate(
  own: HybridKeyPair,
  peerPublicKey: Uint8Array,
  randomness: Uint8Array,
  context: Uint8Array,
): Encapsulated | undefined {
  if (randomness.length !== 32) throw new RangeError('an encapsulation takes 32 bytes')
  check(own)
  if (!isHybridPublicKey(peerPublicKey)) return undefined
  const head = digest('ciphertext', headOf(peerPublicKey), randomness)
  const ciphertext = stretched(head, KEM_CIPHERTEXT_BYTES)
  return { ciphertext, secret: secretOf(own.publicKey, peerPublicKey, head, context) }
}

export function decapsulate(
  own: HybridKeyPair,
  peerPublicKey: Uint8Array,
  ciphertext: Uint8Array,
  context: Uint8Array,
): Uint8Array | undefined {
  check(own)
  if (ciphertext.length !== KEM_CIPHERTEXT_BYTES || !isHybridPublicKey(peerPublicKey)) return undefined
  const head = ciphertext.subarray(0, HEAD_BYTES)
  // As with implicit rejection: a changed ciphertext gives a secret that nobody else has.
  for (let i = HEAD_BYTES; i < ciphertext.length; i++) {
    if (ciphertext[i] !== stretchedByte(head, i)) return digest('rejected', own.publicKey, ciphertext)
  }
  return secretOf(peerPublicKey, own.publicKey, head, context)
}

function check(pair: HybridKeyPair): void {
  if (!made.has(pair)) throw new TypeError('not a pair that hybridKeyPair made')
}

/** `from` encapsulated, `to` decapsulates. */
function secretOf(from: Uint8Array, to: Uint8Array, head: Uint8Array, context: Uint8Array): Uint8Array {
  return digest('secret', headOf(from), headOf(to), head, context)
}

function headOf(key: Uint8Array): Uint8Array {
  return key.subarray(0, HEAD_BYTES)
}

function stretched(head: Uint8Array, length: number): Uint8Array {
  const out = new Uint8Array(length)
  out.set(head)
  for (let i = HEAD_BYTES; i < length; i++) out[i] = stretchedByte(head, i)
  return out
}

/** Byte `i` of what follows a head: so that a change of any byte can be seen. */
function stretchedByte(head: Uint8Array, i: number): number {
  return head[i % HEAD_BYTES]! ^ (i & 255)
}
