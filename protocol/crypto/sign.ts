/**
 * Ed25519 signatures (RFC 8032, pure Ed25519). Signing is deterministic: a restarted peer signs the same words with the
 * same bytes. The keys are the members' libp2p identities.
 */
import { sign as signWith, verify as verifyWith } from 'node:crypto'
import { fingerprint, type Key, privateKey, publicKey, rawPublicKey } from './keys.ts'
import { Lru } from './lru.ts'

export const PUBLIC_KEY_BYTES = 32
export const SIGNATURE_BYTES = 64

interface Signer {
  readonly key: Key
  readonly publicKey: Uint8Array
}

/** A node has one identity; the simulator has one for each of its peers. Found by hash, not by the seed itself. */
const signers = new Lru<Signer>(256)

/**
 * Triples that were verified. Sound: whether a signature holds is a function of public key, signature and message
 * alone, only success is remembered, and as key and signature have fixed lengths a triple with a remembered
 * fingerprint is that triple unless SHA-256 collides. It saves the same work for a message that comes by several ways,
 * for certificates checked again, and for the many peers of one simulation.
 */
const verified = new Lru<true>(16_384)

function signer(seed: Uint8Array): Signer {
  const name = fingerprint(seed)
  let known = signers.get(name)
  if (known === undefined) {
    const key = privateKey('ed25519', seed)
    known = { key, publicKey: rawPublicKey(key) }
    signers.set(name, known)
  }
  return known
}

/** Public key of a 32-byte seed (RFC 8032 section 5.1.5); throws RangeError on another length. */
export function publicKeyOf(seed: Uint8Array): Uint8Array {
  return signer(seed).publicKey.slice()
}

/** Signature of `message`, 64 bytes; throws RangeError when `seed` has not 32 bytes. */
export function sign(seed: Uint8Array, message: Uint8Array): Uint8Array {
  return new Uint8Array(signWith(null, message, signer(seed).key))
}

/**
 * Whether `signature` is that of `key` over `message`. Any bytes may come in: what has the wrong length is false. So is
 * everything under a key of small order, with which a member could disown what it signed; OpenSSL sees to that, and a
 * test that it goes on to.
 */
export function verify(key: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (key.length !== PUBLIC_KEY_BYTES || signature.length !== SIGNATURE_BYTES) return false
  const name = fingerprint(key, signature, message)
  if (verified.get(name)) return true
  const imported = publicKey('ed25519', key)
  if (imported === undefined) return false
  let holds = false
  try {
    holds = verifyWith(null, message, imported, signature)
  } catch {
    // OpenSSL may report bytes that are no point as an error instead of a signature that does not hold.
  }
  if (holds) verified.set(name, true)
  return holds
}
