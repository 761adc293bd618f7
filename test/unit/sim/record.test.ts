import { describe, expect, it } from 'vitest'
import { toHex } from '../../../protocol/bytes.ts'
import { encodeRecord } from '../../../protocol/ledger/certificate.ts'
import { encodeEntry } from '../../../protocol/ledger/entry.ts'
import { stateHash } from '../../../protocol/model/state.ts'
import type { Event, Job, ModelState, Output } from '../../../protocol/ports.ts'
import type { SimHost } from '../../../sim/host.ts'
import { Recorder, type RecorderOptions } from '../../../sim/record.ts'
import type { World } from '../../../sim/world.ts'

const START = 1_800_000_000_000
const MODEL: ModelState = {
  parameters: Float32Array.of(1, 2),
  mean: new Float64Array(0),
  deviation: new Float64Array(0),
}

/** A recorder, and a world that tells it what a test says. */
class Stage {
  readonly recorder: Recorder
  /** Bytes that each has sent; it received a tenth. */
  readonly sent: Record<string, number> = {}
  readonly world = {
    now: START,
    traffic: (id: string) => {
      const bytesSent = this.sent[id] ?? 0
      return { bytesSent, bytesReceived: bytesSent / 10, messagesSent: 3 }
    },
  }
  readonly hosts: Readonly<Record<string, SimHost>>

  constructor(ids: readonly string[], options: Partial<RecorderOptions> = {}) {
    this.recorder = new Recorder({
      hospitals: ids.map(id => ({ id, site: 'clinic', behaviour: undefined })),
      ...options,
    })
    this.hosts = Object.fromEntries(ids.map(id => [id, { id, model: MODEL } as unknown as SimHost]))
    this.recorder.onWorld(this.world as unknown as World)
    for (const id of ids) this.recorder.onStart(this.hosts[id]!)
  }

  at(ms: number): this {
    this.world.now = START + ms
    return this
  }

  say(id: string, event: Event): this {
    this.recorder.onEvent(this.hosts[id]!, event)
    return this
  }

  round(id: string) {
    return this.recorder.recorded().hospitals.find(h => h.id === id)!
  }
}

const opened = (
  round: number,
  cohort: readonly string[],
  absent: readonly string[] = [],
  attempt = 0,
): Event => ({
  kind: 'roundOpened',
  round,
  attempt,
  task: 'train',
  cohort,
  absent,
})
const fixed = (
  round: number,
  survivors: readonly string[],
  out: readonly string[] = [],
  attempt = 0,
): Event => ({
  kind: 'survivorsFixed',
  round,
  attempt,
  survivors,
  leftOut: out.map(member => ({ member, reason: 'silent' })),
})
const closed = (round: number, attempt = 0, modelHash = 'm'): Event => ({
  kind: 'roundClosed',
  round,
  attempt,
  task: 'train',
  modelHash,
  metrics: { testSamples: 9, auc: 0.7, accuracy: 0.6, loss: 0.5 },
  faults: [{ member: 'c', fault: 'badShard' }],
})
const abortedRecord = (member: string) =>
  encodeRecord({
    entry: encodeEntry({
      height: 9,
      prev: new Uint8Array(32),
      at: START,
      body: {
        kind: 'RoundAborted',
        round: 4,
        attempt: 0,
        reason: 'culprit',
        culprits: [{ member, code: 'unshared', evidence: [] }],
        conflicts: [],
      },
    }),
    certificate: { view: 0, votes: [] },
  })
const delivered = (round: number, attempt = 0): Event => ({
  kind: 'phase',
  round,
  attempt,
  phase: 'delivered',
})
const learning = (round: number): Output => ({
  // As the machine does it: what starts the job waits for a record to be durable.
  effects: [
    {
      kind: 'store',
      puts: [],
      deletes: [],
      release: [{ kind: 'job', id: 1, job: { kind: 'learn', round } as Job }],
    },
  ],
  wakeAt: undefined,
  verdict: undefined,
})
const hop = (from: string, to: string, size: number, sentAt?: number) => ({
  from,
  to,
  via: 'gossip' as const,
  bytes: new Uint8Array(size),
  ...(sentAt === undefined ? {} : { sentAt: START + sentAt }),
})

