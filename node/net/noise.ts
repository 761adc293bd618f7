/**
 * The primitives under Noise, by node:crypto. libp2p's own choice hands OpenSSL the raw key for each packet, which
 * costs twice what a KeyObject costs; a connection's keys are the same two arrays for its whole life, so they are
 * kept beside them. Noise_XX_25519_ChaChaPoly_SHA256, as libp2p's specification of Noise demands.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  diffieHellman,
  generateKeyPairSync,
  type KeyObject,
} from 'node:crypto'
import { type ICryptoInterface, type KeyPair, pureJsCrypto } from '@chainsafe/libp2p-noise'
import { Uint8ArrayList } from 'uint8arraylist'

type Bytes = Parameters<ICryptoInterface['hashSHA256']>[0]

const CIPHER = 'chacha20-poly1305'
const TAG_BYTES = 16
/** DER heads of an X25519 key (RFC 8410); the 32 raw bytes follow. */
const PRIVATE_HEAD = Buffer.from('302e020100300506032b656e04220420', 'hex')
const PUBLIC_HEAD = Buffer.from('302a300506032b656e032100', 'hex')

const keys = new WeakMap<Uint8Array, KeyObject>()

function keyObject(raw: Uint8Array): KeyObject {
  let key = keys.get(raw)
  if (key === undefined) {
    key = createSecretKey(raw)
    keys.set(raw, key)
  }
  return key
}

function partsOf(bytes: Bytes): Iterable<Uint8Array> {
  return bytes instanceof Uint8Array ? [bytes] : bytes
}

/** Not copied into one. libp2p-noise has an older version of the list than we, which differs for the compiler only. */
function listOf(parts: readonly Uint8Array[]): Bytes {
  return new Uint8ArrayList(...parts) as unknown as Bytes
}

function privateKeyOf(raw: Uint8Array): KeyObject {
  return createPrivateKey({ key: Buffer.concat([PRIVATE_HEAD, raw]), format: 'der', type: 'pkcs8' })
}

function pairOf(privateKey: KeyObject): KeyPair {
  return {
    privateKey: privateKey.export({ format: 'der', type: 'pkcs8' }).subarray(PRIVATE_HEAD.length),
    publicKey: createPublicKey(privateKey)
      .export({ format: 'der', type: 'spki' })
      .subarray(PUBLIC_HEAD.length),
  }
}

export const nodeNoiseCrypto: ICryptoInterface = {
  getHKDF: pureJsCrypto.getHKDF,

  hashSHA256(data) {
    const hash = createHash('sha256')
    for (const part of partsOf(data)) hash.update(part)
    return hash.digest()
  },

  generateX25519KeyPair: () => pairOf(generateKeyPairSync('x25519').privateKey),

  generateX25519KeyPairFromSeed: seed => pairOf(privateKeyOf(seed)),

  generateX25519SharedKey(privateKey, publicKey) {
    const der = Buffer.concat([PUBLIC_HEAD, publicKey.subarray()])
    return diffieHellman({
      privateKey: privateKeyOf(privateKey.subarray()),
      publicKey: createPublicKey({ key: der, format: 'der', type: 'spki' }),
    })
  },

  chaCha20Poly1305Encrypt(plaintext, nonce, ad, k) {
    const cipher = createCipheriv(CIPHER, keyObject(k), nonce, { authTagLength: TAG_BYTES })
    cipher.setAAD(ad, { plaintextLength: plaintext.byteLength })
    const out = Array.from(partsOf(plaintext), part => cipher.update(part))
    cipher.final() // a stream cipher keeps nothing back
    return listOf([...out, cipher.getAuthTag()])
  },

  /** Throws when the tag does not hold. */
  chaCha20Poly1305Decrypt(ciphertext, nonce, ad, k) {
    const size = ciphertext.byteLength - TAG_BYTES
    if (size < 0) throw new RangeError('a Noise packet shorter than its tag')
    const decipher = createDecipheriv(CIPHER, keyObject(k), nonce, { authTagLength: TAG_BYTES })
    decipher.setAAD(ad, { plaintextLength: size })
    decipher.setAuthTag(ciphertext.subarray(size))
    const body = ciphertext instanceof Uint8Array ? ciphertext.subarray(0, size) : ciphertext.sublist(0, size)
    const out = Array.from(partsOf(body), part => decipher.update(part))
    decipher.final()
    return listOf(out)
  },
}
