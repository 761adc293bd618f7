/**
 * Charters in force: `{signed, signatures}` as The Update Framework (TUF) signs its metadata, with Ed25519 over the
 * RFC 8785 form of `signed`, m of n, and TUF's root rule from one version to the next.
 *
 * `keyid` is the public key itself. TUF names a key by a hash because its keys have many kinds and sizes; ours are all
 * of the 32 bytes that a hash would have, and so the text beside a signature is the one in `members[].publicKey`.
 *
 * No label goes before the signed bytes, so other tools can check them. They start with `{`; no other text that a
 * hospital's key signs in this project or in libp2p does.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import { z } from 'zod'
import { canonicalBytes, charterHash } from './canonical.ts'
import type { Charter } from './charter.ts'
import { MedmeshError } from './error.ts'
import { parseCharter } from './parse.ts'
import { problemError, schemaProblems } from './problem.ts'
import { readJson } from './yaml.ts'

const SignatureSchema = z.strictObject({
  /** The signer's Ed25519 public key in hex. */
  keyid: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits (an Ed25519 public key)'),
  sig: z.string().regex(/^[0-9a-f]{128}$/, 'must be 128 lower-case hex digits (an Ed25519 signature)'),
})

/** All members of an old and of a new version. */
const SIGNATURES_MAX = 2000

const EnvelopeSchema = z.strictObject({
  signed: z.unknown(),
  signatures: z.array(SignatureSchema).max(SIGNATURES_MAX),
})

export interface SignedCharter {
  readonly signed: Charter
  readonly signatures: readonly z.infer<typeof SignatureSchema>[]
}

/** A charter that was checked in all its parts; made by {@link verifyCharter} only. */
export interface VerifiedCharter {
  readonly charter: Charter
  /** {@link charterHash}: 32 bytes. */
  readonly hash: Uint8Array
  /** Ids of this version's members whose signatures hold, in the charter's order. */
  readonly signers: readonly string[]
}

export interface VerifyOptions {
  /** Unix time in ms that the charter must be valid at; undefined: any, as for reading an old ledger. */
  readonly now: number | undefined
  /** The version before; without it only version 1 is accepted. */
  readonly previous?: VerifiedCharter
}

/** A charter that nobody has signed yet. */
export function unsignedCharter(charter: Charter): SignedCharter {
  return { signed: charter, signatures: [] }
}

/**
 * Adds a signature by the key of `seed` (32 bytes, RFC 8032), or replaces the one that this key had given. The order of
 * signatures is that of their keyids, so it tells nothing.
 *
 * `previous`: the version before, whose members sign a new version too.
 * Throws MedmeshError CHARTER_SIGNER when the key is no member's.
 */
export function signCharter(charter: SignedCharter, seed: Uint8Array, previous?: Charter): SignedCharter {
  const keyid = bytesToHex(ed25519.getPublicKey(seed))
  const members = [...charter.signed.members, ...(previous?.members ?? [])]
  if (!members.some(m => m.publicKey === keyid)) {
    throw new MedmeshError(
      'CHARTER_SIGNER',
      `the key ${keyid} is not a member's`,
      "sign with the identity of one of the charter's members, or have its key put into the charter",
    )
  }
  const sig = bytesToHex(ed25519.sign(canonicalBytes(charter.signed), seed))
  const signatures = [...charter.signatures.filter(s => s.keyid !== keyid), { keyid, sig }]
  return { signed: charter.signed, signatures: signatures.sort((a, b) => (a.keyid < b.keyid ? -1 : 1)) }
}

/** The text of a signed charter's file as a value for {@link verifyCharter}. Throws CHARTER_JSON, CHARTER_TOO_LONG. */
export function readSigned(text: string): unknown {
  return readJson(text, 'the signed charter')
}

/**
 * A signed charter in all its parts but the signatures: form, schema and rules, so that a member can add its own.
 *
 * Throws MedmeshError CHARTER_UNSIGNED (not `{signed, signatures}`), CHARTER_SCHEMA, or a rule's own code (rules.ts).
 */
export function parseSigned(value: unknown): SignedCharter {
  if (typeof value !== 'object' || value === null || !('signed' in value) || !('signatures' in value)) {
    throw new MedmeshError(
      'CHARTER_UNSIGNED',
      'this is not a signed charter: signed or signatures is missing',
      'sign it: medmesh charter sign',
    )
  }
  const envelope = EnvelopeSchema.safeParse(value)
  if (!envelope.success) {
    throw problemError(schemaProblems(envelope.error, EnvelopeSchema, value))
  }
  const { signed, signatures } = envelope.data
  const charter = parseCharter(signed)
  // The schema must neither add nor drop what was signed (it would, for a field named __proto__).
  if (bytesToHex(charterHash(charter)) !== bytesToHex(charterHash(signed as Charter))) {
    throw new MedmeshError(
      'CHARTER_SCHEMA',
      'signed holds something that is not a field of a charter',
      'take the file anew from who wrote it',
    )
  }
  return { signed: charter, signatures }
}

/**
 * A charter that may be acted on, or a MedmeshError that says what is wrong with whose part:
 *
 * - CHARTER_UNSIGNED, CHARTER_SCHEMA, a rule's own code: as {@link parseSigned}
 * - CHARTER_VERSION, CHARTER_STUDY, CHARTER_PREVIOUS: not the one that follows `previous`
 * - CHARTER_SIGNATURE_TWICE: one key signs twice; CHARTER_SIGNATURE_STRANGER: a key of no member
 * - CHARTER_SIGNATURE_INVALID: a signature does not hold (Ed25519, RFC 8032 strictly, not ZIP 215)
 * - CHARTER_SIGNATURES_MISSING: fewer than the threshold; CHARTER_SIGNATURES_MISSING_PREVIOUS: fewer than the threshold
 *   of the version before, whose members must agree too (TUF specification 5.3.4, root rotation)
 * - CHARTER_NOT_YET_VALID, CHARTER_EXPIRED: days are UTC, the last one included
 */