describe('rounds', () => {
  it('are told by the first of each event, whoever says it, with times since the start', () => {
    const s = new Stage(['a', 'b', 'c'])
    s.at(100).say('a', opened(1, ['a', 'b'], ['c']))
    s.at(130).say('b', opened(1, ['a', 'b'], ['c']))
    s.at(300).recorder.onJob(s.hosts.a!, { kind: 'learn', round: 1 } as Job)
    s.at(350).recorder.onJob(s.hosts.b!, { kind: 'learn', round: 1 } as Job)
    s.at(400).say('a', delivered(1))
    s.at(900).say('a', fixed(1, ['a'], ['b']))
    s.at(950).say('b', delivered(1))
    s.at(1000).say('b', closed(1))
    s.at(1010).say('a', closed(1))
    s.at(1200).say('c', closed(1))
    const { rounds, virtualMs } = s.at(2000).recorder.recorded()
    expect(virtualMs).toBe(2000)
    expect(rounds).toMatchObject([
      {
        round: 1,
        task: 'train',
        attempts: 1,
        openedAt: 100,
        // b's training and delivery are not in the sum.
        learnedAt: 300,
        deliveredAt: 400,
        fixedAt: 900,
        closedAt: 1000,
        closedEverywhereAt: 1200,
        cohort: ['a', 'b'],
        survivors: ['a'],
        leftOut: [
          { member: 'c', reason: 'absent' },
          { member: 'b', reason: 'silent' },
        ],
        accused: [{ member: 'c', code: 'badShard' }],
        metrics: { auc: 0.7 },
      },
    ])
  })

  it('have their attempts, and the cohort of the last one; its culprits are missing like the absent', () => {
    const s = new Stage(['a', 'b', 'cc', 'd', 'e'])
    const aborted: Event = { kind: 'roundAborted', round: 4, attempt: 0, reason: 'culprit', culprits: ['cc'] }
    s.at(10).say('a', opened(4, ['a', 'b', 'cc', 'd', 'e']))
    s.at(50).recorder.onCommit(s.hosts.a!, [['ledger/000000000009', abortedRecord('cc')]])
    s.at(51).say('a', aborted)
    s.at(60).say('b', aborted)
    s.at(80).say('a', opened(4, ['a', 'b'], ['d'], 1))
    // A straggler tells of what is over.
    s.at(85).say('cc', opened(4, ['a', 'b', 'cc', 'd', 'e']))
    s.at(90).say('a', fixed(4, ['a', 'b'], [], 1))
    s.at(99).say('a', closed(4, 1))
    const [round] = s.recorder.recorded().rounds
    expect(round).toMatchObject({ attempts: 2, openedAt: 10, cohort: ['a', 'b'], survivors: ['a', 'b'] })
    expect(round!.leftOut).toEqual([
      { member: 'd', reason: 'absent' },
      { member: 'cc', reason: 'excluded' },
      { member: 'e', reason: 'conflict' },
    ])
    const culprits = [{ member: 'cc', code: 'unshared' }]
    expect(round!.tries).toEqual([
      {
        attempt: 0,
        committee: undefined,
        openedAt: 10,
        fixedAt: undefined,
        endedAt: 51,
        cohort: 5,
        aborted: 'culprit',
        culprits,
      },
      {
        attempt: 1,
        committee: undefined,
        openedAt: 80,
        fixedAt: 90,
        endedAt: 99,
        cohort: 2,
        aborted: undefined,
        culprits: [],
      },
    ])
  })

  it('of committees begin with the lot, and end with who is in the sum; attempts are those of the slowest committee', () => {
    const s = new Stage(['a', 'b', 'c', 'd'])
    const drawn = (index: number, ...members: string[]): Event => ({
      kind: 'committee',
      round: 2,
      index,
      of: 2,
      members,
      decides: index === 0,
    })
    const gaveUp = (attempt: number): Event => ({
      kind: 'roundAborted',
      round: 2,
      attempt,
      reason: 'culprit',
      culprits: ['b'],
    })
    s.at(10)
      .say('a', drawn(0, 'a', 'b'))
      .say('b', drawn(0, 'a', 'b'))
    s.at(12)
      .say('c', drawn(1, 'c', 'd'))
      .say('d', drawn(1, 'c', 'd'))
    s.at(20).say('a', { kind: 'phase', round: 2, attempt: 0, phase: 'sharing' })
    s.at(40).say('a', gaveUp(0))
    s.at(41).say('b', gaveUp(0))
    s.at(60).say('c', gaveUp(0)).say('d', gaveUp(0))
    s.at(70).say('a', gaveUp(1))
    for (const [id, at] of [
      ['a', 100],
      ['c', 110],
      ['b', 130],
    ] as const) {
      s.at(at).recorder.onJob(s.hosts[id]!, { kind: 'learn', round: 2 } as Job)
      s.at(at + 1).say(id, delivered(2, 1))
      s.at(at + 50).say(id, { kind: 'phase', round: 2, attempt: 1, phase: 'revealed' })
    }
    s.at(200)
      .say('d', fixed(2, ['a', 'c'], ['b', 'd']))
      .say('d', closed(2))
    const { rounds, hospitals } = s.at(210).recorder.recorded()
    expect(rounds[0]).toMatchObject({
      attempts: 3,
      openedAt: 10,
      learnedAt: 110,
      deliveredAt: 111,
      // When the last of the survivors began to open its committee's sum.
      fixedAt: 160,
      closedAt: 200,
      cohort: ['a', 'c', 'b', 'd'],
      survivors: ['a', 'c'],
    })
    expect(rounds[0]!.leftOut.map(l => l.member)).toEqual(['b', 'd'])
    expect(rounds[0]!.tries.map(t => [t.committee, t.attempt, t.cohort, t.openedAt, t.endedAt])).toEqual([
      [undefined, 0, 4, 10, 200],
      [0, 0, 2, 10, 40],
      [1, 0, 2, 10, 60],
      [0, 1, 2, 40, 70],
    ])
    expect(hospitals[0]!.spans.slice(1, 4).map(x => [x.what, x.from, x.to])).toEqual([
      ['between', 10, 20],
      ['sharing', 20, 40],
      ['between', 40, 101],
    ])
  })

  it('bear records that are none, and know the culprits by their event alone', () => {
    const s = new Stage(['a', 'b'])
    s.say('a', opened(4, ['a', 'b']))
    s.recorder.onCommit(s.hosts.a!, [
      ['consensus/1', new Uint8Array(3)],
      ['ledger/000000000001', new Uint8Array(3)],
    ])
    s.say('a', { kind: 'roundAborted', round: 4, attempt: 0, reason: 'culprit', culprits: ['b'] })
    expect(s.recorder.recorded().rounds[0]!.tries[0]!.culprits).toEqual([{ member: 'b', code: '' }])
  })

  it('are known everywhere when all who were up at their end know; who goes down is not waited for', () => {
    const s = new Stage(['a', 'b', 'c', 'd'])
    s.at(5).recorder.onCrash(s.hosts.d!, 'scheduled')
    s.at(10).say('a', closed(1))
    s.at(20).say('b', closed(1))
    s.at(30).recorder.onCrash(s.hosts.c!, 'scheduled')
    s.at(40).recorder.onStart(s.hosts.d!)
    s.at(50).say('d', closed(1))
    s.at(60).say('a', closed(2))
    const { rounds } = s.recorder.recorded()
    expect(rounds.map(r => [r.closedAt, r.closedEverywhereAt])).toEqual([
      [10, 30],
      [60, undefined],
    ])
  })

  it('need no event before another: what was not told stays open', () => {
    const s = new Stage(['a', 'b'])
    s.at(10).say('a', closed(3))
    s.at(20).say('a', fixed(4, ['a']))
    s.at(25).say('b', opened(4, ['a', 'b'], ['c']))
    s.at(26).say('a', opened(5, ['a', 'b'], ['c'], 1))
    s.at(27).say('b', opened(5, ['a', 'b', 'c']))
    const { rounds } = s.at(30).recorder.recorded()
    expect(rounds[2]).toMatchObject({ round: 5, attempts: 2, cohort: ['a', 'b'] })
    expect(rounds[2]!.tries.map(t => t.attempt)).toEqual([0, 1])
    expect(rounds[0]).toMatchObject({ round: 3, openedAt: 10, closedAt: 10, cohort: [], survivors: [] })
    expect(rounds[1]).toMatchObject({
      round: 4,
      closedAt: undefined,
      cohort: ['a', 'b'],
      survivors: ['a'],
      leftOut: [{ member: 'c', reason: 'absent' }],
    })
  })

  it('count the bytes of all hospitals while they were open', () => {
    const s = new Stage(['a', 'b'])
    s.sent.a = 5
    s.at(10).say('a', opened(1, ['a', 'b']))
    Object.assign(s.sent, { a: 75, b: 30 })
    s.at(20).say('b', closed(1))
    s.sent.b = 41
    s.at(30).say('b', opened(2, ['a', 'b']))
    s.sent.b = 49
    expect(s.recorder.recorded().rounds.map(r => r.bytes)).toEqual([100, 8])
  })

  it('have the distance of the model that the ledger names, from whoever holds it', () => {
    const s = new Stage(['a', 'b'], { distance: m => m.parameters[0]! + 41 })
    const hash = toHex(stateHash(MODEL))
    s.at(1).say('a', closed(1, 0, 'another'))
    s.at(2).say('a', closed(2, 0, 'another'))
    s.at(3).say('b', closed(2, 0, hash))
    expect(s.recorder.recorded().rounds.map(r => r.distance)).toEqual([undefined, 42])
  })
})

