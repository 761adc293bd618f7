/**
 * Arithmetic modulo q = 2^256 - 189 for shares of seeds, in small limbs of ordinary numbers: an eighth of the time of BigInt,
 * and the same steps whatever the values are. As 2^256 = 189 modulo q, what is above 256 bits comes back times 189.
 */
import { assert } from '../result.ts'

export const ELEMENT_BYTES = 32
const FOLD = 189

/** Limbs of an element that is multiplied by small numbers: 22 bits each, so that all fits in 31 bits. */
const SMALL_LIMBS = 12
const SMALL_BITS = 22
const SMALL_MASK = 2 ** SMALL_BITS - 1
/** Bits 242 to 255 are the last limb's; what is above them is above 2^256. */
const TOP_BITS = 14
const TOP_MASK = 2 ** TOP_BITS - 1

/**
 * Values at `x` (1 to 255) of polynomials: `coefficients` in ascending powers, each of ELEMENT_BYTES, big-endian and below q.
 * The result is such an element too.
 */
export function polynomial(coefficients: readonly Uint8Array[]): (x: number) => Uint8Array {
  const terms = coefficients.map(toSmall)
  return x => {
    assert(Number.isInteger(x) && x > 0 && x < 256, 'a small abscissa')
    const y = new Int32Array(SMALL_LIMBS)
    for (let k = terms.length - 1; k >= 0; k--) multiplyAdd(y, x, terms[k]!)
    return fromSmall(y)
  }
}

/** y = y * x + term: Horner's step. All limbs are below 2^22 but the first, which is below 2^22 + 2^16. */
function multiplyAdd(y: Int32Array, x: number, term: Int32Array): void {
  let carry = 0
  for (let i = 0; i < SMALL_LIMBS; i++) {
    const v = y[i]! * x + term[i]! + carry
    y[i] = v & SMALL_MASK
    carry = v >>> SMALL_BITS
  }
  foldSmall(y, carry)
}

/** `carry`: what is above the last limb. */
function foldSmall(y: Int32Array, carry: number): void {
  const top = y[SMALL_LIMBS - 1]! + carry * 2 ** SMALL_BITS
  y[SMALL_LIMBS - 1] = top & TOP_MASK
  y[0]! += FOLD * (top >>> TOP_BITS)
}

function toSmall(bytes: Uint8Array): Int32Array {
  const limbs = new Int32Array(SMALL_LIMBS)
  for (let bit = 0; bit < 256; bit += 8) {
    const byte = bytes[31 - bit / 8]!
    const limb = Math.floor(bit / SMALL_BITS)
    const at = bit % SMALL_BITS
    limbs[limb]! |= (byte << at) & SMALL_MASK
    if (at > SMALL_BITS - 8) limbs[limb + 1]! |= byte >> (SMALL_BITS - at)
  }
  return limbs
}

function fromSmall(y: Int32Array): Uint8Array {
  const wide = new Uint8Array(ELEMENT_BYTES)
  // Twice: the first limb may be above its bits, and its carry may go all the way up.
  for (let round = 0; round < 2; round++) {
    let carry = 0
    for (let i = 0; i < SMALL_LIMBS; i++) {
      const v = y[i]! + carry
      y[i] = v & SMALL_MASK
      carry = v >>> SMALL_BITS
    }
    foldSmall(y, carry)
  }
  let held = 0
  let bits = 0
  let limb = 0
  for (let i = ELEMENT_BYTES - 1; i >= 0; i--) {
    if (bits < 8) {
      held |= y[limb++]! << bits
      bits += SMALL_BITS
    }
    wide[i] = held
    held >>>= 8
    bits -= 8
  }
  return canonical(wide)
}

/** An element below 2^256 as the one below q: q is subtracted where that leaves no borrow. */
function canonical(bytes: Uint8Array): Uint8Array {
  const less = new Uint8Array(ELEMENT_BYTES)
  // x - q = x + 189 - 2^256.
  let carry = FOLD
  for (let i = ELEMENT_BYTES - 1; i >= 0; i--) {
    const v = bytes[i]! + carry
    less[i] = v
    carry = v >>> 8
  }
  const mask = -carry
  for (let i = 0; i < ELEMENT_BYTES; i++) less[i] = (bytes[i]! & ~mask) | (less[i]! & mask)
  return less
}

/** Limbs of an element that is multiplied by others: 16 bits each; 2^21 products add up exactly in a double. */
const LIMBS = 16

function toLimbs(bytes: Uint8Array): Float64Array {
  const limbs = new Float64Array(LIMBS)
  for (let i = 0; i < LIMBS; i++) limbs[i] = bytes[31 - 2 * i]! + 256 * bytes[30 - 2 * i]!
  return limbs
}

/**
 * Sums of products with fixed factors, each of ELEMENT_BYTES, big-endian and below q. The vectors that are given to the result
 * have as many elements, in their order.
 */
export function innerProduct(factors: readonly Uint8Array[]): (vector: readonly Uint8Array[]) => Uint8Array {
  const fixed = factors.map(toLimbs)
  return vector => {
    assert(vector.length === fixed.length, 'an element for each factor')
    const columns = new Float64Array(2 * LIMBS + 2)
    fixed.forEach((factor, k) => {
      const limbs = toLimbs(vector[k]!)
      for (let i = 0; i < LIMBS; i++) {
        const a = factor[i]!
        for (let j = 0; j < LIMBS; j++) columns[i + j]! += a * limbs[j]!
      }
    })
    return reduced(columns)
  }
}

/** Columns of any size below 2^53, in limbs of 16 bits, as an element. */
function reduced(columns: Float64Array): Uint8Array {
  carryUp(columns)
  // Each fold takes some 248 bits off what is above 256 of them: 528, then 280, then 257, then 256.
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i + LIMBS < columns.length; i++) {
      columns[i]! += FOLD * columns[i + LIMBS]!
      columns[i + LIMBS] = 0
    }
    carryUp(columns)
  }
  const out = new Uint8Array(ELEMENT_BYTES)
  for (let i = 0; i < LIMBS; i++) {
    out[31 - 2 * i] = columns[i]!
    out[30 - 2 * i] = columns[i]! >>> 8
  }
  return canonical(out)
}

function carryUp(columns: Float64Array): void {
  let carry = 0
  for (let i = 0; i < columns.length; i++) {
    const v = columns[i]! + carry
    carry = Math.floor(v / 65_536)
    columns[i] = v - 65_536 * carry
  }
  assert(carry === 0, 'the columns hold the sum')
}