export function verifyCharter(value: unknown, options: VerifyOptions): VerifiedCharter {
  const { signed, signatures } = parseSigned(value)
  const previous = options.previous?.charter
  checkSuccession(signed, options.previous)
  const keys = checkSignatures(signed, signatures, previous)
  checkThreshold(signed, keys, 'CHARTER_SIGNATURES_MISSING', 'this version')
  if (previous !== undefined) {
    checkThreshold(previous, keys, 'CHARTER_SIGNATURES_MISSING_PREVIOUS', `version ${previous.version}`)
  }
  if (options.now !== undefined) checkValidity(signed, options.now)
  const signers = signed.members.filter(m => keys.has(m.publicKey)).map(m => m.id)
  return { charter: signed, hash: charterHash(signed), signers }
}

/**
 * All versions of a charter from the first on; only the last must be valid at `now`. Returns the last.
 *
 * Throws as {@link verifyCharter}, and CHARTER_VERSION for no version at all.
 */
export function verifyChain(values: readonly unknown[], now: number | undefined): VerifiedCharter {
  let previous: VerifiedCharter | undefined
  values.forEach((value, i) => {
    const at = i === values.length - 1 ? now : undefined
    previous = verifyCharter(value, { now: at, ...(previous === undefined ? {} : { previous }) })
  })
  if (previous === undefined) {
    throw new MedmeshError(
      'CHARTER_VERSION',
      'no version of the charter',
      'give version 1 and those after it',
    )
  }
  return previous
}

function checkSuccession(charter: Charter, previous: VerifiedCharter | undefined): void {
  const expected = previous === undefined ? 1 : previous.charter.version + 1
  if (charter.version !== expected) {
    throw new MedmeshError(
      'CHARTER_VERSION',
      `version is ${charter.version}; ${previous === undefined ? 'without the versions before' : `after version ${expected - 1}`} only version ${expected} can come into force`,
      previous === undefined ? 'give version 1 and all versions after it' : `take version ${expected}`,
    )
  }
  if (previous === undefined) return
  if (charter.study.id !== previous.charter.study.id) {
    throw new MedmeshError(
      'CHARTER_STUDY',
      `study.id is ${charter.study.id}; the version before is of ${previous.charter.study.id}`,
      'a new study starts with a version 1 of its own',
    )
  }
  const hash = bytesToHex(previous.hash)
  if (charter.previous !== hash) {
    throw new MedmeshError(
      'CHARTER_PREVIOUS',
      `previous does not name the version ${previous.charter.version} that is in force (${hash})`,
      'write the new version from the one that is in force',
    )
  }
}

/** The keys whose signatures hold: all that are there, or an error. */
function checkSignatures(
  charter: Charter,
  signatures: SignedCharter['signatures'],
  previous: Charter | undefined,
): ReadonlySet<string> {
  const owners = new Map(
    [...(previous?.members ?? []), ...charter.members].map(m => [m.publicKey, `${m.id} (${m.name})`]),
  )
  const message = canonicalBytes(charter)
  const keys = new Set<string>()
  const broken: string[] = []
  for (const { keyid, sig } of signatures) {
    const owner = owners.get(keyid)
    if (owner === undefined) {
      throw new MedmeshError(
        'CHARTER_SIGNATURE_STRANGER',
        `the key ${keyid} has signed, and is no member's`,
        "remove that signature, or put the hospital's key into the charter and have it signed anew",
      )
    }
    if (keys.has(keyid)) {
      throw new MedmeshError(
        'CHARTER_SIGNATURE_TWICE',
        `${owner} stands twice among the signatures`,
        'remove one of the two: a key counts once',
      )
    }
    keys.add(keyid)
    if (!ed25519.verify(hexToBytes(sig), message, hexToBytes(keyid), { zip215: false })) broken.push(owner)
  }
  if (broken.length > 0) {
    throw new MedmeshError(
      'CHARTER_SIGNATURE_INVALID',
      `the signature of ${broken.join(', of ')} does not hold: the charter or the signature was changed after signing`,
      'take the file anew from who signed it, or have it signed anew',
    )
  }
  return keys
}

function checkThreshold(charter: Charter, keys: ReadonlySet<string>, code: string, whose: string): void {
  const missing = charter.members.filter(m => !keys.has(m.publicKey)).map(m => m.id)
  const have = charter.members.length - missing.length
  if (have >= charter.threshold) return
  throw new MedmeshError(
    code,
    `${have} of the ${charter.threshold} signatures are there that the members of ${whose} must give; not yet signed by ${missing.join(', ')}`,
    `have ${charter.threshold - have} more of them sign: medmesh charter sign`,
  )
}

const DAY_MS = 86_400_000

function checkValidity({ study }: Charter, now: number): void {
  const day = (text: string) => Date.parse(`${text}T00:00:00Z`)
  if (now < day(study.validFrom)) {
    throw new MedmeshError(
      'CHARTER_NOT_YET_VALID',
      `study.validFrom is ${study.validFrom}, which is still to come`,
      "wait for that day, or check this machine's clock",
    )
  }
  if (now >= day(study.validUntil) + DAY_MS) {
    throw new MedmeshError(
      'CHARTER_EXPIRED',
      `study.validUntil was ${study.validUntil}`,
      "have the members sign a new version with a later day, or check this machine's clock",
    )
  }
}
