import { decode as cborDecode } from 'cborg'
import { describe, expect, it } from 'vitest'
import { LinkSchema } from '../../config/scenario.ts'
import { toHex } from '../../protocol/bytes.ts'
import { CommitteePeer } from '../../protocol/committees/peer.ts'
import { isConsensusType, parseConsensus, proposalBody } from '../../protocol/consensus/message.ts'
import { type CommitteesSummed, decodeEntry, encodeEntry } from '../../protocol/ledger/entry.ts'
import { modelHashHex, type PeerConfig, recordMessage } from '../../protocol/peer.ts'
import type { Effect, Input, Machine, Millis, Output } from '../../protocol/ports.ts'
import { encode } from '../../protocol/wire/codec.ts'
import { openEnvelope, plainEnvelope, sealEnvelope } from '../../protocol/wire/envelope.ts'
import { Random } from '../../sim/random.ts'
import { committees, firstDraw, roundsOf, sumHash } from '../support/committees.ts'
import type { Consortium } from '../support/consortium.ts'

const MINUTE_MS = 60_000

/** Sixteen hospitals, one of them malicious, in committees of four: as small as it gets. */
const SMALL = { n: 16, f: 1, size: 4, faulty: 1, rounds: 1 } as const

function expectOneModel(c: Consortium): void {
  const models = [...c.world.hosts.values()].map(h => h.model && modelHashHex(h.model))
  expect(new Set(models).size).toBe(1)
  expect(models[0]).toBeDefined()
}

/** Every hospital's ledger holds and is the same; each round's sum is that of its survivors' inputs. */
function expectExact(c: Consortium): ReturnType<typeof roundsOf> {
  const hosts = [...c.world.hosts.values()]
  const all = hosts.map(h => roundsOf(c, h))
  const [first] = all
  for (const steps of all)
    expect(steps.map(s => toHex(s.body.sum))).toEqual(first!.map(s => toHex(s.body.sum)))
  for (const { body, survivors } of first!)
    expect(toHex(body.sum), `round ${body.round}`).toBe(sumHash(c, body.round, survivors))
  return first!
}

describe('a study of sixty hospitals in committees of ten', () => {
  const c = committees({ n: 60, f: 3, size: 10, faulty: 3, rounds: 1 })
  c.world.startAll()
  const done = c.world.run(c.finished, MINUTE_MS)

  it('is finished by all, with one model', () => {
    expect(done).toBe(true)
    expectOneModel(c)
    expect(c.faults).toEqual([])
  })

  it('sums just what the hospitals gave', () => {
    const rounds = expectExact(c)
    expect(rounds.map(r => r.body.round)).toEqual([0, 1, 2])
    for (const { body, survivors } of rounds) {
      expect(body.missing).toEqual([])
      expect(survivors).toHaveLength(60)
    }
  })

  it('draws other committees and other deciders for each round', () => {
    const draws = roundsOf(c, c.world.host('hospital-000')).map(r => r.draw)
    expect(new Set(draws.map(d => d.committees.join('|'))).size).toBe(3)
    expect(new Set(draws.map(d => d.deciders.join())).size).toBe(3)
  })

  it('tells people where each hospital was', () => {
    const seats = c.events.filter(e => e.event.kind === 'committee').map(e => e.event)
    expect(seats).toHaveLength(180)
    expect(seats.filter(e => e.kind === 'committee' && e.round === 0 && e.decides)).toHaveLength(10)
  })

  it('leaves only the ledger and the model behind', () => {
    for (const host of c.world.hosts.values())
      expect([...host.disk.keys()].filter(k => !k.startsWith('ledger/'))).toEqual(['model'])
  })
})

describe('a committee below its quorum', { timeout: 120_000 }, () => {
  it('is left out and named, and the round closes; who was away comes back', () => {
    const c = committees({ ...SMALL, seed: 5 })
    const draw = firstDraw(c)
    const index = draw.committees.findIndex(
      members => members.filter(m => !draw.deciders.includes(m)).length >= 2,
    )
    const victims = draw.committees[index]!.filter(m => !draw.deciders.includes(m)).slice(0, 2)
    for (const id of c.world.hosts.keys()) if (!victims.includes(id)) c.world.start(id)
    const outlasted = () => [...c.world.hosts.values()].every(h => !h.up || h.peer!.state.height >= 1)
    expect(c.world.run(outlasted, MINUTE_MS)).toBe(true)
    for (const id of victims) c.world.start(id)
    expect(c.world.run(c.finished, MINUTE_MS)).toBe(true)
    expectOneModel(c)
    const [round0, ...others] = expectExact(c)
    expect(round0!.body.missing).toEqual([index])
    expect(round0!.survivors).toHaveLength(12)
    for (const { body } of others) expect(body.missing).toEqual([])
    expect(others.at(-1)!.survivors).toHaveLength(16)
    const told = c.events.find(e => e.event.kind === 'survivorsFixed')!.event
    expect(told.kind === 'survivorsFixed' && told.leftOut.map(l => l.member).sort()).toEqual(
      [...draw.committees[index]!].sort(),
    )
  })
})

