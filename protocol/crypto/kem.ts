/**
 * Hybrid key agreement, X25519 (RFC 7748) with ML-KEM-768 (FIPS 203): a recorded round stays closed as long as either of
 * them holds, so also to a quantum computer that comes later.
 *
 * The construction follows X-Wing (draft-connolly-cfrg-xwing-kem): one seed is expanded to the keys of both, and one hash
 * combines both secrets with what was exchanged. It differs where we need something else: the X25519 half is between
 * both members' attempt keys instead of with an ephemeral one, so that only these two members can compute the secret;
 * and the combiner is HKDF over all public keys and the ciphertext (Giacon, Heuer, Poettering, PKC 2018: a
 * key derivation over both secrets and the ciphertexts is secure if one component is), with the caller's context.
 *
 * Everything is deterministic; randomness comes in. What a peer sends wrongly gives undefined, never an exception.
 */
import { decapsulate as decapsulateWith, diffieHellman } from 'node:crypto'
import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js'
import { type KEMPrepared, ml_kem768 } from '@noble/post-quantum/ml-kem.js'
import { sha256 } from './hash.ts'
import { hkdf } from './kdf.ts'
import { fingerprint, type Key, privateKey, publicKey, rawPublicKey } from './keys.ts'
import { Lru } from './lru.ts'

const X25519_BYTES = 32
const ML_KEM_KEY_BYTES = 1184
export const HYBRID_PUBLIC_KEY_BYTES = X25519_BYTES + ML_KEM_KEY_BYTES
export const KEM_CIPHERTEXT_BYTES = 1088

const KEYS = utf8ToBytes('medmesh/1 hybrid key pair')
const SECRET = utf8ToBytes('medmesh/1 hybrid secret')

/** One member's keys for one attempt and purpose. The secret halves stay in this module. */
export interface HybridKeyPair {
  /** X25519 key, then ML-KEM-768 encapsulation key; HYBRID_PUBLIC_KEY_BYTES. */
  readonly publicKey: Uint8Array
}

export interface Encapsulated {
  /** KEM_CIPHERTEXT_BYTES, for the peer. */
  readonly ciphertext: Uint8Array
  /** 32 bytes. */
  readonly secret: Uint8Array
}

interface Secrets {
  readonly x25519: Key
  readonly mlKem: Key
  /** X25519 secrets with peers, by their keys: each is needed in both directions. They live as long as the pair. */
  readonly agreed: Lru<Uint8Array>
}

/** As many as a cohort has members. */
const AGREED_MAX = 256

/** Kept beside the pairs, so that printing or encoding a pair cannot show them. */
const secretsOf = new WeakMap<HybridKeyPair, Secrets>()

/** The key pair of a seed (32 uniform bytes); the same seed gives the same pair. */
export function hybridKeyPair(seed: Uint8Array): HybridKeyPair {
  if (seed.length !== 32) throw new RangeError('a key pair is made from 32 bytes')
  const expanded = hkdf(seed, KEYS, 96)
  const mlKemSeed = expanded.slice(0, 64)
  const x25519 = privateKey('x25519', expanded.subarray(64))
  const mlKem = privateKey('mlkem768', mlKemSeed)
  const pair = { publicKey: concatBytes(rawPublicKey(x25519), rawPublicKey(mlKem)) }
  secretsOf.set(pair, { x25519, mlKem, agreed: new Lru(AGREED_MAX) })
  expanded.fill(0)
  mlKemSeed.fill(0)
  return pair
}

/** Whether bytes from a peer can be used as a hybrid public key: length, ML-KEM's modulus check, no low-order point. */
export function isHybridPublicKey(bytes: Uint8Array): boolean {
  return agree(probe(), bytes) !== undefined && prepared(bytes) !== undefined
}

/**
 * A secret with the owner of `peerPublicKey`, and the ciphertext from which the peer computes it. `randomness`: 32 bytes,
 * uniform and secret, for this peer and context only. `context` binds the secret to its use and may be of any length.
 * Undefined when the peer's key cannot be used (see `isHybridPublicKey`).
 */
