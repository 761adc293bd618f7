/**
 * What is wrong with a charter or a scenario, in the words that a person needs: which field, which line, what is
 * allowed, what to do.
 */
import type { z } from 'zod'
import { fieldsOf, inWords, optionFor, schemaAt, similar } from './allowed.ts'
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

/** What kind of text it is that has a problem. */
export interface Genre {
  /** As it follows 'the' and 'a'. */
  readonly name: string
  /** What its codes start with. */
  readonly prefix: string
  /** What to do when it is too long. */
  readonly shorten: string
}

export const CHARTER: Genre = {
  name: 'charter',
  prefix: 'CHARTER',
  shorten: 'shorten it; data and weights do not belong in a charter',
}

export const SCENARIO: Genre = {
  name: 'scenario',
  prefix: 'SCENARIO',
  shorten: 'shorten it; hospitals that are alike are one entry of sites with a count',
}

/** Problems that one error shows; the rest is counted. */
const SHOWN_MAX = 12

/** `['members', 2, 'publicKey']` -> `members[2].publicKey`; the empty path: `the charter`. */
export function showPath(path: Path, genre: Genre = CHARTER): string {
  if (path.length === 0) return `the ${genre.name}`
  return path.map((p, i) => (typeof p === 'number' ? `[${p}]` : i === 0 ? p : `.${p}`)).join('')
}

/** One error for all `problems` (at least one): code and fix of the first, the places of all. */
export function problemError(
  problems: readonly Problem[],
  locate: Locate = () => undefined,
  genre: Genre = CHARTER,
): MedmeshError {
  const lines = problems.slice(0, SHOWN_MAX).map(p => {
    const place = locate(p.path)
    return `${place === undefined ? '' : `${place}: `}${showPath(p.path, genre)} ${p.says}`
  })
  if (problems.length > SHOWN_MAX) lines.push(`and ${problems.length - SHOWN_MAX} more`)
  return new MedmeshError(problems[0]!.code, lines.join('\n  '), problems[0]!.fix)
}

/** How a schema refuses `value`, each problem with the code PREFIX_SCHEMA. Values are never repeated: names and ranges are. */
export function schemaProblems(
  error: z.ZodError,
  schema: z.ZodType,
  value: unknown,
  genre: Genre = CHARTER,
): Problem[] {
  const context: Context = { code: `${genre.prefix}_SCHEMA`, schema, value, genre }
  return error.issues.flatMap(issue => issueProblems(issue, [], context))
}

interface Context {
  readonly code: string
  readonly schema: z.ZodType
  readonly value: unknown
  readonly genre: Genre
}

/** `around`: path of what the issue's own path starts from. */
function issueProblems(issue: z.core.$ZodIssue, around: Path, context: Context): Problem[] {
  const { code, schema, value } = context
  const path = [...around, ...issue.path.map(p => (typeof p === 'number' ? p : String(p)))]
  if (issue.code === 'unrecognized_keys') return issue.keys.map(key => unknownField(path, key, context))
  const there = schemaAt(schema, value, path)
  const given = valueAt(value, path)
  if (issue.code === 'invalid_union' && given !== undefined && there !== undefined) {
    // One alternative is obviously meant: what is wrong with that one is the message.
    const meant = optionFor(there, given)
    const within = meant === undefined ? undefined : issue.errors[meant]
    if (within !== undefined) return within.flatMap(i => issueProblems(i, path, context))
  }
  const allowed = allows(issue, there)
  if (given === undefined)
    return [{ code, path, says: `is missing; it must ${allowed}`, fix: 'add the field' }]
  const near = typeof given === 'string' ? similar(given, choicesOf(issue)) : undefined
  const fix = near === undefined ? `correct it: it must ${allowed}` : `did you mean ${near}?`
  return [{ code, path, says: `must ${allowed}`, fix }]
}

function unknownField(path: Path, key: string, { code, schema, value, genre }: Context): Problem {
  const there = schemaAt(schema, value, path)
  const names = there === undefined ? [] : fieldsOf(there, valueAt(value, path))
  const near = similar(key, names)
  const known = names.length === 0 ? '' : `; known there: ${list(names)}`
  const fix = near === undefined ? 'remove it or correct its spelling' : `did you mean ${near}?`
  return { code, path: [...path, key], says: `is not a field of a ${genre.name}${known}`, fix }
}

/** Texts that the issue says are allowed. */
function choicesOf(issue: z.core.$ZodIssue): string[] {
  const values =
    issue.code === 'invalid_value' ? issue.values : 'options' in issue ? (issue.options as unknown[]) : []
  return values.filter(v => typeof v === 'string')
}

/** What an issue says is allowed, as it follows 'must'. */
function allows(issue: z.core.$ZodIssue, schema: z.ZodType | undefined): string {
  switch (issue.code) {
    case 'invalid_type':
      return `be ${WORDS[issue.expected] ?? issue.expected}`
    case 'invalid_value':
      return `be ${issue.values.length > 1 ? 'one of ' : ''}${list(issue.values.map(v => JSON.stringify(v)))}`
    case 'invalid_union':
      if ('options' in issue && Array.isArray(issue.options))
        return `be one of ${list(issue.options.map(v => JSON.stringify(v)))}`
      return `be ${(schema && inWords(schema)) ?? 'a JSON value'}`
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
