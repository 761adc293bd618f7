/**
 * Fewer bits for the values of an update: several of them, lanes, share one element of the sum's field (SPEC S6).
 *
 * The field stays p = 2^31 - 1, over which the tags are sound. Lane l of an element counts in units of R^l, where R is odd
 * and R^lanes <= p: as long as all lanes of a sum lie within (R - 1) / 2 of 0, they are its digits in base R, balanced
 * around 0, none carries into the next, and the element does not wrap.
 */

/** Lanes by the bits that a value then takes on the wire, of an element's 32. 10: two thirds of a bit more. */
const LANES = { 32: 1, 16: 2, 10: 3, 8: 4 } as const
export const BITS_PER_VALUE = [16, 10, 8] as const

export type BitsPerValue = keyof typeof LANES
export type Lanes = (typeof LANES)[BitsPerValue]

/** Without a section `compression` each value has an element of its own. */
export function lanesOf(secureSum: {
  readonly compression?: { bitsPerValue: BitsPerValue } | undefined
}): Lanes {
  return secureSum.compression ? LANES[secureSum.compression.bitsPerValue] : 1
}

/** What is wrong with a section `compression` in itself, and with which field; undefined: nothing. */
export function compressionProblem(
  compression:
    | {
        readonly bitsPerValue: BitsPerValue
        readonly oneIn?: number | undefined
        readonly rank?: number | undefined
      }
    | undefined,
): { readonly field: 'bitsPerValue' | 'rank'; readonly says: string; readonly fix: string } | undefined {
  if (compression === undefined) return undefined
  const { bitsPerValue, oneIn, rank } = compression
  if (oneIn !== undefined && rank !== undefined) {
    return {
      field: 'rank',
      says: 'must not be set beside oneIn: of a factor all values are needed',
      fix: 'leave one of the two out',
    }
  }
  if (bitsPerValue !== 32 || oneIn !== undefined || rank !== undefined) return undefined
  return {
    field: 'bitsPerValue',
    says: 'must be less than 32 where all values are summed: nothing is saved',
    fix: `set it to ${BITS_PER_VALUE.join(', ')}, or set oneIn or rank, or leave \`compression\` out`,
  }
}

/** Fewest bits with which the values of n hospitals have a step each; undefined: n is beyond what a charter can have. */
export function bitsMin(n: number): BitsPerValue | undefined {
  return BITS_PER_VALUE.findLast(bits => n <= LANE_MAX[LANES[bits]])
}

/** Largest absolute value that a lane may hold in a sum: (R - 1) / 2 for the largest odd R with R^lanes <= 2^31 - 1. */
export const LANE_MAX = { 1: 2 ** 30 - 1, 2: 23_169, 3: 644, 4: 107 } as const satisfies Record<Lanes, number>
