/**
 * Draws from a finite law in constant time: Walker's alias method (ACM TOMS 3, 1977) with Vose's construction (IEEE TSE 17, 1991),
 * in exact integers. Probabilities are multiples of 2^-160 and each comes out exactly as it was given: a column is drawn by
 * its number's bits, and what is left of the 160 bits is compared with the column's threshold.
 *
 * Of these bits one 32-bit word is drawn at first. It holds the column and as many of the next bits as there is room for, which
 * decide nearly always; only where they equal the threshold's are the other 128 drawn. To draw bits late is not to draw
 * other ones: the law is the same as if all 160 had been there at once.
 */
import type { KeyStream } from '../crypto/keystream.ts'
import { assert } from '../result.ts'

/** Probabilities are multiples of 2^-FRACTION_BITS. */
export const FRACTION_BITS = 160
const WORD_BITS = 32
const REST_BITS = FRACTION_BITS - WORD_BITS
const REST_WORDS = REST_BITS / WORD_BITS

export interface AliasTable {
  /** There are 2^columnBits columns; a word's lowest bits say which. */
  readonly columnBits: number
  /** For each column the upper bits of its threshold, and in the lowest columnBits its alias: below the threshold it is itself. */
  readonly columns: Uint32Array
  /** For each column the other 128 bits of its threshold, upper half first. */
  readonly rests: BigUint64Array
}

/** The table of `weights`, 2 .. 2^20 integers that are not negative and add up to 2^160. The same everywhere. */
export function aliasTable(weights: readonly bigint[]): AliasTable {
  const columnBits = WORD_BITS - Math.clz32(weights.length - 1)
  assert(columnBits >= 1 && columnBits <= 20, 'an alias table has at least two columns')
  assert(weights.reduce((sum, w) => sum + w, 0n) === 1n << BigInt(FRACTION_BITS), 'weights add up to 1')
  const { thresholds, aliases } = paired(weights, columnBits)
  const columns = new Uint32Array(1 << columnBits)
  const rests = new BigUint64Array(2 << columnBits)
  thresholds.forEach((threshold, c) => {
    columns[c] = (Number(threshold >> BigInt(REST_BITS)) << columnBits) | aliases[c]!
    // A BigUint64Array keeps the lowest 64 bits.
    rests[2 * c] = threshold >> 64n
    rests[2 * c + 1] = threshold
  })
  return { columnBits, columns, rests }
}

/** Vose: a column that is not full is filled up by one that has too much, which may then be short itself. */
function paired(weights: readonly bigint[], columnBits: number) {
  const full = 1n << BigInt(FRACTION_BITS - columnBits)
  const thresholds = [...weights, ...new Array<bigint>((1 << columnBits) - weights.length).fill(0n)]
  const aliases = Uint32Array.from(thresholds.keys())
  const short: number[] = []
  const over: number[] = []
  thresholds.forEach((w, c) => {
    if (w !== full) (w < full ? short : over).push(c)
  })
  for (let s = short.pop(); s !== undefined; s = short.pop()) {
    const o = over.at(-1)
    assert(o !== undefined, 'what some columns lack others have')
    aliases[s] = o
    const left = thresholds[o]! - (full - thresholds[s]!)
    thresholds[o] = left
    if (left <= full) over.pop()
    if (left < full) short.push(o)
  }
  // A full column is its own alias, and its threshold, which has one bit too many, is never asked.
  thresholds.forEach((w, c) => {
    if (w === full) thresholds[c] = 0n
  })
  return { thresholds, aliases }
}

/**
 * The columns that `words` draw, less `origin`, into `out`, one for each. `beside(i)` opens the stream that element `i` draws more bits of;
 * it is asked for in one of 2^(32 - columnBits) draws.
 */
export function drawColumns(
  out: Int32Array,
  words: Uint32Array,
  table: AliasTable,
  origin: number,
  beside: (index: number) => KeyStream,
): void {
  const { columnBits, columns } = table
  const last = columns.length - 1
  const ties: number[] = []
  for (let i = 0; i < out.length; i++) {
    // `| 0` keeps all of it in 32-bit registers.
    const word = words[i]! | 0
    const own = word & last
    const column = columns[own]! | 0
    const alias = column & last
    const distance = ((word >>> columnBits) - (column >>> columnBits)) | 0
    if (distance === 0) ties.push(i)
    // No branch on what is random: the processor could but guess.
    out[i] = ((alias ^ ((alias ^ own) & (distance >> 31))) - origin) | 0
  }
  for (const i of ties) {
    const own = words[i]! & last
    out[i] = (restIsBelow(table, own, beside(i)) ? own : columns[own]! & last) - origin
  }
}

/** Whether 128 more bits are below the threshold's. */
function restIsBelow({ rests }: AliasTable, column: number, stream: KeyStream): boolean {
  const bits = [...stream.take(REST_WORDS)].reduce((sum, word) => (sum << 32n) | BigInt(word), 0n)
  return bits < ((rests[2 * column]! << 64n) | rests[2 * column + 1]!)
}
