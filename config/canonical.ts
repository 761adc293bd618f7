/**
 * The one form of a charter that is hashed and signed: RFC 8785 (JSON Canonicalization Scheme). Two values with the
 * same form are the same charter; a value that JSON cannot carry has no form and is refused instead of being bent.
 */
import { sha256 } from '@noble/hashes/sha2.js'
import { utf8ToBytes } from '@noble/hashes/utils.js'
import canonicalize from 'canonicalize'
import type { Charter } from './charter.ts'
import { MedmeshError } from './error.ts'
import { type Path, showPath } from './problem.ts'

/** Deepest nesting of arrays and objects; Keras JSON needs about ten. */
const DEPTH_MAX = 64

/**
 * The RFC 8785 form of `value` in UTF-8.
 *
 * Throws MedmeshError CHARTER_NOT_JSON, which names the field, for what JSON cannot carry: undefined, functions,
 * symbols, bigints, NaN, infinities, lone surrogates (also in names), holes, cycles, objects of a class.
 */
export function canonicalBytes(value: unknown): Uint8Array {
  refuseUnlikeJson(value, [])
  return utf8ToBytes(canonicalize(value)!)
}

/** SHA-256 (32 bytes) of a charter's canonical form: how versions, ledger entries and messages name a charter. */
export function charterHash(charter: Charter): Uint8Array {
  return sha256(canonicalBytes(charter))
}

/** Whether arrays and objects are nested deeper than a charter may be; before a recursive reader meets them. */
export function isTooDeep(value: unknown, depth = 0): boolean {
  if (typeof value !== 'object' || value === null) return false
  return depth >= DEPTH_MAX || Object.values(value).some(part => isTooDeep(part, depth + 1))
}

function refuseUnlikeJson(value: unknown, path: Path): void {
  if (value === null || typeof value === 'boolean') return
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) refuse(path, 'is not a finite number')
  } else if (typeof value === 'string') {
    if (!value.isWellFormed()) refuse(path, 'holds half of a surrogate pair')
  } else if (typeof value === 'object') {
    // Also ends the walk round a cycle.
    if (path.length >= DEPTH_MAX) refuse(path, `is nested deeper than ${DEPTH_MAX}`)
    refuseUnlikeJsonWithin(value, path)
  } else refuse(path, value === undefined ? 'has no value' : `is a ${typeof value}`)
}

function refuseUnlikeJsonWithin(value: object, path: Path): void {
  if (Array.isArray(value)) {
    // By index: forEach would step over holes.
    for (let i = 0; i < value.length; i++) refuseUnlikeJson(value[i], [...path, i])
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) refuse(path, 'is not a plain object')
  if (Object.getOwnPropertySymbols(value).length > 0) refuse(path, 'has a symbol as a name')
  for (const [name, part] of Object.entries(value)) {
    if (!name.isWellFormed()) refuse(path, 'has a name with half of a surrogate pair')
    // canonicalize would call it, and what it returns is not what was checked.
    if (name === 'toJSON' && typeof part === 'function') refuse(path, 'has a toJSON function')
    refuseUnlikeJson(part, [...path, name])
  }
}

function refuse(path: Path, says: string): never {
  throw new MedmeshError(
    'CHARTER_NOT_JSON',
    `${showPath(path)} ${says}, which JSON cannot carry`,
    'use only text, finite numbers, true, false, null, lists and named values there',
  )
}
