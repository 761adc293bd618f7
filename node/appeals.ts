/**
 * Appeals: the file in which members sign that a suspended one may come back. It goes from hand to hand; with a quorum's signatures
 * it is put into the folder `appeals` of one or more of the others, whose nodes propose it.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'
import { MedmeshError } from '../config/error.ts'
import { fromHex } from '../protocol/bytes.ts'
import type { Input } from '../protocol/ports.ts'
import { MEMBERS_MAX, RESTORATION_BYTES_MAX } from '../protocol/wire/limits.ts'

const hex = (bytes: number) =>
  z.string().regex(new RegExp(`^([0-9a-f]{2}){1,${bytes}}$`), 'must be hex digits')

export const AppealSchema = z.strictObject({
  format: z.literal('medmesh-appeal/1'),
  member: z.string(),
  /** Hash of the entry that suspended it. */
  entry: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hex digits'),
  /** Signed words of members, as an entry carries them. */
  signatures: z.array(hex(RESTORATION_BYTES_MAX)).max(MEMBERS_MAX),
})
export type Appeal = z.infer<typeof AppealSchema>

/** Throws MedmeshError APPEAL_INVALID. */
export function readAppeal(file: string): Appeal {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch {
    throw invalid(file, 'it is no JSON')
  }
  const read = AppealSchema.safeParse(value)
  if (read.success) return read.data
  const [issue] = read.error.issues
  throw invalid(file, `${issue!.path.join('.') || 'it'}: ${issue!.message}`)
}

function invalid(file: string, why: string): MedmeshError {
  return new MedmeshError(
    'APPEAL_INVALID',
    `${file} is no appeal: ${why}`,
    'make one: medmesh appeal DIR MEMBER --file FILE',
  )
}

/** What the node is to be told of the appeals in the hospital's directory; of files that are none nothing but their names. */
export function appealsIn(dir: string): {
  readonly inputs: readonly Input[]
  readonly wrong: readonly string[]
} {
  const folder = join(dir, 'appeals')
  if (!existsSync(folder)) return { inputs: [], wrong: [] }
  const inputs: Input[] = []
  const wrong: string[] = []
  for (const name of readdirSync(folder)
    .filter(n => n.endsWith('.json'))
    .sort()) {
    try {
      const { member, signatures } = readAppeal(join(folder, name))
      inputs.push({ kind: 'appeal', member, signatures: signatures.map(fromHex) })
    } catch {
      wrong.push(name)
    }
  }
  return { inputs, wrong }
}
