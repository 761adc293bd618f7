/** From what a hospital learned to what it adds to the sum: checked, clipped, weighted, in sections. */
import { type Charter, parameterCount, protection } from '../../config/charter.ts'
import { longMemory } from '../memory.ts'
import type { Evaluation, Given, Learned, Section, Stored, Task } from '../ports.ts'
import { assert, err, ok, type Result } from '../result.ts'
import { isStored, nothingStored, type ReadStored } from '../stored.ts'
import { addUnfactored, basisFor, factored, factorsOf } from '../sum/factors.ts'
import { type Numbers, numbersOf, storedPieces } from '../sum/pieces.ts'
import { rotateBack, rotated, rotationFactor } from '../sum/rotation.ts'
import { drawn } from '../sum/selection.ts'

/** What sums of floating-point numbers may exceed an exact bound by. */
const ROUNDING = 1 + 1e-6

/** What a section is to hold: `values` times `factor`. They are the learner's own, so that a large update is there once, or nowhere. */
export interface Part {
  readonly section: Section
  readonly values: Numbers
  readonly factor: number
  /** Of an update of which only a part is in `values`: the rest, clipped and unweighted. */
  readonly unsent?: Float32Array
}

/**
 * Gives a section `values` times `factor`; what is wrong with them, or undefined. `norm`: theirs; where it is within the bound, so
 * is each of them, and they need not be looked through.
 */
type Put = (name: string, values: Numbers, factor?: number, norm?: number) => string | undefined

/** How an update is sent of which not all values are, or not as they are. */
export interface Sending {
  /** Needed where the layout has a section that is rotated or drawn from, or of factors without a basis. */
  readonly publicSeed?: Uint8Array | undefined
  /** What this hospital still has to add of former updates. */
  readonly residual?: Float32Array | undefined
  /** The model's. */
  readonly basis?: Float32Array | undefined
}

/**
 * The parts of the unquantised vector, in the order of `sections`. A hospital without training rows adds zeros with weight
 * 0. Errors name what is wrong with the learner's result, never a value of it: nothing is sent then.
 */
export function contribution(
  charter: Charter,
  task: Task,
  sections: readonly Section[],
  learned: Given,
  { publicSeed, residual, basis }: Sending = {},
  read: ReadStored = nothingStored,
): Result<readonly Part[], string> {
  const parts = new Map<string, Part>()
  const put: Put = (name, values, factor = 1, norm = Number.NaN) => {
    const section = sections.find(s => s.name === name)
    assert(section !== undefined, `the layout has a section ${name}`)
    const { scale, bound } = section
    const length = name === 'update' ? parameterCount(charter) : section.length
    if (values.length !== length) return `${name} has ${values.length} elements instead of ${length}`
    const isWithin = norm * factor <= (section.rotated ? Number.MAX_VALUE : bound * ROUNDING)
    for (const [from, some] of isWithin ? [] : numbersOf(values)) {
      for (let i = 0; i < some.length; i++) {
        const value = some[i]! * factor
        if (!Number.isFinite(value)) return `${name} is not finite at ${from + i}`
        if (scale === 1 && (!Number.isInteger(value) || value < 0))
          return `${name} is no count at ${from + i}`
        // Quantising would cut it, and the sum be wrong in silence. What is rotated is clipped already.
        if (!section.rotated && Math.abs(value) > bound * ROUNDING)
          return `${name} is beyond its bound at ${from + i}`
      }
    }
    parts.set(name, { section, values, factor })
    return undefined
  }
  const { weightMax } = charter.training
  const privacy = protection(charter)
  const isPatient = privacy?.unit === 'patient'
  const isHospital = privacy?.unit === 'hospital'
  const rows = learned.samples
  if (!Number.isInteger(rows) || rows < 0) return err('samples is no count')
  // One row more must change a sum by that row alone, and no other's share.
  if (isPatient && rows > weightMax) return err('more training rows than weightMax')
  const wrong: (string | undefined)[] = []
  const isStep = isPatient && privacy.noise === 'sum' && task === 'train'
  if (task !== 'evaluate' && !privacy) wrong.push(put('samples', Float64Array.of(Math.min(rows, weightMax))))
  if (task === 'statistics') {
    const sums = learned.featureSums
    if (!sums) return err('statistics without feature sums')
    if (!areSums(sums, rows)) return err('feature sums are not of values in [0, 1]')
    // Beyond the bound a hospital's rows count as weightMax rows of the same means.
    const share = rows > weightMax ? weightMax / rows : 1
    const { first, second } = privacy ? centred(sums, rows) : sums
    // A hospital that is protected counts as one row: what its rows are on average.
    const factor = isHospital ? 1 / Math.max(1, rows) : share
    wrong.push(put('first', first, factor), put('second', second, factor))
  }
  const weight = weightOf(charter, rows)
  if (sections.some(s => s.name === 'weight')) wrong.push(put('weight', Float64Array.of(weight)))
  if (task === 'train' && !learned.delta) return err('training without an update')
  if (isStep) wrong.push(put('update', numbersIn(learned.delta!, read)))
  else if (task === 'train') {
    const update = owed(numbersIn(learned.delta!, read), residual)
    const norm = normOf(update)
    const clip = clipFactor(norm, charter.training.clipNorm)
    wrong.push(put('update', update, weight * clip, norm))
    const part = parts.get('update')
    if (part) parts.set('update', sent(charter, part.section, update, weight, clip, { publicSeed, basis }))
  }
  if (task === 'evaluate' || (task === 'train' && !privacy))
    wrong.push(...evaluated(put, learned.evaluation, charter.evaluation, isHospital))
  const first = wrong.find(w => w !== undefined)
  return first === undefined ? ok(sections.map(s => parts.get(s.name)!)) : err(first)
}

