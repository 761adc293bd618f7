/**
 * Nonsense from a member and from a learner: never an exception out of the machine, never a wrong model, and the others'
 * rounds go on.
 */
import { describe, expect, it } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { verdictOf } from '../../protocol/fault.ts'
import type { Learned, MemberId } from '../../protocol/ports.ts'
import { encode } from '../../protocol/wire/codec.ts'
import { openEnvelope, plainEnvelope, sealEnvelope } from '../../protocol/wire/envelope.ts'
import { GOSSIP_TYPES, STREAM_TYPES } from '../../protocol/wire/messages.ts'
import type { Learner } from '../../sim/host.ts'
import { Random } from '../../sim/random.ts'
import { audited } from '../support/audit.ts'
import { memberName, seedOf } from '../support/consortium.ts'

const names = [0, 1, 2, 3].map(memberName)
const liar = names[3]!
const ALL_TYPES = [...GOSSIP_TYPES, ...STREAM_TYPES, 'proposal', 'prevote', 'precommit']

/** Bytes that no honest peer sends, made from bytes that one did send; the original stays as it is. */
function spoilt(r: Random, message: Uint8Array): Uint8Array {
  const copy = Uint8Array.from(message)
  switch (r.below(6)) {
    case 0:
      return r.bytes(r.below(300))
    case 1:
      return copy.slice(0, r.below(copy.length))
    case 2:
      for (let i = 0; i <= r.below(8); i++) copy[r.below(copy.length)]! ^= 1 << r.below(8)
      return copy
    case 3:
      copy[r.below(copy.length)]! ^= 1 << r.below(8)
      return copy
    case 4:
      return Uint8Array.from([...copy, ...r.bytes(1 + r.below(20))])
    default:
      // The envelope as it is, flipped bits in the body alone: for unsigned messages the last check is of the content.
      return flippedBody(r, copy)
  }
}

function flippedBody(r: Random, message: Uint8Array): Uint8Array {
  const raw = openEnvelope(message)
  if (!raw.ok || raw.value.body.length === 0) return message
  const body = Uint8Array.from(raw.value.body)
  body[body.length - 1 - r.below(Math.min(body.length, 64))]! ^= 1 << r.below(8)
  return plainEnvelope(raw.value.type, liar, body)
}

/** A body of any shape, with numbers at the edges. */
function anyValue(r: Random, depth = 0): unknown {
  const edge = [0, -1, 1, 1e6, 4_294_967_295, Number.MAX_SAFE_INTEGER, 0.5, -1e308]
  switch (r.below(depth > 3 ? 4 : 6)) {
    case 0:
      return edge[r.below(edge.length)]
    case 1:
      return r.bytes([0, 1, 8, 32, 64, 1216][r.below(6)]!)
    case 2:
      return names[r.below(4)]
    case 3:
      return null
    case 4:
      return Array.from({ length: r.below(6) }, () => anyValue(r, depth + 1))
    default: {
      const keys = [
        'round',
        'attempt',
        'opened',
        'fixed',
        'height',
        'view',
        'id',
        'shard',
        'hash',
        'part',
        'held',
        'have',
        'data',
      ]
      return Object.fromEntries(
        Array.from({ length: r.below(7) }, () => [keys[r.below(keys.length)], anyValue(r, depth + 1)]),
      )
    }
  }
}

