/** What a schema allows at a place, read off the schema itself, so that a message cannot say anything else than the check. */
import type { z } from 'zod'
import type { Path } from './problem.ts'

/** The parts of zod's definitions that are used here. */
type Def =
  | { readonly type: 'object'; readonly shape: Readonly<Record<string, z.ZodType>> }
  | { readonly type: 'array'; readonly element: z.ZodType }
  | { readonly type: 'tuple'; readonly items: readonly z.ZodType[] }
  | { readonly type: 'union'; readonly options: readonly z.ZodType[]; readonly discriminator?: string }
  | { readonly type: 'optional' | 'default' | 'prefault' | 'nullable'; readonly innerType: z.ZodType }
  | { readonly type: 'literal'; readonly values: readonly unknown[] }
  | { readonly type: 'enum'; readonly entries: Readonly<Record<string, unknown>> }
  | { readonly type: 'number' | 'string' | 'boolean' | 'null' }

/** What a value must be where one is given at all. */
function unwrapped(schema: z.ZodType): z.ZodType {
  const def = schema._zod.def as Def
  return 'innerType' in def ? unwrapped(def.innerType) : schema
}

function defOf(schema: z.ZodType): Def {
  return unwrapped(schema)._zod.def as Def
}

/** What checks the value at `path` of `value`; undefined where the schema has no such place. */
export function schemaAt(schema: z.ZodType, value: unknown, path: Path): z.ZodType | undefined {
  const [step, ...rest] = path
  if (step === undefined) return schema
  const def = defOf(schema)
  const inner = isGroup(value) ? value[step] : undefined
  switch (def.type) {
    case 'object': {
      const field = def.shape[step as string]
      return field && schemaAt(field, inner, rest)
    }
    case 'array':
      return schemaAt(def.element, inner, rest)
    case 'tuple': {
      const item = def.items[step as number]
      return item && schemaAt(item, inner, rest)
    }
    case 'union': {
      const meant = optionFor(schema, value)
      return meant === undefined ? undefined : schemaAt(def.options[meant]!, value, path)
    }
    default:
      return undefined
  }
}

/** Index of the one alternative that `value` is obviously meant to be; undefined: none, or more than one. */
export function optionFor(schema: z.ZodType, value: unknown): number | undefined {
  const def = defOf(schema)
  if (def.type !== 'union') return undefined
  const scores = def.options.map(option => likeness(defOf(option), value, def.discriminator))
  const best = Math.max(...scores)
  return best > 0 && scores.filter(s => s === best).length === 1 ? scores.indexOf(best) : undefined
}

/** How much `value` looks like what is defined; 0: not at all. */
function likeness(def: Def, value: unknown, discriminator: string | undefined): number {
  if (def.type === 'array' || def.type === 'tuple') return Array.isArray(value) ? 1 : 0
  if (def.type === 'object') {
    if (!isGroup(value) || Array.isArray(value)) return 0
    if (discriminator === undefined) {
      const names = Object.keys(def.shape)
      return Object.keys(value).filter(k => similar(k, names) !== undefined).length
    }
    const kind = def.shape[discriminator]
    const named = kind && defOf(kind)
    return named?.type === 'literal' && named.values.includes(value[discriminator]) ? 1 : 0
  }
  return def.type === typeof value ? 1 : 0
}

/** Names of fields that are known there: where there are alternatives, of the one that is meant, or of all. */
export function fieldsOf(schema: z.ZodType, value: unknown): string[] {
  const def = defOf(schema)
  if (def.type === 'object') return Object.keys(def.shape)
  if (def.type !== 'union') return []
  const meant = optionFor(schema, value)
  const options = meant === undefined ? def.options : [def.options[meant]!]
  return [...new Set(options.flatMap(o => fieldsOf(o, value)))]
}

/** What is allowed there, as it follows 'must be'; undefined where there are no words for it. */
export function inWords(schema: z.ZodType): string | undefined {
  const { description } = schema
  if (description !== undefined) return description
  const def = defOf(schema)
  switch (def.type) {
    case 'number':
      return numberInWords(unwrapped(schema) as z.ZodNumber)
    case 'string':
      return 'a text'
    case 'boolean':
      return 'true or false'
    case 'enum':
      return `one of ${Object.values(def.entries)
        .map(v => JSON.stringify(v))
        .join(', ')}`
    case 'literal':
      return def.values.map(v => JSON.stringify(v)).join(' or ')
    case 'object': {
      const fields = Object.entries(def.shape).map(([name, field]) => {
        const optional = field._zod.optin === 'optional'
        return `${name}${optional ? '?' : ''}: ${inWords(field) ?? '...'}`
      })
      return `{ ${fields.join(', ')} }`
    }
    case 'union': {
      const options = def.options.map(inWords)
      return options.includes(undefined) ? undefined : options.join('; or ')
    }
    default:
      return undefined
  }
}

function numberInWords({ format, minValue, maxValue, _zod }: z.ZodNumber): string {
  const exclusive = _zod.def.checks?.some(c => {
    const { check, inclusive } = c._zod.def as { readonly check: string; readonly inclusive?: boolean }
    return check === 'greater_than' && inclusive === false
  })
  const what = format === 'safeint' ? 'a whole number' : 'a number'
  const least = minValue ?? Number.NEGATIVE_INFINITY
  const most = maxValue ?? Number.POSITIVE_INFINITY
  const from = Number.isFinite(least) ? ` ${exclusive ? 'above' : 'from'} ${least}` : ''
  return `${what}${from}${Number.isFinite(most) ? ` ${from === '' ? 'up ' : ''}to ${most}` : ''}`
}

/** The one of `names` that differs from `name` by a slip of the pen; undefined: none. */
export function similar(name: string, names: readonly string[]): string | undefined {
  const slips = Math.min(2, Math.ceil(name.length / 3))
  const [nearest] = names
    .map(n => ({ n, far: distance(name.toLowerCase(), n.toLowerCase()) }))
    .sort((a, b) => a.far - b.far)
  return nearest !== undefined && nearest.far <= slips ? nearest.n : undefined
}

/** Levenshtein's distance: characters to insert, delete or replace. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

function isGroup(value: unknown): value is Readonly<Record<string | number, unknown>> {
  return typeof value === 'object' && value !== null
}
