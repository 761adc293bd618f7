/** What a Gaussian mechanism promises, in closed form. */
import { upperTail } from '../../protocol/privacy/normal.ts'

/**
 * Smallest delta at which one release with noise of `sigma` sensitivities is (epsilon, delta)-private: Balle and Wang, 'Improving the
 * Gaussian Mechanism' (2018), Theorem 8, with a sensitivity of 1.
 */
export function gaussianDelta(sigma: number, epsilon: number): number {
  const half = 1 / (2 * sigma)
  return upperTail(epsilon * sigma - half) - Math.exp(epsilon) * upperTail(epsilon * sigma + half)
}