describe('a hospital', () => {
  it('has its phases one after the other, with the time down, and what struck it', () => {
    const s = new Stage(['a', 'b'])
    s.at(100).say('a', opened(1, ['a', 'b']))
    s.at(110).recorder.onOutput(s.hosts.a!, { kind: 'tick' }, learning(1))
    s.at(300).recorder.onJob(s.hosts.a!, { kind: 'learn', round: 1 } as Job)
    s.at(320).say('a', delivered(1))
    s.at(400).recorder.onCrash(s.hosts.a!, 'step')
    s.at(500).recorder.onStart(s.hosts.a!)
    s.say('a', { kind: 'started', height: 3, round: 1 })
    s.at(600).say('a', fixed(1, ['b'], ['a']))
    s.at(650).say('a', closed(1))
    s.at(700).recorder.onInjected({
      at: START + 700,
      kind: 'outage',
      hospitals: ['a'],
      detail: '',
      forMs: 100,
    })
    s.at(900).say('a', opened(2, ['b'], ['a']))
    s.at(950).say('a', { kind: 'studyFinished', rounds: 1, modelHash: 'm' })
    const a = s.at(1000).round('a')
    expect(a.spans.map(x => [x.what, x.round, x.from, x.to])).toEqual([
      ['between', 0, 0, 100],
      ['sharing', 1, 100, 110],
      ['learning', 1, 110, 300],
      ['sharing', 1, 300, 320],
      ['delivered', 1, 320, 400],
      ['crash', 1, 400, 500],
      ['between', 1, 500, 600],
      ['opening', 1, 600, 650],
      ['between', 2, 650, 900],
      ['outage', 2, 700, 800],
      ['aside', 2, 900, 950],
      ['finished', 2, 950, 1000],
    ])
    expect(a).toMatchObject({ crashes: 1, downMs: 100, struckMs: 100, roundsIn: 0, finished: true })
  })

  it('trains also where the effect that starts it comes with the event of the round', () => {
    const s = new Stage(['a'])
    s.at(10).recorder.onOutput(s.hosts.a!, { kind: 'tick' }, learning(1))
    s.say('a', opened(1, ['a']))
    expect(s.at(20).round('a').spans.at(-1)).toMatchObject({ what: 'learning', from: 10, to: 20 })
  })

  it('is down until it starts, and counts the rounds that its input is in', () => {
    const s = new Stage(['a'], {
      hospitals: ['a', 'late'].map(id => ({ id, site: 'x', behaviour: undefined })),
    })
    s.at(1).say('a', fixed(1, ['a', 'late']))
    s.at(2).say('a', closed(1))
    s.at(3).say('a', fixed(2, ['a', 'late']))
    const { hospitals } = s.at(10).recorder.recorded()
    expect(hospitals[1]).toMatchObject({ downMs: 10, roundsIn: 1 })
    expect(hospitals[1]!.spans).toEqual([{ kind: 'down', what: 'not started', round: 0, from: 0, to: 10 }])
  })

  it('has the traffic of its line; sizes and latencies are those of hops', () => {
    const s = new Stage(['a', 'b'])
    s.sent.a = 600
    s.recorder.onHop(hop('a', 'b', 100, 0))
    s.recorder.onHop(hop('a', 'b', 50, 0))
    s.recorder.onLoss(hop('a', 'b', 50), 'cut')
    s.at(40).recorder.onDelivered(hop('a', 'b', 100, 0))
    const { hospitals, lostByReason, latencyMs, messageBytes } = s.recorder.recorded()
    expect(hospitals.map(h => [h.bytesSent, h.bytesReceived, h.messages])).toEqual([
      [600, 60, 3],
      [0, 0, 3],
    ])
    expect(lostByReason).toEqual({ cut: 1 })
    expect(latencyMs).toMatchObject({ count: 1, p50: 40 })
    expect(messageBytes).toMatchObject({ count: 2, min: 50, max: 100 })
  })
})