const CRASHES = 30

describe('crashes', { timeout: 120_000 }, () => {
  it.each([1, 2, 3])('anywhere, again and again, cost no round (seed %i)', seed => {
    const random = new Random(seed)
    let left = CRASHES
    const c = committees({
      ...SMALL,
      rounds: 3,
      seed,
      site: () => ({ diskMs: r => 3 * r.unit() }),
      onStep: ({ host }) => {
        const down = [...c.world.hosts.values()].filter(h => !h.up).length
        if (left === 0 || down > 0 || !random.chance(0.004)) return false
        left--
        c.world.at(400, () => c.world.start(host.id))
        return true
      },
    })
    c.world.startAll()
    expect(c.world.run(() => left === 0 || c.finished(), 5 * MINUTE_MS)).toBe(true)
    const everywhere = () => [...c.world.hosts.values()].every(h => h.up) && c.finished()
    expect(c.world.run(everywhere, 5 * MINUTE_MS)).toBe(true)
    expect(left).toBeLessThan(CRASHES - 8)
    // Until the disks have it too, without another crash.
    left = 0
    c.world.run(() => false, 100)
    expectOneModel(c)
    expectExact(c)
    // Whoever comes back says what it has said: nobody is taken for a liar.
    expect(c.faults.filter(f => f.fault.code === 'equivocation')).toEqual([])
    expect(c.faults.filter(f => f.fault.code === 'badSum')).toEqual([])
  })
})

/** The production machine, whose outgoing messages are rewritten, ledger records among them. */
function rewriting(config: PeerConfig, rewrite: (bytes: Uint8Array) => Uint8Array): Machine {
  const peer = new CommitteePeer(config)
  const records = new Map<string, Uint8Array>()
  const changed = (effect: Effect): Effect[] => {
    switch (effect.kind) {
      case 'send':
        return [{ ...effect, bytes: rewrite(effect.bytes) }]
      case 'sendRecord': {
        const record = records.get(effect.key)
        return record
          ? [{ kind: 'send', to: effect.to, bytes: rewrite(recordMessage(config.self, record)) }]
          : []
      }
      case 'store':
        for (const [key, value] of effect.puts) if (value instanceof Uint8Array) records.set(key, value)
        return [{ ...effect, release: effect.release.flatMap(changed) }]
      default:
        return [effect]
    }
  }
  return {
    handle(input: Input, now: Millis): Output {
      const output = peer.handle(input, now)
      return { ...output, effects: output.effects.flatMap(changed) }
    },
  }
}

/** The message with a changed body, where it is of `type`. */
function altered(bytes: Uint8Array, type: string, change: (body: never) => unknown): Uint8Array {
  const raw = openEnvelope(bytes)
  if (!raw.ok || raw.value.type !== type) return bytes
  return plainEnvelope(type, raw.value.from, encode(change(cborDecode(raw.value.body) as never)))
}

function flip(bytes: Uint8Array): Uint8Array {
  const out = bytes.slice()
  out[8]! ^= 1
  return out
}

/** Runs SMALL with `liars`, whose every message on its way is rewritten; the honest must close two rounds alike. */
function lied(
  liars: (c: Consortium) => readonly string[],
  rewrite: (config: PeerConfig, bytes: Uint8Array) => Uint8Array,
): { c: Consortium; names: readonly string[]; rounds: ReturnType<typeof roundsOf> } {
  const names = liars(committees(SMALL))
  const c: Consortium = committees({
    ...SMALL,
    // A liar is heard first.
    world: {
      network: {
        links: from => LinkSchema.parse({ latencyMs: names.includes(from) ? 1 : { from: 15, to: 25 } }),
      },
    },
    machine: id =>
      names.includes(id) ? config => rewriting(config, bytes => rewrite(config, bytes)) : undefined,
  })
  c.world.startAll()
  const honest = [...c.world.hosts.values()].filter(h => !names.includes(h.id))
  const far = () => honest.every(h => h.peer!.state.height >= 2 && h.peer!.model)
  expect(c.world.run(far, 5 * MINUTE_MS)).toBe(true)
  const first = honest.map(h => roundsOf(c, h).slice(0, 2))
  expect(new Set(first.map(steps => steps.map(s => toHex(s.body.model)).join())).size).toBe(1)
  for (const { body, survivors } of first[0]!)
    expect(toHex(body.sum), `round ${body.round}`).toBe(sumHash(c, body.round, survivors))
  return { c, names, rounds: first[0]! }
}

