/**
 * One hospital's identity: one Ed25519 key is its libp2p address (PeerId), its name in the charter (public key)
 * and its signature. The key never leaves this process; the file may be encrypted with a passphrase.
 */
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { generateKeyPair, privateKeyFromProtobuf, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { MedmeshError } from '../../config/error.ts'
import { toHex } from '../../protocol/bytes.ts'
import { damaged, type IdentityFile, KDF, type KeyBox, readIdentityFile, writeIdentityFile } from './file.ts'

/** Gives the passphrase when it is needed; undefined: there is none. */
export type PassphraseSource = () => string | undefined | Promise<string | undefined>

export interface IdentityOptions {
  /** Defaults to `environmentPassphrase`. A new key is encrypted if and only if this gives a passphrase. */
  readonly passphrase?: PassphraseSource
}

export interface Identity {
  /** 64 hex digits, as in the charter. */
  readonly publicKeyHex: string
  /** Base58 form of the libp2p PeerId. */
  readonly peerId: string
  /** 32 bytes, secret: the Ed25519 seed (RFC 8032) that signs the protocol's messages. */
  readonly seed: Uint8Array
  /** Secret: what libp2p's Noise and gossipsub sign with. */
  readonly privateKey: Ed25519PrivateKey
}

/**
 * MEDMESH_PASSPHRASE, or else the first line of the file that MEDMESH_PASSPHRASE_FILE names.
 * Throws MedmeshError IDENTITY_PASSPHRASE_FILE when that file cannot be read.
 */
export function environmentPassphrase(env: NodeJS.ProcessEnv = process.env): string | undefined {
  if (env.MEDMESH_PASSPHRASE !== undefined) return env.MEDMESH_PASSPHRASE
  const path = env.MEDMESH_PASSPHRASE_FILE
  if (path === undefined) return undefined
  try {
    return readFileSync(path, 'utf8').split(/\r?\n/, 1)[0]
  } catch {
    throw new MedmeshError(
      'IDENTITY_PASSPHRASE_FILE',
      `the passphrase file ${path} cannot be read`,
      'Correct MEDMESH_PASSPHRASE_FILE, or unset it.',
    )
  }
}

/** Draws a key and writes it to `path`, which must not exist. Errors: see `writeIdentityFile`. */
export async function createIdentity(path: string, options: IdentityOptions = {}): Promise<Identity> {
  const passphrase = await (options.passphrase ?? environmentPassphrase)()
  const identity = identityOf(await generateKeyPair('Ed25519'))
  const { publicKeyHex: publicKey, peerId } = identity
  const secret = privateKeyToProtobuf(identity.privateKey)
  const key: KeyBox =
    passphrase === undefined || passphrase === ''
      ? { kind: 'plain', privateKey: Buffer.from(secret).toString('base64') }
      : seal(secret, passphrase, publicKey)
  writeIdentityFile(path, { format: 'medmesh-identity/1', publicKey, peerId, key })
  return identity
}

/**
 * Reads the identity of `path`.
 * Throws the errors of `readIdentityFile`, IDENTITY_PASSPHRASE_NEEDED, or IDENTITY_PASSPHRASE (it is the wrong one).
 */
export async function loadIdentity(path: string, options: IdentityOptions = {}): Promise<Identity> {
  const file = readIdentityFile(path)
  const secret =
    file.key.kind === 'plain'
      ? Buffer.from(file.key.privateKey, 'base64')
      : open(path, file, file.key, await (options.passphrase ?? environmentPassphrase)())
  let identity: Identity
  try {
    const key = privateKeyFromProtobuf(secret)
    if (key.type !== 'Ed25519') throw new TypeError('not an Ed25519 key')
    identity = identityOf(key)
  } catch {
    throw damaged(path, 'it holds no Ed25519 key')
  }
  if (identity.publicKeyHex !== file.publicKey || identity.peerId !== file.peerId) {
    throw damaged(path, 'its private key is not that of its public key')
  }
  return identity
}

function identityOf(privateKey: Ed25519PrivateKey): Identity {
  return {
    publicKeyHex: toHex(privateKey.publicKey.raw),
    peerId: peerIdFromPrivateKey(privateKey).toString(),
    // The raw form is seed and then public key.
    seed: privateKey.raw.slice(0, 32),
    privateKey,
  }
}

type EncryptedBox = Extract<KeyBox, { kind: 'encrypted' }>

function seal(secret: Uint8Array, passphrase: string, publicKey: string): EncryptedBox {
  const salt = randomBytes(32)
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', stretch(passphrase, salt), nonce)
  cipher.setAAD(Buffer.from(publicKey, 'hex'))
  const box = Buffer.concat([cipher.update(secret), cipher.final(), cipher.getAuthTag()])
  return {
    kind: 'encrypted',
    kdf: { ...KDF, salt: salt.toString('base64') },
    cipher: 'aes-256-gcm',
    nonce: nonce.toString('base64'),
    box: box.toString('base64'),
  }
}

function open(
  path: string,
  file: IdentityFile,
  key: EncryptedBox,
  passphrase: string | undefined,
): Uint8Array {
  if (passphrase === undefined || passphrase === '') {
    throw new MedmeshError(
      'IDENTITY_PASSPHRASE_NEEDED',
      `${path} is encrypted and no passphrase was given`,
      'Set MEDMESH_PASSPHRASE, or MEDMESH_PASSPHRASE_FILE to a file that holds it.',
    )
  }
  const box = Buffer.from(key.box, 'base64')
  const secretKey = stretch(passphrase, Buffer.from(key.kdf.salt, 'base64'))
  try {
    const cipher = createDecipheriv('aes-256-gcm', secretKey, Buffer.from(key.nonce, 'base64'), {
      authTagLength: 16,
    })
    cipher.setAAD(Buffer.from(file.publicKey, 'hex'))
    cipher.setAuthTag(box.subarray(-16))
    return Buffer.concat([cipher.update(box.subarray(0, -16)), cipher.final()])
  } catch {
    throw new MedmeshError(
      'IDENTITY_PASSPHRASE',
      `the passphrase does not open ${path}`,
      'Give the passphrase that the key was made with; nobody can recover it.',
    )
  }
}

function stretch(passphrase: string, salt: Uint8Array): Buffer {
  const N = 2 ** KDF.logN
  // scrypt needs 128 * N * r bytes and refuses to start at its default bound of 32 MiB.
  return scryptSync(passphrase.normalize('NFC'), salt, 32, { N, r: KDF.r, p: KDF.p, maxmem: 256 * N * KDF.r })
}
