/** Comparison of long byte strings at the speed of memory, which a loop over bytes is ten times and more away from. */
import { timingSafeEqual } from 'node:crypto'

/** Whether two byte strings of one length are the same. */
export function equalLong(a: Uint8Array, b: Uint8Array): boolean {
  return timingSafeEqual(a, b)
}
