/**
 * Raw keys as node:crypto's KeyObjects. Node takes keys only in containers: PKCS 8 and SubjectPublicKeyInfo, whose
 * bytes before the key are constant for each algorithm (RFC 8410 section 7 for the curves, RFC 9935 for ML-KEM).
 */
import { createPrivateKey, createPublicKey } from 'node:crypto'
import { concatBytes, hexToBytes } from '@noble/hashes/utils.js'
import { digest } from './hash.ts'
import { Lru } from './lru.ts'

/** Node's KeyObject. */
export type Key = ReturnType<typeof createPublicKey>

const PRIVATE_PREFIX = {
  ed25519: hexToBytes('302e020100300506032b657004220420'),
  x25519: hexToBytes('302e020100300506032b656e04220420'),
  /** The 'seed' form: 64 bytes d || z, from which OpenSSL makes the key (FIPS 203, algorithm 16). */
  mlkem768: hexToBytes('3054020100300b060960864801650304040204428040'),
} as const

const PUBLIC_PREFIX = {
  ed25519: hexToBytes('302a300506032b6570032100'),
  x25519: hexToBytes('302a300506032b656e032100'),
} as const

const PUBLIC_BYTES = 32
const ML_KEM_BYTES = 1184

/** `secret`: 32 bytes for the curves, 64 for ML-KEM; other lengths throw. */
export function privateKey(algorithm: keyof typeof PRIVATE_PREFIX, secret: Uint8Array): Key {
  const expected = algorithm === 'mlkem768' ? 64 : 32
  if (secret.length !== expected) throw new RangeError(`a secret key of ${expected} bytes`)
  const der = concatBytes(PRIVATE_PREFIX[algorithm], secret)
  const key = createPrivateKey({ key: asBuffer(der), format: 'der', type: 'pkcs8' })
  der.fill(0)
  return key
}

/** Raw public key of a private key: the last bytes of its SubjectPublicKeyInfo, 32 for the curves, 1,184 for ML-KEM. */
export function rawPublicKey(key: Key): Uint8Array {
  const bytes = key.asymmetricKeyType === 'ml-kem-768' ? ML_KEM_BYTES : PUBLIC_BYTES
  return new Uint8Array(createPublicKey(key).export({ format: 'der', type: 'spki' }).subarray(-bytes))
}

/** An importing takes a third of a verification: the keys of some consortia are kept. */
const publicKeys = new Lru<Key>(2048)

/** The public key of a curve; undefined when it has not 32 bytes. Whether it is a sound point shows in its use. */
export function publicKey(algorithm: keyof typeof PUBLIC_PREFIX, raw: Uint8Array): Key | undefined {
  if (raw.length !== PUBLIC_BYTES) return undefined
  const name = `${algorithm} ${fingerprint(raw)}`
  let key = publicKeys.get(name)
  if (key === undefined) {
    const der = concatBytes(PUBLIC_PREFIX[algorithm], raw)
    key = createPublicKey({ key: asBuffer(der), format: 'der', type: 'spki' })
    publicKeys.set(name, key)
  }
  return key
}

/** SHA-256 over `parts` as a short string, for naming entries of a cache. */
export function fingerprint(...parts: readonly Uint8Array[]): string {
  return digest('base64', parts)
}

// Node's types ask for a Buffer although any view serves.
function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