function blamed(c: Consortium, names: readonly string[], code: string): number {
  const faults = c.faults.filter(f => f.fault.code === code && names.includes(f.peer))
  expect(c.faults.filter(f => f.fault.code === code && !names.includes(f.peer))).toEqual([])
  return faults.length
}

describe('lies', { timeout: 120_000 }, () => {
  const one = () => ['hospital-003']
  /** Who decides the first round pushes its entry first. */
  const decider = (plain: Consortium) => firstDraw(plain).deciders.slice(0, 1)

  it('a sum that the committee has not certified is refused', () => {
    const { c, names } = lied(one, (_, bytes) =>
      altered(bytes, 'committeeSum', (body: { data: Uint8Array }) => ({ ...body, data: flip(body.data) })),
    )
    expect(blamed(c, names, 'badSum')).toBeGreaterThan(0)
  })

  it('a sum under a certificate of another entry is refused', () => {
    const { c, names } = lied(one, (_, bytes) =>
      altered(bytes, 'committeeSum', (body: { closed: { entry: Uint8Array } }) => {
        const entry = decodeEntry(body.closed.entry)
        if (!entry.ok) return body
        return {
          ...body,
          closed: { ...body.closed, entry: encodeEntry({ ...entry.value, at: entry.value.at + 1 }) },
        }
      }),
    )
    expect(blamed(c, names, 'badSum')).toBeGreaterThan(0)
  })

  it('an entry that the deciders have not certified is refused', () => {
    const { c, names } = lied(decider, (_, bytes) =>
      altered(bytes, 'entry', (body: { entry: Uint8Array }) => {
        const entry = decodeEntry(body.entry)
        return entry.ok ? { ...body, entry: encodeEntry({ ...entry.value, at: entry.value.at + 1 }) } : body
      }),
    )
    expect(blamed(c, names, 'badCertificate')).toBeGreaterThan(0)
  })

  it('a model of another hash is refused', () => {
    const { c, names } = lied(decider, (_, bytes) =>
      altered(bytes, 'modelPart', (body: { data: Uint8Array }) => {
        const data = body.data.slice()
        data[17]! ^= 1
        return { ...body, data }
      }),
    )
    expect(blamed(c, names, 'badModel')).toBeGreaterThan(0)
  })

  it.each<[string, (body: CommitteesSummed) => CommitteesSummed]>([
    ['another sum', body => ({ ...body, sum: flip(body.sum) })],
    [
      'other seeds of a committee',
      body => ({
        ...body,
        committees: body.committees.map((c, i) => (i === 0 ? { ...c, seeds: flip(c.seeds) } : c)),
      }),
    ],
    ['another model', body => ({ ...body, model: flip(body.model) })],
    ['another number of rows', body => ({ ...body, samples: body.samples + 1 })],
    [
      'one committee less',
      body => ({ ...body, committees: body.committees.slice(1), missing: [body.committees[0]!.index] }),
    ],
    [
      'a fault that no committee named',
      body => ({ ...body, faults: [{ member: 'hospital-001', code: 'badTag' }] }),
    ],
  ])('a decider that proposes %s gets no votes', (_, change) => {
    // Whose turn it is first: voter (height + view) of the deciders in their order.
    const { c, names, rounds } = lied(
      plain => firstDraw(plain).deciders.slice(1, 2),
      (config, bytes) => {
        const raw = openEnvelope(bytes)
        if (!raw.ok || raw.value.type !== 'proposal' || !isConsensusType(raw.value.type)) return bytes
        const m = parseConsensus(raw.value)
        const entry = m.ok && m.value.type === 'proposal' ? decodeEntry(m.value.value) : undefined
        if (
          !m.ok ||
          m.value.type !== 'proposal' ||
          !entry?.ok ||
          entry.value.body.kind !== 'CommitteesSummed'
        )
          return bytes
        const value = encodeEntry({ ...entry.value, body: change(entry.value.body) })
        const body = proposalBody(m.value.height, m.value.view, m.value.validView, value)
        return sealEnvelope(
          { network: config.network, type: 'proposal', from: config.self, seed: config.seed },
          body,
        )
      },
    )
    expect(rounds[0]!.body.missing).toEqual([])
    expect(rounds[0]!.body.faults).toEqual([])
    expect(c.faults.filter(f => f.fault.code === 'invalidProposal' && !names.includes(f.peer))).toEqual([])
  })
})
