/** Tails of the normal distribution, which JavaScript does not bring, with a small relative error far out as well. */

/** Step and weights of the trapezoidal rule. */
const STEP = 0.5
const WEIGHTS = Array.from({ length: 13 }, (_, i) => Math.exp(-(((i + 1) * STEP) ** 2)))

/**
 * e^(x^2) erfc(x) for x >= 1: (x / pi) times the integral of e^(-t^2) / (t^2 + x^2) by the trapezoidal rule, whose error
 * is e^(-(pi / STEP)^2) once the pole at t = ix is accounted for (Chiarella and Reichel, Math. Comp. 22, 1968).
 */
function scaledErfc(x: number): number {
  let sum = 1 / (2 * x * x)
  for (let i = 0; i < WEIGHTS.length; i++) sum += WEIGHTS[i]! / (((i + 1) * STEP) ** 2 + x * x)
  const rule = ((2 * STEP * x) / Math.PI) * sum
  const pole = x < Math.PI / STEP ? (2 * Math.exp(x * x)) / Math.expm1((2 * Math.PI * x) / STEP) : 0
  return rule - pole
}

/** erf of -1 < x < 1 by its series with terms of one sign (Abramowitz and Stegun 7.1.6). */
function smallErf(x: number): number {
  let term = x
  let sum = x
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1)
    sum += term
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum
}

/** The complementary error function. Relative error below 1e-14 for x < 5, below (x^2 + 20) 2^-53 beyond; 0 above 27. */
export function erfc(x: number): number {
  if (x > 27) return 0
  if (x >= 1) return Math.exp(-x * x) * scaledErfc(x)
  return x <= -1 ? 2 - erfc(-x) : 1 - smallErf(x)
}

/** log(erfc(x)), finite however large x is. */
export function logErfc(x: number): number {
  return x >= 1 ? Math.log(scaledErfc(x)) - x * x : Math.log(erfc(x))
}

/** The probability that a standard normal variable is above z. */
export function upperTail(z: number): number {
  return erfc(z / Math.SQRT2) / 2
}
