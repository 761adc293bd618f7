/** From texts to charters: a draft as people write it, completed by keys and addresses, checked in all its parts. */
import { isTooDeep } from './canonical.ts'
import { type Charter, type CharterDraft, CharterDraftSchema, CharterSchema, type Member } from './charter.ts'
import { MedmeshError } from './error.ts'
import { type Locate, problemError, schemaProblems } from './problem.ts'
import { ruleProblems } from './rules.ts'
import { readJson, readYaml } from './yaml.ts'

/** What the draft leaves open about one member. */
export type MemberDetails = Pick<Member, 'id' | 'publicKey' | 'addresses'>

/**
 * A charter in YAML 1.2, whose members may still lack publicKey and addresses, and whose `model` may be
 * `{ file: models/logistic.json }`: a JSON file {keras, weights, seed} beside the charter.
 *
 * `readText`: text of a file named in the charter, relative to it, always with `/` and without `..`. What it throws
 * comes out as CHARTER_MODEL_FILE.
 *
 * Throws MedmeshError CHARTER_YAML, CHARTER_JSON, CHARTER_TOO_LONG, CHARTER_MODEL_FILE, CHARTER_SCHEMA, or a rule's own code
 * (rules.ts), with each field and its line.
 */
export function parseDraft(yamlText: string, readText: (name: string) => string): CharterDraft {
  const { value, locate } = readYaml(yamlText)
  const file = modelFile(value)
  if (file === undefined) return check(CharterDraftSchema, value, locate)
  const model = readModel(file, readText, locate)
  return check(CharterDraftSchema, { ...(value as object), model }, path =>
    path[0] === 'model' ? file : locate(path),
  )
}

/** Any value as a charter: the schema, then the rules. Throws MedmeshError CHARTER_SCHEMA or a rule's own code (rules.ts). */
export function parseCharter(value: unknown): Charter {
  return check(CharterSchema, value)
}

/**
 * The charter of a draft whose members are filled in. A detail that the draft holds already may be given again only as it is.
 *
 * Throws MedmeshError CHARTER_MEMBER_UNKNOWN (details of nobody), CHARTER_MEMBER_TWICE, CHARTER_MEMBER_CONFLICT,
 * CHARTER_MEMBER_INCOMPLETE, or what {@link parseCharter} throws.
 */
export function completeDraft(draft: CharterDraft, details: readonly MemberDetails[]): Charter {
  const given = new Map(details.map(d => [d.id, d]))
  const known = new Set(draft.members.map(m => m.id))
  const stranger = details.find(d => !known.has(d.id))
  if (stranger !== undefined) {
    throw new MedmeshError(
      'CHARTER_MEMBER_UNKNOWN',
      `${stranger.id} is not a member of the draft (${[...known].join(', ')})`,
      'add the member to the draft, or correct the id',
    )
  }
  if (given.size < details.length) {
    throw new MedmeshError('CHARTER_MEMBER_TWICE', 'one member is filled in twice', 'give each member once')
  }
  const members = draft.members.map((member, i) => completed(member, given.get(member.id), i))
  return parseCharter({ ...draft, members })
}

function completed(member: CharterDraft['members'][number], details: MemberDetails | undefined, i: number) {
  const { publicKey = details?.publicKey, addresses = details?.addresses } = member
  if (publicKey === undefined || addresses === undefined) {
    const field = publicKey === undefined ? 'publicKey' : 'addresses'
    throw new MedmeshError(
      'CHARTER_MEMBER_INCOMPLETE',
      `members[${i}].${field} is missing: nobody has filled in ${member.id}`,
      `have ${member.id} run medmesh init, and fill in what it prints`,
    )
  }
  if (
    details !== undefined &&
    (publicKey !== details.publicKey || addresses.join() !== details.addresses.join())
  ) {
    const field = publicKey !== details.publicKey ? 'publicKey' : 'addresses'
    throw new MedmeshError(
      'CHARTER_MEMBER_CONFLICT',
      `members[${i}].${field} stands in the draft otherwise than it is filled in (${member.id})`,
      'ask the hospital which is right, and remove the other',
    )
  }
  return { ...member, publicKey, addresses }
}

function check<S extends typeof CharterSchema | typeof CharterDraftSchema>(
  schema: S,
  value: unknown,
  locate?: Locate,
): ReturnType<S['parse']> {
  if (isTooDeep(value)) {
    const says = 'is nested too deeply'
    throw problemError([
      { code: 'CHARTER_SCHEMA', path: [], says, fix: 'take the file anew from who wrote it' },
    ])
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    throw problemError(schemaProblems(parsed.error, schema, value), locate)
  }
  const charter = parsed.data as ReturnType<S['parse']>
  const problems = ruleProblems(charter)
  if (problems.length > 0) throw problemError(problems, locate)
  return charter
}

function modelFile(value: unknown): string | undefined {
  const model = (value as { model?: unknown } | null | undefined)?.model
  if (typeof model !== 'object' || model === null) return undefined
  const { file } = model as { file?: unknown }
  return Object.keys(model).length === 1 && typeof file === 'string' ? file : undefined
}

/** A charter must not make a node read whatever its writer likes: only files beside it. */
const FILE = /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[A-Za-z0-9_.-]+(?:\/[A-Za-z0-9_.-]+){0,7}$/

function readModel(file: string, readText: (name: string) => string, locate: Locate): unknown {
  const refused = (says: string, fix: string) =>
    problemError([{ code: 'CHARTER_MODEL_FILE', path: ['model', 'file'], says, fix }], locate)
  if (!FILE.test(file)) {
    throw refused(
      'must be a file beside the charter',
      'write a relative path of letters, digits, _ - . and /, without ..',
    )
  }
  let text: string
  try {
    text = readText(file)
  } catch {
    throw refused(
      `names ${file}, which cannot be read`,
      'put the file beside the charter, or correct the name',
    )
  }
  return readJson(text, file)
}
