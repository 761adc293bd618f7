/** Whose input is held follows from receipts that are counted as they come: the count must be what counting anew gives. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import type { MemberId } from '../../../../protocol/ports.ts'
import { type Attempt, ROOT_BYTES, rootOf } from '../../../../protocol/round/attempt.ts'
import { bitmapOf } from '../../../../protocol/round/bitmap.ts'
import { acceptInput } from '../../../../protocol/round/input.ts'
import { acceptReceipt, isHeld, isReceipted } from '../../../../protocol/round/receipts.ts'
import type { Body } from '../../../../protocol/wire/messages.ts'
import { attempts } from '../../../support/attempts.ts'
import { memberName } from '../../../support/consortium.ts'

const n = 5
const cohort = Array.from({ length: n }, (_, i) => memberName(i))
const bytes = (byte: number, length = 32) => new Uint8Array(length).fill(byte)
const message = bytes(1)

const makers = new Map([0, 32_768].map(max => [max, attempts(n, max).fresh]))
const attempt = (gossipBytesMax: number) => makers.get(gossipBytesMax)!()

/** One of several inputs that a member may commit to. */
function inputOf(a: Attempt, version: number): Body<'input'> {
  const data = bytes(version, a.shards === 1 ? 4 * a.length : 0)
  const hashes = a.shards === 1 ? sha256(data) : bytes(version, 32 * a.shards)
  return { round: 0, attempt: 0, opened: bytes(7), offers: a.offersHash()!, hashes, data }
}

interface Claimed {
  readonly owner: number
  /** Of each member, which of its inputs. */
  readonly versions: readonly number[]
  readonly held: readonly { readonly shard: number; readonly from: readonly number[] }[]
}

function receiptOf(a: Attempt, { versions, held }: Claimed): Body<'receipt'> {
  const root = (v: number) => rootOf(inputOf(a, v).hashes).subarray(0, ROOT_BYTES)
  return {
    round: 0,
    attempt: 0,
    opened: bytes(7),
    roots: concatBytes(...versions.map(root)),
    held: held.map(h => ({
      shard: h.shard % a.shards,
      from: bitmapOf(cohort, new Set(h.from.map(i => cohort[i]!))),
    })),
  }
}

/** From the receipts alone, without any count. */
function heldAnew(a: Attempt, member: MemberId): boolean {
  if (!a.commitments.has(member)) return false
  const owners = (shard: number) => cohort.filter(o => isReceipted(a, o, shard, member)).length
  if (a.shards === 1) return owners(0) >= a.context.threshold
  return Array.from({ length: a.shards }, (_, shard) => owners(shard)).every(count => count > 0)
}

const member = fc.nat(n - 1)
const claimed = fc.record({
  owner: member,
  versions: fc.array(fc.integer({ min: 1, max: 2 }), { minLength: n, maxLength: n }),
  held: fc.array(fc.record({ shard: fc.nat(4), from: fc.array(member, { minLength: 1, maxLength: n }) }), {
    minLength: 1,
    maxLength: 6,
  }),
})
const step = fc.oneof(claimed, fc.record({ member, version: fc.integer({ min: 1, max: 2 }) }))

describe.each([
  ['gossiped', 32_768],
  ['in shards', 0],
])('inputs %s', (_, gossipBytesMax) => {
  it('are held as the receipts say, in whatever order receipts and commitments come and are replaced', () => {
    let held = 0
    fc.assert(
      fc.property(fc.array(step, { minLength: 5, maxLength: 30 }), steps => {
        const a = attempt(gossipBytesMax)
        for (const s of steps) {
          if ('version' in s) acceptInput(a, cohort[s.member]!, inputOf(a, s.version), message)
          else acceptReceipt(a, cohort[s.owner]!, receiptOf(a, s), message)
        }
        for (const m of cohort) {
          const is = heldAnew(a, m)
          expect(isHeld(a, m)).toBe(is)
          if (is) {
            held++
            expect(a.receiptedAt.has(m), 'and was noted').toBe(true)
          }
        }
      }),
      { numRuns: 150 },
    )
    expect(held).toBeGreaterThan(5)
  })

  it('are not held by an owner that names its shard again and again', () => {
    const a = attempt(gossipBytesMax)
    acceptInput(a, cohort[1]!, inputOf(a, 1), message)
    const held = Array.from({ length: 40 }, () => ({ shard: 0, from: [1] }))
    const versions = cohort.map(() => 1)
    expect(acceptReceipt(a, cohort[2]!, receiptOf(a, { owner: 2, versions, held }), message)).toBe(true)
    expect(acceptReceipt(a, cohort[2]!, receiptOf(a, { owner: 2, versions, held }), message)).toBeUndefined()
    expect(isHeld(a, cohort[1]!)).toBe(false)
    expect(a.covers[a.shards]).toBe(1)
  })
})
