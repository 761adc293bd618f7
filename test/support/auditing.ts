/** Charters whose contributions are audited, for tests. */
import type { Charter } from '../../config/charter.ts'

export const auditing =
  (oneIn: number, groupSize: number) =>
  (charter: Charter): Charter => ({
    ...charter,
    contribution: { audit: { oneIn, groupSize } },
    secureSum: {
      ...charter.secureSum,
      survivorsMin: Math.max(charter.secureSum.survivorsMin, 2 * groupSize),
    },
  })