/** A study in which `liar` floods the others with what `make` makes of all that was sent so far. */
function flooded(
  seed: number,
  shards: boolean,
  make: (r: Random, sent: ReadonlyMap<string, Uint8Array[]>) => Uint8Array | undefined,
) {
  const r = new Random(seed + 100)
  const sent = new Map<string, Uint8Array[]>()
  const { c, audit } = audited({
    n: 4,
    f: 1,
    rounds: 3,
    seed,
    gossipBytesMax: shards ? 0 : 32_768,
    world: {
      observers: [
        {
          onRelease: (_host, _to, bytes) => {
            const raw = openEnvelope(bytes)
            if (raw.ok) sent.set(raw.value.type, [...(sent.get(raw.value.type) ?? []), bytes])
          },
        },
      ],
    },
  })
  audit.liars.add(liar)
  c.world.startAll()
  let count = 0
  for (let t = 0; t < 2000; t += 4) {
    c.world.at(t, () => {
      const bytes = make(r, sent)
      const to = c.world.host(names[r.below(3)]!)
      if (bytes) to.input({ kind: 'message', from: liar, via: r.chance(0.5) ? 'gossip' : 'stream', bytes })
      count++
    })
  }
  // A crash brings in the messages of catching up.
  c.world.at(600, () => c.world.crash(names[2]!))
  c.world.at(900, () => c.world.start(names[2]!))
  expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
  expect(count).toBeGreaterThan(300)
  expect(audit.checked.sums).toBe(5)
  expect(audit.problems).toEqual([])
  return { c, kinds: new Set(sent.keys()) }
}

describe('garbage from a member', () => {
  for (const shards of [false, true]) {
    it(`changed messages of every kind (${shards ? 'shards' : 'gossip'})`, { timeout: 120_000 }, () => {
      const kinds = new Set<string>()
      for (let seed = 0; seed < 5; seed++) {
        const { c, kinds: seen } = flooded(seed, shards, (r, sent) => {
          const type = [...sent.keys()][r.below(sent.size)]
          const list = (type && sent.get(type)) || []
          const message = list[r.chance(0.5) ? list.length - 1 : r.below(list.length)]
          return message && spoilt(r, message)
        })
        for (const kind of seen) kinds.add(kind)
        // The others may be late, but only the liar is held to have lied.
        const lies = c.faults.filter(f => verdictOf(f.fault) === 'reject')
        expect(lies.filter(f => f.peer !== liar)).toEqual([])
        expect(lies.length).toBeGreaterThan(50)
      }
      for (const type of ['keys', 'offer', 'sealed', 'input', 'receipt', 'reveal', 'status', 'entry'])
        expect(kinds.has(type)).toBe(true)
      for (const type of ['part', 'tags']) expect(kinds.has(type)).toBe(shards)
    })

    it(`bodies of any shape, rightly signed (${shards ? 'shards' : 'gossip'})`, { timeout: 120_000 }, () => {
      for (let seed = 20; seed < 23; seed++) {
        flooded(seed, shards, r => {
          const type = ALL_TYPES[r.below(ALL_TYPES.length)]!
          const network = sha256(new TextEncoder().encode('nobody checks the network before the signature'))
          const seal = { network, type, from: liar, seed: seedOf(3) }
          const body = r.chance(0.2) ? r.bytes(r.below(200)) : encode(anyValue(r))
          return r.chance(0.5) ? sealEnvelope(seal, body) : plainEnvelope(type, liar, body)
        })
      }
    })
  }
})

/** A study in which the learner of the last hospital does `what` in round 2. */
function study(what: (honest: Learned) => Learned, shards: boolean, always = false) {
  const learner = (id: MemberId, honest: Learner): Learner => {
    if (id !== liar) return honest
    return job => (job.round === 2 || always ? what(honest(job)) : honest(job))
  }
  const { c, audit } = audited({
    n: 4,
    f: 1,
    rounds: 3,
    seed: 31,
    gossipBytesMax: shards ? 0 : 32_768,
    learner,
  })
  c.world.startAll()
  expect(c.world.run(() => c.finished(), 120_000)).toBe(true)
  expect(audit.checked.sums).toBe(5)
  expect(audit.problems).toEqual([])
  return c
}

const survivorsIn = (c: ReturnType<typeof study>, round: number) =>
  c.events.flatMap(e =>
    e.host === names[0] && e.event.kind === 'survivorsFixed' && e.event.round === round
      ? [e.event.survivors]
      : [],
  )

