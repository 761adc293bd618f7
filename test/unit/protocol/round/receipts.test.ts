/** Whose input is held follows from receipts that are counted as they come: the count must be what counting anew gives. */
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import type { MemberId } from '../../../../protocol/ports.ts'
import { type Attempt, ROOT_BYTES } from '../../../../protocol/round/attempt.ts'
import { bitmapOf } from '../../../../protocol/round/bitmap.ts'
import { acceptInput } from '../../../../protocol/round/input.ts'
import { acceptReceipt, disown, isHeld, isReceipted } from '../../../../protocol/round/receipts.ts'
import { contradict } from '../../../../protocol/round/slots.ts'
import { rootOf } from '../../../../protocol/sum/shards.ts'
import { encode } from '../../../../protocol/wire/codec.ts'
import { openEnvelope, type RawEnvelope as Raw, sealEnvelope } from '../../../../protocol/wire/envelope.ts'
import type { Body } from '../../../../protocol/wire/messages.ts'
import { peerConfigs } from '../../../../sim/charter.ts'
import { ATTEMPT_OPENED, attempts } from '../../../support/attempts.ts'
import { memberName, testCharter } from '../../../support/consortium.ts'

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
const step = fc.oneof(
  { weight: 12, arbitrary: claimed },
  { weight: 12, arbitrary: fc.record({ member, version: fc.integer({ min: 1, max: 2 }) }) },
  { weight: 1, arbitrary: fc.record({ disowned: member }) },
)

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
          if ('disowned' in s) disown(a, cohort[s.disowned]!)
          else if ('version' in s) acceptInput(a, cohort[s.member]!, inputOf(a, s.version), message)
          else acceptReceipt(a, cohort[s.owner]!, receiptOf(a, s), message)
        }
        for (const m of cohort) {
          const is = heldAnew(a, m)
          expect(isHeld(a, m)).toBe(is)
          for (const owner of a.disowned) expect(isReceipted(a, owner, 0, m)).toBe(false)
          if (is) {
            held++
            expect(a.receiptedAt.has(m), 'and was noted').toBe(true)
          }
        }
      }),
      { numRuns: 600 },
    )
    expect(held).toBeGreaterThan(0)
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

/** One that has receipted some slices, and what it says of them when. */
const held = fc.array(
  fc.record({ shard: fc.nat(4), from: fc.uniqueArray(member, { minLength: 1, maxLength: n }) }),
  { minLength: 1, maxLength: 5 },
)
const once = held.map(list => [...new Map(list.map(h => [h.shard, h])).values()])

describe('two receipts of one owner', () => {
  const charter = testCharter({ n, f: 1, gossipBytesMax: 0 })
  const [config] = peerConfigs(charter)
  const a = attempt(0)
  const versions = cohort.map(() => 1)
  const signed = (claims: Claimed, opened = ATTEMPT_OPENED) => {
    const { network, self: from, seed } = config!
    const body = encode({ ...receiptOf(a, claims), opened })
    const raw = openEnvelope(sealEnvelope({ network, type: 'receipt', from, seed }, body))
    if (!raw.ok) throw new Error('it is well formed')
    return raw.value
  }

  it('do not contradict each other where the later one says all that the earlier one did', () => {
    fc.assert(
      fc.property(once, once, (before, more) => {
        const all = new Map(before.map(h => [h.shard, new Set(h.from)]))
        for (const h of more) all.set(h.shard, new Set([...(all.get(h.shard) ?? []), ...h.from]))
        const after = [...all].map(([shard, from]) => ({ shard, from: [...from] }))
        const [x, y] = [before, after].map(h => signed({ owner: 0, versions, held: h })) as [Raw, Raw]
        expect(contradict(x, y)).toBe(false)
        expect(contradict(y, x)).toBe(false)
      }),
    )
  })

  it('do where each has what the other has not, or they name two commitments; not of two attempts', () => {
    const one = { owner: 0, versions, held: [{ shard: 1, from: [0, 2] }] }
    const other = { owner: 0, versions, held: [{ shard: 1, from: [0, 3] }] }
    const less = { owner: 0, versions, held: [{ shard: 1, from: [0] }] }
    const shard = { owner: 0, versions, held: [{ shard: 2, from: [0] }] }
    const root = { owner: 0, versions: [2, 1, 1, 1, 1], held: [{ shard: 1, from: [0, 2] }] }
    const elsewhere = { owner: 0, versions: [1, 2, 1, 1, 1], held: [{ shard: 1, from: [0, 2] }] }
    for (const [x, y, expected] of [
      [one, other, true],
      [one, shard, true],
      [one, root, true],
      [less, root, true],
      [one, less, false],
      [one, elsewhere, false],
    ] as const) {
      expect(contradict(signed(x), signed(y))).toBe(expected)
      expect(contradict(signed(y), signed(x))).toBe(expected)
    }
    expect(contradict(signed(one), signed(other, new Uint8Array(32)))).toBe(false)
  })
})