describe('faults', () => {
  it('that last are kept with their time since the start and end when the scenario heals; all are counted', () => {
    const s = new Stage(['a'], { healAtMs: 1000 })
    const inject = (kind: string, at: number, hospitals: string[], forMs?: number) =>
      s.at(at).recorder.onInjected({ at: START + at, kind, hospitals, detail: 'x', ...(forMs && { forMs }) })
    inject('outage', 100, ['a'], 50)
    inject('crash', 900, ['a'], 500)
    inject('duplicate', 950, ['a'])
    inject('duplicate', 960, [])
    const { injected, injectedByKind } = s.at(2000).recorder.recorded()
    expect(injected.map(i => [i.kind, i.at, i.forMs])).toEqual([
      ['outage', 100, 50],
      ['crash', 900, 100],
    ])
    expect(injectedByKind).toEqual({ crash: 1, duplicate: 2, outage: 1 })
  })
})

describe('a very long run', () => {
  it('keeps all rounds, and a bounded number of everything else', () => {
    const s = new Stage(['a', 'b'])
    const rounds = 25_000
    for (let round = 0; round < rounds; round++) {
      const at = 100 * round
      s.at(at).recorder.onInjected({ at: START + at, kind: 'outage', hospitals: ['a'], detail: '', forMs: 7 })
      s.at(at + 10).say('a', opened(round, ['a', 'b']))
      s.at(at + 20).say('a', delivered(round))
      s.at(at + 30).say('a', fixed(round, ['a', 'b']))
      s.at(at + 40).say('a', closed(round))
      s.at(at + 45).say('b', closed(round))
    }
    const r = s.at(100 * rounds).recorder.recorded()
    expect(r.rounds).toHaveLength(rounds)
    expect(r.rounds.every(x => x.closedEverywhereAt !== undefined)).toBe(true)
    // All list the same members: the lists are kept once.
    expect(new Set(r.rounds.flatMap(x => [x.cohort, x.survivors])).size).toBe(1)
    expect(r.injected.length).toBe(20_000)
    expect(r.injectedByKind).toEqual({ outage: rounds })
    const [a] = r.hospitals
    expect(a!.spans.length).toBeLessThanOrEqual(200_000)
    expect(a!.struckMs).toBe(7 * rounds)
    expect(a!.roundsIn).toBe(rounds)
  })

  it('of many hospitals keeps so few stretches of each that all together are bounded', () => {
    const ids = Array.from({ length: 1000 }, (_, i) => `h${i}`)
    const s = new Stage(ids)
    for (let round = 0; round < 100; round++) {
      for (const id of ids.slice(0, 3)) {
        s.at(round * 10).say(id, opened(round, ids.slice(0, 3)))
        s.at(round * 10 + 4).say(id, delivered(round))
        s.at(round * 10 + 8).say(id, closed(round))
      }
    }
    const { hospitals } = s.at(2000).recorder.recorded()
    expect(Math.max(...hospitals.map(h => h.spans.length))).toBeLessThanOrEqual(200)
  })
})