function numbersIn(delta: Float32Array | Stored, read: ReadStored): Numbers {
  if (!isStored(delta)) return delta
  const pieces = storedPieces(delta, read)
  return {
    length: pieces.length,
    subarray: (from, to) => {
      const words = pieces.subarray(from, to)
      return new Float32Array(words.buffer, words.byteOffset, words.length)
    },
  }
}

/** What is to be sent: the update, and what was not sent of those before it. */
function owed(delta: Numbers, residual: Float32Array | undefined): Numbers {
  if (residual === undefined) return delta
  const sum = new Float32Array(delta.length)
  for (const [from, some] of numbersOf(delta)) {
    for (let i = 0; i < some.length; i++) sum[from + i] = some[i]! + residual[from + i]!
  }
  return sum
}

/** All of them in memory, where they must be taken in another order. */
function wholeOf(values: Numbers): Float32Array {
  if (values instanceof Float32Array) return values
  const all = new Float32Array(values.length)
  for (const [from, some] of numbersOf(values)) all.set(some, from)
  return all
}

/** An update as its section has it: whole or as factors, and then what is left. */
function sent(
  charter: Charter,
  section: Section,
  given: Numbers,
  weight: number,
  clip: number,
  { publicSeed, basis }: Sending,
): Part {
  if (section.oneIn === 1 && !section.rotated && !section.factor)
    return { section, values: given, factor: weight * clip }
  const update = wholeOf(given)
  const factors = section.factor && factorsOf(charter)
  if (!factors) return compressed(section, update, weight, clip, publicSeed)
  const summed = section.factor!
  const known = basisFor(factors, summed, basis, publicSeed)
  const values = factored(factors, summed, update, clip, known)
  const part = compressed(section, values, weight, 1, publicSeed)
  const unsent = new Float32Array(longMemory(4 * update.length))
  addUnfactored(factors, summed, values, known, { out: unsent, start: update, factor: clip, sign: -1 })
  return { ...part, unsent }
}

