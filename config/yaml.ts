/**
 * YAML as a charter or a scenario may be written: the 1.2 core schema, which has the types of JSON and no surprises (`no`
 * is text, a date is text), one document, no name twice, no tags of one's own, and bounds on size and aliases.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml'
import { MedmeshError } from './error.ts'
import { CHARTER, type Genre, type Locate, type Path } from './problem.ts'

/** Longest text, in UTF-16 units. */
export const TEXT_MAX = 1 << 20
/** How often aliases may be expanded, counted with what they stand for: no 'billion laughs'. */
const ALIASES_MAX = 100

export interface Read {
  readonly value: unknown
  /** 'line 12' of the value at a path, or of the nearest field around it. */
  readonly locate: Locate
}

/** Throws MedmeshError CHARTER_TOO_LONG or CHARTER_YAML with line and column; SCENARIO_ and so on for a scenario. */
export function readYaml(text: string, genre: Genre = CHARTER): Read {
  refuseTooLong(text, genre)
  const lines = new LineCounter()
  const document = parsed(text, genre, {
    version: '1.2',
    schema: 'core',
    strict: true,
    uniqueKeys: true,
    stringKeys: true,
    merge: false,
    resolveKnownTags: false,
    prettyErrors: false,
    lineCounter: lines,
  })
  // A tag that the core schema does not know is only a warning there.
  const wrong = document.errors[0] ?? document.warnings[0]
  if (wrong !== undefined) {
    const { line, col } = lines.linePos(wrong.pos[0])
    throw yamlError(genre, `line ${line}, column ${col}: ${sentence(wrong.message)}`)
  }
  return { value: plain(document, genre), locate: path => locate(document, lines, path) }
}

/**
 * JSON text, by the same rules: a name that stands twice in an object would be read one way here and another way there.
 *
 * Throws MedmeshError CHARTER_TOO_LONG or CHARTER_JSON, which calls the text `title`.
 */
export function readJson(text: string, title: string): unknown {
  refuseTooLong(text, CHARTER, title)
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    // V8's message quotes the text around the place; only the place is of use.
    const at = /position (\d+)/.exec((error as Error).message)?.[1]
    const place = at === undefined ? '' : ` (line ${text.slice(0, Number(at)).split('\n').length})`
    throw new MedmeshError(
      'CHARTER_JSON',
      `${title} is not JSON${place}`,
      'take the file anew from who wrote it',
    )
  }
  const twice = parsed(text, CHARTER, {
    schema: 'json',
    uniqueKeys: true,
    prettyErrors: false,
  }).errors.find(e => e.code === 'DUPLICATE_KEY')
  if (twice !== undefined) {
    const line = text.slice(0, twice.pos[0]).split('\n').length
    throw new MedmeshError(
      'CHARTER_JSON',
      `${title} names a field twice (line ${line})`,
      'remove one of the two',
    )
  }
  return value
}

function parsed(text: string, genre: Genre, options: Parameters<typeof parseDocument>[1]): Document {
  try {
    return parseDocument(text, options)
  } catch {
    // Only nesting makes the parser throw.
    throw yamlError(genre, DEEP)
  }
}

/** The parser is recursive, and tells so now by throwing, now by an error of its own. */
const DEEP = 'the text is nested too deeply'

function yamlError({ prefix, name }: Genre, message: string): MedmeshError {
  const fix = `mend the YAML there; a ${name} uses plain YAML 1.2 without tags, and each name once`
  return new MedmeshError(`${prefix}_YAML`, message, fix)
}

function refuseTooLong(text: string, genre: Genre, title = `the ${genre.name}`): void {
  if (text.length <= TEXT_MAX) return
  throw new MedmeshError(
    `${genre.prefix}_TOO_LONG`,
    `${title} has ${text.length} characters; ${TEXT_MAX} are allowed`,
    genre.shorten,
  )
}

function plain(document: Document, { prefix }: Genre): unknown {
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX })
  } catch (error) {
    const { message } = error as Error
    const says = message.startsWith('Unresolved alias')
      ? sentence(message)
      : `more than ${ALIASES_MAX} aliases, expanded`
    throw new MedmeshError(`${prefix}_YAML`, says, 'write the values out')
  }
}

function sentence(message: string): string {
  if (message.includes('call stack')) return DEEP
  return message.replace(/\s+/g, ' ').slice(0, 200)
}

function locate(document: Document, lines: LineCounter, path: Path): string | undefined {
  let at: Node | null | undefined = document.contents
  let offset = at?.range?.[0]
  for (const step of path) {
    if (isAlias(at)) at = at.resolve(document)
    if (isMap(at)) {
      const pair: { key: unknown; value: unknown } | undefined = at.items.find(
        p => isScalar(p.key) && p.key.value === step,
      )
      if (pair === undefined) break
      offset = (pair.key as Node).range?.[0] ?? offset
      at = pair.value as Node | null
    } else if (isSeq(at) && typeof step === 'number') {
      at = at.items[step] as Node | undefined
      offset = at?.range?.[0] ?? offset
    } else break
  }
  return offset === undefined ? undefined : `line ${lines.linePos(offset).line}`
}
