/** Charters on disk: a draft in YAML with the files that it names, or the signed form in JSON. */
import { readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Charter, CharterDraft } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import { completeDraft, parseDraft } from '../../config/parse.ts'
import {
  parseSigned,
  readSigned,
  type SignedCharter,
  unsignedCharter,
  verifyChain,
} from '../../config/signed.ts'
import { toHex } from '../../protocol/bytes.ts'
import type { Trust } from '../../protocol/ledger/verify.ts'
import { initialHash } from '../../protocol/model/initial.ts'
import { checkBudget } from '../privacy.ts'

export type CharterFile =
  | { readonly kind: 'draft'; readonly draft: CharterDraft }
  | { readonly kind: 'signed'; readonly charter: SignedCharter; readonly value: unknown }

/** Throws MedmeshError CHARTER_FILE when `file` cannot be read. */
export function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MedmeshError(
      'CHARTER_FILE',
      `the charter ${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'correct the path; a node finds its charter where `charter` in node.yaml says',
    )
  }
}

/**
 * A draft or a signed charter, told apart by what is in it. Signatures are not checked. Throws MedmeshError, also
 * CHARTER_PRIVACY_BUDGET.
 */
export function readCharterFile(file: string): CharterFile {
  const text = readText(file)
  if (!text.trimStart().startsWith('{')) return { kind: 'draft', draft: readDraft(file, text) }
  const value = readSigned(text)
  const charter = parseSigned(value)
  checkBudget(charter.signed)
  return { kind: 'signed', charter, value }
}

export function readDraft(file: string, text = readText(file)): CharterDraft {
  const draft = parseDraft(text, name => readFileSync(join(dirname(file), name), 'utf8'))
  // What members still have to fill in, it does not look at.
  checkBudget(draft as Charter)
  return draft
}

/** What can be signed: a signed charter as it is, or a draft in which nothing is open. */
export function toSign(file: CharterFile): SignedCharter {
  return file.kind === 'signed' ? file.charter : unsignedCharter(completeDraft(file.draft, []))
}

/** Fields that the members of a draft still have to fill in, such as `members[1].publicKey (hungarian)`. */
export function openFields({ members }: CharterDraft): string[] {
  return members.flatMap((member, i) =>
    (['publicKey', 'addresses'] as const)
      .filter(field => member[field] === undefined)
      .map(field => `members[${i}].${field} (${member.id})`),
  )
}

/** Charter, hashes and all that an offline check of a ledger starts from. */
export interface TrustedCharter {
  readonly charter: Charter
  readonly hash: string
  readonly signers: readonly string[]
  readonly trust: Trust
}

/**
 * Reads and verifies a signed charter, `previous` being the versions before it, the first one first.
 * `now`: Unix milliseconds at which it must be valid, or undefined to read what is old.
 */
export function readTrusted(
  file: string,
  now: number | undefined,
  previous: readonly string[] = [],
): TrustedCharter {
  const values = [...previous, file].map(name => readSigned(readText(name)))
  const { charter, hash, signers } = verifyChain(values, now)
  const network = values.length === 1 ? hash : verifyChain(values.slice(0, 1), undefined).hash
  const initialModelHash = initialHash(charter)
  return {
    charter,
    hash: toHex(hash),
    signers,
    trust: { charter, charterHash: hash, network, initialModelHash },
  }
}
