/**
 * Which rounds are audited and who is in a group with whom: lots that are drawn of the survivors' seeds, when their inputs are fixed, so
 * that nobody can behave for them (SPEC A1).
 */
import type { Charter } from '../../config/charter.ts'
import { ascii } from '../bytes.ts'
import { hkdf } from '../crypto/kdf.ts'
import { keyStream } from '../crypto/keystream.ts'
import type { Task } from '../ports.ts'
import { shuffled } from '../sum/pairs.ts'

/** Whether rounds of this task may be audited. */
export function isAuditable({ contribution }: Pick<Charter, 'contribution'>, task: Task): boolean {
  return contribution !== undefined && task === 'train'
}

/** `seeds`: 32 bytes that nobody could choose. True with probability 1 / oneIn. */
export function isAudited(seeds: Uint8Array, oneIn: number): boolean {
  if (oneIn === 1) return true
  const [low, high] = keyStream(hkdf(seeds, ascii('medmesh/1 audit'), 32)).take(2)
  // 53 bits, so that no oneIn is favoured by more than a double can tell.
  const lot = (high! >>> 11) * 2 ** 32 + low!
  return lot < 2 ** 53 / oneIn
}

/**
 * The survivors in as many disjoint groups of at least `groupSize` as they make, as equal as may be; each in its survivors' order.
 */
export function groupsOf<Member>(
  seeds: Uint8Array,
  survivors: readonly Member[],
  groupSize: number,
): readonly (readonly Member[])[] {
  const count = Math.max(1, Math.floor(survivors.length / groupSize))
  const order = shuffled(survivors.length, hkdf(seeds, ascii('medmesh/1 groups'), 32))
  const group = new Map(order.map((survivor, place) => [survivor, place % count]))
  return Array.from({ length: count }, (_, g) => survivors.filter((_, i) => group.get(i) === g))
}
