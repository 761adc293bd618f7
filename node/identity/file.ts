/**
 * The key file's format and its place on disk. A lost key locks a hospital out of the study and a copied one lets
 * a stranger vote in its name, so the file is created whole or not at all, never overwritten, and refused when
 * other accounts of the machine may read it.
 */
import { createHash, randomBytes } from 'node:crypto'
import {
  closeSync,
  fsyncSync,
  linkSync,
  openSync,
  readFileSync,
  statSync,
  unlinkSync,
  writeSync,
} from 'node:fs'
import { dirname } from 'node:path'
import { z } from 'zod'
import { MedmeshError } from '../../config/error.ts'

const base64 = (bytesMax: number) => z.base64().max(Math.ceil(bytesMax / 3) * 4)

/** scrypt (RFC 7914) at the cost that OWASP's password storage guide names; a literal, so no file can ask for more. */
export const KDF = { name: 'scrypt', logN: 17, r: 8, p: 1 } as const

const KeySchema = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('plain'), privateKey: base64(128) }),
  z.strictObject({
    kind: z.literal('encrypted'),
    kdf: z.strictObject({
      name: z.literal(KDF.name),
      logN: z.literal(KDF.logN),
      r: z.literal(KDF.r),
      p: z.literal(KDF.p),
      salt: base64(32),
    }),
    cipher: z.literal('aes-256-gcm'),
    nonce: base64(12),
    /** Ciphertext and then the 16 bytes of the tag. */
    box: base64(256),
  }),
])

const FileSchema = z.strictObject({
  format: z.literal('medmesh-identity/1'),
  /** The hospital's public key as the charter names it: 64 hex digits. */
  publicKey: z.string().regex(/^[0-9a-f]{64}$/),
  peerId: z.string().min(1).max(128),
  key: KeySchema,
  /** SHA-256 of the fields above: tells a damaged file from a wrong passphrase. Not a protection. */
  checksum: z.string().regex(/^[0-9a-f]{64}$/),
})

export type KeyBox = z.infer<typeof KeySchema>
export type IdentityFile = Omit<z.infer<typeof FileSchema>, 'checksum'>

function checksumOf(file: IdentityFile): string {
  const { format, publicKey, peerId, key } = file
  return createHash('sha256')
    .update(JSON.stringify([format, publicKey, peerId, key]))
    .digest('hex')
}

/**
 * Writes a new key file with mode 0600, durable on return.
 * Throws MedmeshError IDENTITY_EXISTS when `path` is taken, IDENTITY_WRITE when the folder cannot be written.
 */
export function writeIdentityFile(path: string, file: IdentityFile): void {
  const text = `${JSON.stringify({ ...file, checksum: checksumOf(file) }, null, 2)}\n`
  const draft = `${path}.${randomBytes(6).toString('hex')}.new`
  try {
    const fd = openSync(draft, 'wx', 0o600)
    try {
      writeSync(fd, text)
      fsyncSync(fd)
      // A link fails when the name is taken, where a rename would overwrite another key.
      linkSync(draft, path)
    } finally {
      closeSync(fd)
      unlinkSync(draft)
    }
    const folder = openSync(dirname(path), 'r')
    fsyncSync(folder)
    closeSync(folder)
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new MedmeshError(
        'IDENTITY_EXISTS',
        `${path} exists already and a key is never overwritten`,
        'Use the key that is there, or choose another folder.',
      )
    }
    throw new MedmeshError(
      'IDENTITY_WRITE',
      `${path} cannot be written (${(cause as NodeJS.ErrnoException).code ?? 'unknown reason'})`,
      'Check that the folder exists and that this account may write in it.',
    )
  }
}

/**
 * Reads and checks a key file.
 * Throws MedmeshError IDENTITY_MISSING, IDENTITY_MODE (others may read it) or IDENTITY_DAMAGED.
 */
export function readIdentityFile(path: string): IdentityFile {
  const stat = statSync(path, { throwIfNoEntry: false })
  if (stat === undefined) {
    throw new MedmeshError(
      'IDENTITY_MISSING',
      `there is no key file ${path}`,
      'Make one with: medmesh init DIR',
    )
  }
  if ((stat.mode & 0o077) !== 0) {
    const mode = (stat.mode & 0o777).toString(8).padStart(4, '0')
    throw new MedmeshError(
      'IDENTITY_MODE',
      `${path} has mode ${mode}: other accounts of this machine may use the hospital's key`,
      `Run: chmod 600 '${path}' (and make a new key if somebody may have read it)`,
    )
  }
  let parsed: z.infer<typeof FileSchema>
  try {
    parsed = FileSchema.parse(JSON.parse(readFileSync(path, 'utf8')))
  } catch {
    throw damaged(path, 'it is not a key file of this version')
  }
  const { checksum, ...file } = parsed
  if (checksumOf(file) !== checksum) throw damaged(path, 'its checksum does not hold')
  return file
}

/** For a file whose parts do not fit together; `why` must not quote it. */
export function damaged(path: string, why: string): MedmeshError {
  return new MedmeshError(
    'IDENTITY_DAMAGED',
    `${path} is damaged: ${why}`,
    'Put the backup of this file in its place. Without one, make a new key and have the charter amended.',
  )
}