describe('nonsense from a learner', () => {
  const nonsense: Record<string, (honest: Learned) => Learned> = {
    'NaN in the update': l => ({
      ...l,
      delta: Float32Array.from(l.delta!, (x, i) => (i === 1 ? Number.NaN : x)),
    }),
    'infinity in the update': l => ({ ...l, delta: l.delta!.map(() => Number.POSITIVE_INFINITY) }),
    'an update of the wrong shape': l => ({ ...l, delta: new Float32Array(l.delta!.length + 1) }),
    'no update at all': ({ samples }) => ({ samples }),
    'a negative number of rows': l => ({ ...l, samples: -1 }),
    'a histogram of the wrong shape': l => ({
      ...l,
      evaluation: { ...l.evaluation!, positives: new Float64Array(3) },
    }),
    'half a patient in a histogram': l => ({
      ...l,
      evaluation: { ...l.evaluation!, negatives: l.evaluation!.negatives.map(() => 0.5) },
    }),
    'a loss that is NaN': l => ({ ...l, evaluation: { ...l.evaluation!, lossSum: Number.NaN } }),
    'an exception': () => {
      throw new Error('the learner is broken')
    },
  }
  for (const [what, spoil] of Object.entries(nonsense)) {
    for (const shards of [false, true]) {
      it(`${what}: nothing leaves, the others close the round (${shards ? 'shards' : 'gossip'})`, () => {
        const c = study(spoil, shards)
        expect(survivorsIn(c, 2)).toEqual([names.slice(0, 3)])
        expect(survivorsIn(c, 3)).toEqual([names])
        expect(c.events.filter(e => e.event.kind === 'jobFailed').map(e => e.host)).toEqual([liar])
        const delivered = c.events.filter(
          e =>
            e.host === liar &&
            e.event.kind === 'phase' &&
            e.event.round === 2 &&
            e.event.phase === 'delivered',
        )
        expect(delivered).toEqual([])
      })
    }
  }

  it('a member that returns the last global model moves nothing and disturbs nobody', () => {
    const c = study(l => (l.delta ? { ...l, delta: new Float32Array(l.delta.length) } : l), true, true)
    expect(survivorsIn(c, 2)).toEqual([names])
    expect(new Set(c.closed(names[0]!).map(e => e.modelHash)).size).toBeGreaterThan(3)
  })

  it('an update that is far too large counts as one at the bound', () => {
    const c = study(l => (l.delta ? { ...l, delta: l.delta.map(() => 1e30) } : l), false)
    expect(survivorsIn(c, 2)).toEqual([names])
    const { parameters } = c.world.host(names[0]!).model!
    expect(parameters.every(x => Math.abs(x) < 3 * c.charter.training.clipNorm)).toBe(true)
  })
})

describe('another study', () => {
  it("a peer with another charter is heard by nobody and hears nobody; the others' faults say why", () => {
    const other = sha256(new TextEncoder().encode('another charter'))
    const { c, audit } = audited({
      n: 4,
      f: 1,
      rounds: 2,
      config: config => (config.self === liar ? { ...config, charterHash: other, network: other } : config),
    })
    audit.liars.add(liar)
    c.world.startAll()
    expect(c.world.run(() => names.slice(0, 3).every(m => c.closed(m).length === 4), 120_000)).toBe(true)
    expect(audit.checked.sums).toBe(4)
    expect(audit.problems).toEqual([])
    expect(c.world.host(liar).peer!.state.height).toBe(0)
    expect(toHex(c.world.host(liar).peer!.state.charterHash)).toBe(toHex(other))
    for (const m of names.slice(0, 3)) {
      expect(c.faults.some(f => f.host === m && f.peer === liar && f.fault.code === 'wrongNetwork')).toBe(
        true,
      )
      expect(c.faults.some(f => f.host === liar && f.peer === m && f.fault.code === 'wrongNetwork')).toBe(
        true,
      )
    }
    const opened = c.events.flatMap(e => (e.event.kind === 'roundOpened' ? [e.event.cohort] : []))
    expect(opened.every(cohort => !cohort.includes(liar))).toBe(true)
  })
})