/** All values, or rotated, or of either those that are drawn, and then what is left. */
function compressed(
  section: Section,
  update: Float32Array | Float64Array,
  weight: number,
  clip: number,
  publicSeed: Uint8Array | undefined,
): Part {
  const turns = section.rotated ? rotationFactor(update.length) : 1
  if (section.oneIn === 1 && !section.rotated) return { section, values: update, factor: weight * clip }
  assert(publicSeed !== undefined, 'a section that is rotated or drawn from has a seed')
  if (section.oneIn === 1)
    return { section, values: rotated(update, weight * clip, publicSeed), factor: turns }
  const rest = section.rotated ? rotated(update, clip, publicSeed) : scaled(update, clip)
  const places = drawn(rest.length, section.oneIn, publicSeed)
  const values = new Float32Array(places.length)
  for (let i = 0; i < places.length; i++) {
    values[i] = rest[places[i]!]!
    rest[places[i]!] = 0
  }
  const part = { section, values, factor: weight * turns }
  if (!section.rotated) return { ...part, unsent: rest }
  rotateBack(rest, update.length, publicSeed)
  return { ...part, unsent: scaled(rest.subarray(0, update.length), turns * turns) }
}

/** In memory that threads share: the machine keeps it and lends it to the next input's job. */
function scaled(values: Float32Array | Float64Array, factor: number): Float32Array {
  const out = new Float32Array(longMemory(4 * values.length))
  for (let i = 0; i < out.length; i++) out[i] = values[i]! * factor
  return out
}

/** u^2 <= u for u in [0, 1], so 0 <= second <= first <= rows. What is not finite is told apart later, by name. */
function areSums({ first, second }: NonNullable<Learned['featureSums']>, rows: number): boolean {
  const room = rows * (ROUNDING - 1)
  return first.every((u, j) => !(u > rows + room || second[j]! > u + room || second[j]! < 0))
}

/** Sums of u - 1/2 and of its square: a row changes them by less, so that they need less noise. */
function centred(
  { first, second }: NonNullable<Learned['featureSums']>,
  rows: number,
): NonNullable<Learned['featureSums']> {
  return {
    first: first.map(u => u - rows / 2),
    second: second.map((square, j) => square - first[j]! + rows / 4),
  }
}

/** What a hospital of so many training rows weighs in the mean, 0 to 1. */
export function weightOf(charter: Charter, rows: number): number {
  const { weightMax, weighting } = charter.training
  // Under noise one row more must not make a hospital of none.
  if (protection(charter)) return 1
  if (rows === 0) return 0
  return weighting === 'equal' ? 1 : Math.min(rows, weightMax) / weightMax
}

function evaluated(
  put: Put,
  e: Evaluation | undefined,
  { rowsMax, lossMax }: Charter['evaluation'],
  isOneRow: boolean,
): (string | undefined)[] {
  if (!e) return ['no evaluation']
  const add = (a: number, b: number) => a + b
  const rows = e.positives.reduce(add, 0) + e.negatives.reduce(add, 0)
  // All of a hospital's rows as one.
  const factor = isOneRow ? 1 / Math.max(1, rows) : 1
  return [
    put('positives', e.positives, factor),
    put('negatives', e.negatives, factor),
    put('correct', Float64Array.of(e.correct), factor),
    put('lossSum', Float64Array.of(e.lossSum), factor),
    rows > rowsMax ? 'more test rows than the charter counts' : undefined,
    e.correct > rows ? 'more rows classified rightly than tested' : undefined,
    e.lossSum < 0 || e.lossSum > rows * lossMax * ROUNDING ? 'lossSum is beyond its bound' : undefined,
  ]
}

/** Euclidean norm. Finite where all values are: no sum of squares of 32-bit numbers exceeds a double. */
export function normOf(delta: Numbers): number {
  let squares = 0
  for (const [, some] of numbersOf(delta)) {
    for (let i = 0; i < some.length; i++) squares += some[i]! * some[i]!
  }
  return Math.sqrt(squares)
}

/** min(1, clipNorm / norm): the whole update is shortened, its direction kept. */
export function clipFactor(norm: number, clipNorm: number): number {
  return norm > clipNorm ? clipNorm / norm : 1
}