export function encapsulate(
  own: HybridKeyPair,
  peerPublicKey: Uint8Array,
  randomness: Uint8Array,
  context: Uint8Array,
): Encapsulated | undefined {
  if (randomness.length !== 32) throw new RangeError('an encapsulation takes 32 bytes')
  const agreed = agree(own, peerPublicKey)
  if (agreed === undefined) return undefined
  const recipient = prepared(peerPublicKey)
  if (recipient === undefined) return undefined
  const { cipherText: ciphertext, sharedSecret } = recipient.encapsulate(randomness)
  const secret = combine(agreed, sharedSecret, context, own.publicKey, peerPublicKey, ciphertext)
  return { ciphertext, secret }
}

/**
 * The secret of a ciphertext that the owner of `peerPublicKey` made for us, 32 bytes. Undefined when lengths or the
 * X25519 key are wrong. A wrong ciphertext of the right length gives a secret that nobody else has (FIPS 203,
 * implicit rejection): only using the secret shows it.
 */
export function decapsulate(
  own: HybridKeyPair,
  peerPublicKey: Uint8Array,
  ciphertext: Uint8Array,
  context: Uint8Array,
): Uint8Array | undefined {
  if (ciphertext.length !== KEM_CIPHERTEXT_BYTES) return undefined
  const agreed = agree(own, peerPublicKey)
  if (agreed === undefined) return undefined
  const shared = decapsulateWith(secrets(own).mlKem, ciphertext)
  return combine(agreed, shared, context, peerPublicKey, own.publicKey, ciphertext)
}

function secrets(pair: HybridKeyPair): Secrets {
  const own = secretsOf.get(pair)
  if (own === undefined) throw new TypeError('not a pair that hybridKeyPair made')
  return own
}

/** The X25519 half; undefined for a key of low order, whose secret everybody knows (RFC 7748 section 6.1). */
function agree(own: HybridKeyPair, peerPublicKey: Uint8Array): Uint8Array | undefined {
  if (peerPublicKey.length !== HYBRID_PUBLIC_KEY_BYTES) return undefined
  const raw = peerPublicKey.subarray(0, X25519_BYTES)
  const { x25519, agreed } = secrets(own)
  const name = fingerprint(raw)
  const before = agreed.get(name)
  if (before !== undefined) return before
  const theirs = publicKey('x25519', raw)
  if (theirs === undefined) return undefined
  try {
    const secret = diffieHellman({ privateKey: x25519, publicKey: theirs })
    agreed.set(name, secret)
    return secret
  } catch {
    return undefined
  }
}

/** `from` encapsulated, `to` decapsulates: the order is part of what is bound. */
function combine(
  agreed: Uint8Array,
  shared: Uint8Array,
  context: Uint8Array,
  from: Uint8Array,
  to: Uint8Array,
  ciphertext: Uint8Array,
): Uint8Array {
  // Hashed, as HKDF's info is limited; only the context varies in length, so it comes last.

  const transcript = sha256(from, to, ciphertext, context)
  return hkdf(concatBytes(shared, agreed), concatBytes(SECRET, transcript), 32)
}

/**
 * Encapsulation is noble's, as OpenSSL's draws its own randomness. Half of its time goes into expanding the public key,
 * so the expanded ones (public data) are kept: from the check of an announced key to its use, and for a simulation's peers.
 */
const expandedKeys = new Lru<KEMPrepared>(512)

/** The expanded ML-KEM half; undefined when its coefficients are not reduced (FIPS 203 section 7.2). */
function prepared(peerPublicKey: Uint8Array): KEMPrepared | undefined {
  const raw = peerPublicKey.subarray(X25519_BYTES)
  const name = fingerprint(raw)
  let key = expandedKeys.get(name)
  if (key === undefined) {
    try {
      key = ml_kem768.prepare(raw)
    } catch {
      return undefined
    }
    expandedKeys.set(name, key)
  }
  return key
}

let probePair: HybridKeyPair | undefined

/** A pair without a secret worth keeping, to try peers' keys on. */
function probe(): HybridKeyPair {
  probePair ??= hybridKeyPair(new Uint8Array(32))
  return probePair
}
