/** Discrete Fourier transform in place, with a bound on its rounding errors. */

/** Unit of rounding of a double. */
const UNIT = 2 ** -53

/** Complex numbers, real and imaginary parts apart; the length is a power of 2. */
export interface Spectrum {
  readonly re: Float64Array
  readonly im: Float64Array
}

/**
 * Transforms in place, with e^(-2 pi i jk/n), or with e^(+2 pi i jk/n) / n when `inverse`. Radix 2, decimation in time.
 * Every factor is its own sine and cosine: products of factors would lose digits.
 */
export function transform({ re, im }: Spectrum, inverse = false): void {
  const n = re.length
  reverseBits(re)
  reverseBits(im)
  const cos = new Float64Array(n >> 1)
  const sin = new Float64Array(n >> 1)
  for (let k = 0; k < n >> 1; k++) {
    cos[k] = Math.cos((2 * Math.PI * k) / n)
    sin[k] = (inverse ? 1 : -1) * Math.sin((2 * Math.PI * k) / n)
  }
  for (let half = 1; half < n; half *= 2) {
    const stride = n / (2 * half)
    for (let start = 0; start < n; start += 2 * half) {
      for (let k = 0; k < half; k++) {
        const a = start + k
        const b = a + half
        const c = cos[k * stride]!
        const s = sin[k * stride]!
        const x = re[b]! * c - im[b]! * s
        const y = re[b]! * s + im[b]! * c
        re[b] = re[a]! - x
        im[b] = im[a]! - y
        re[a]! += x
        im[a]! += y
      }
    }
  }
  if (inverse) {
    for (let k = 0; k < n; k++) {
      re[k]! /= n
      im[k]! /= n
    }
  }
}

function reverseBits(values: Float64Array): void {
  const n = values.length
  for (let i = 1, j = 0; i < n; i++) {
    let bit = n >> 1
    for (; j & bit; bit >>= 1) j ^= bit
    j ^= bit
    if (i < j) {
      const kept = values[i]!
      values[i] = values[j]!
      values[j] = kept
    }
  }
}

/**
 * Bound of the error of `transform`, relative in the Euclidean norm: Higham, 'Accuracy and Stability of Numerical
 * Algorithms' (2nd ed.), Theorem 24.2, with factors off by at most 4 units (argument, sine and product).
 */
export function transformError(n: number): number {
  return 1.01 * Math.log2(n) * (4 + 4 * (Math.SQRT2 + 1)) * UNIT
}

/** Multiplies `product` by the `power`-th power of `base`, each frequency on its own; `base` is used up. */
export function multiplyPower(product: Spectrum, base: Spectrum, power: number): void {
  for (let rest = power; ; ) {
    if (rest % 2 === 1) multiply(product, base)
    rest = Math.floor(rest / 2)
    if (rest === 0) return
    multiply(base, base)
  }
}

/** Relative error of multiplyPower: sqrt(5) units for each product (Brent, Percival, Zimmermann 2007), counted with powers. */
export function powerError(power: number): number {
  return 1.01 * Math.sqrt(5) * (power + 1) * UNIT
}

function multiply(into: Spectrum, by: Spectrum): void {
  for (let k = 0; k < into.re.length; k++) {
    const a = into.re[k]!
    const b = into.im[k]!
    const c = by.re[k]!
    const d = by.im[k]!
    into.re[k] = a * c - b * d
    into.im[k] = a * d + b * c
  }
}
