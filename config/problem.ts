/** What is wrong with a charter, in the words that a person needs: which field, which line, what is allowed, what to do. */
import type { z } from 'zod'
import { MedmeshError } from './error.ts'

export type Path = readonly (string | number)[]

export interface Problem {
  /** Stable, upper case, such as `CHARTER_THRESHOLD`. */
  readonly code: string
  readonly path: Path
  /** Follows the field's name in a sentence: 'must be ...', 'is missing'. */
  readonly says: string
  readonly fix: string
}

/** Where a path stands in a text, such as 'line 12'; undefined: not in it. */
export type Locate = (path: Path) => string | undefined

/** Problems that one error shows; the rest is counted. */
const SHOWN_MAX = 12

/** `['members', 2, 'publicKey']` -> `members[2].publicKey`; the empty path: `the charter`. */
export function showPath(path: Path): string {
  if (path.length === 0) return 'the charter'
  return path.map((p, i) => (typeof p === 'number' ? `[${p}]` : i === 0 ? p : `.${p}`)).join('')
}

/** One error for all `problems` (at least one): code and fix of the first, the places of all. */
export function problemError(problems: readonly Problem[], locate: Locate = () => undefined): MedmeshError {
  const lines = problems.slice(0, SHOWN_MAX).map(p => {
    const place = locate(p.path)
    return `${place === undefined ? '' : `${place}: `}${showPath(p.path)} ${p.says}`
  })
  if (problems.length > SHOWN_MAX) lines.push(`and ${problems.length - SHOWN_MAX} more`)
  return new MedmeshError(problems[0]!.code, lines.join('\n  '), problems[0]!.fix)
}

/** How a schema refuses `value`, each problem with the code `code`. Values are never repeated: names and ranges are. */
export function schemaProblems(
  code: string,
  error: z.ZodError,
  schema: z.ZodType,
  value: unknown,
): Problem[] {
  return error.issues.flatMap((issue): Problem[] => {
    const path = issue.path.map(p => (typeof p === 'number' ? p : String(p)))
    if (issue.code === 'unrecognized_keys') {
      const names = namesAt(schema, path)
      const fix =
        names === undefined ? 'remove it or correct its spelling' : `remove it, or use one of ${list(names)}`
      return issue.keys.map(key => ({ code, path: [...path, key], says: 'is not a field of a charter', fix }))
    }
    const allowed = allows(issue)
    return valueAt(value, path) === undefined
      ? [{ code, path, says: `is missing; it must ${allowed}`, fix: 'add the field' }]
      : [{ code, path, says: `must ${allowed}`, fix: `correct it: it must ${allowed}` }]
  })
}

/** What an issue says is allowed, as it follows 'must'. */
function allows(issue: z.core.$ZodIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return `be ${WORDS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `be ${issue.values.length > 1 ? 'one of ' : ''}${list(issue.values.map(v => JSON.stringify(v)))}`
    case 'invalid_union':
      return 'options' in issue && Array.isArray(issue.options)
        ? `be one of ${list(issue.options.map(v => JSON.stringify(v)))}`
        : 'be a JSON value'
    case 'too_small':
      return bounded(issue.origin, issue.inclusive === false ? 'more than' : 'at least', issue.minimum)
    case 'too_big':
      return bounded(issue.origin, issue.inclusive === false ? 'less than' : 'at most', issue.maximum)
    case 'invalid_format':
      return issue.format === 'date' ? 'be a day such as 2026-01-31' : issue.message.replace(/^must /, '')
    default:
      return `be otherwise (${issue.message})`
  }
}

function bounded(origin: string, bound: string, limit: number | bigint): string {
  if (origin === 'string') return `have ${bound} ${limit} characters`
  return origin === 'array' ? `have ${bound} ${limit} entries` : `be ${bound} ${limit}`
}

function list(names: readonly string[]): string {
  return names.join(', ')
}

function valueAt(value: unknown, path: Path): unknown {
  return path.reduce<unknown>(
    (at, step) => (typeof at === 'object' && at !== null ? (at as Record<string, unknown>)[step] : undefined),
    value,
  )
}

const WORDS: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'text (in quotes where it looks like a number)',
  array: 'a list',
  object: 'a group of named values',
  record: 'a group of named values',
}

/** Names of fields that the schema knows at `path`; undefined where it has alternatives. */
function namesAt(schema: z.ZodType, path: Path): string[] | undefined {
  let at: unknown = schema
  for (const step of path) {
    const def: unknown = (at as z.ZodType)._zod.def
    if (isObjectDef(def)) at = def.shape[step as string]
    else if (isArrayDef(def)) at = def.element
    else return undefined
    if (at === undefined) return undefined
  }
  const def: unknown = (at as z.ZodType)._zod.def
  return isObjectDef(def) ? Object.keys(def.shape) : undefined
}

function isObjectDef(def: unknown): def is { shape: Record<string, z.ZodType> } {
  return (def as { type?: unknown }).type === 'object'
}

function isArrayDef(def: unknown): def is { element: z.ZodType } {
  return (def as { type?: unknown }).type === 'array'
}
