/** A world: time, misuse, and what its observers see. */
import { describe, expect, it } from 'vitest'
import type { Observer } from '../../../sim/observer.ts'
import { tapsOf } from '../../../sim/taps.ts'
import { learnJob } from '../../ports/rig.ts'
import { consortium } from '../../support/consortium.ts'
import { alike, bytesOf, scripted } from '../../support/scripted.ts'

const network = alike({ latencyMs: 20 })

describe('time', () => {
  it('passes to the end of a run, also where nothing happens', () => {
    const { world } = scripted({ n: 1 })
    const start = world.now
    expect(world.run(() => false, 1000)).toBe(false)
    expect(world.now - start).toBe(1000)
    const seen: number[] = []
    world.at(500, () => void seen.push(world.now - start))
    world.at(400, () => world.at(700, () => void seen.push(world.now - start)))
    expect(world.run(() => false, 800)).toBe(false)
    expect(seen).toEqual([1500])
    expect(world.run(() => seen.length === 2, 10_000)).toBe(true)
    expect(seen).toEqual([1500, 2100])
    expect(world.now - start).toBe(2100)
  })
})

describe('misuse', () => {
  const s = scripted({ n: 2, network }).startAll()
  const { world } = s
  const [a] = s.ids
  it.each([
    ['an unknown host', () => world.start('nobody')],
    ['a start of a host that is up', () => world.start(a!)],
    ['a link to itself', () => world.cut(a!, a!)],
    ['a clog of less than nothing', () => world.clog(a!, s.id(1), -1)],
    ['a factor of nothing', () => world.slow(a!, 0)],
    ['two hosts of one name', () => scripted({ n: 2, site: () => ({ id: 'x' }) })],
  ])('%s is refused', (_, act) => {
    expect(act).toThrow(RangeError)
  })

  it('what is down neither crashes nor stands still', () => {
    const t = scripted({ n: 1 })
    expect(() => t.world.crash(t.id(0))).toThrow(/down/)
    expect(() => t.world.pause(t.id(0))).toThrow(/down/)
  })

  it('a machine that throws ends the run, unless somebody takes note', () => {
    const answer = () => {
      throw new Error('invariant')
    }
    expect(() => scripted({ n: 1, answer }).startAll()).toThrow('invariant')
    const broken: string[] = []
    const t = scripted({
      n: 2,
      answer,
      onBroken: (h, e) => void broken.push(`${h.id} ${(e as Error).message}`),
    })
    t.startAll()
    expect(broken).toEqual(t.ids.map(id => `${id} invariant`))
    expect(t.ids.some(id => t.world.host(id).up)).toBe(false)
  })
})

describe('observers', () => {
  it('see all that happens, in its order', () => {
    const log: string[] = []
    const observer: Observer = {
      onWorld: w => void log.push(`world of ${w.hosts.size}`),
      onStart: h => void log.push(`${h.index} start`),
      onCrash: (h, why) => void log.push(`${h.index} crash ${why}`),
      onInput: (h, i, now) => void log.push(`${h.index} input ${i.kind} ${now === h.now}`),
      onOutput: (h, i, o) => void log.push(`${h.index} output ${i.kind} ${o.effects.length}`),
      onCommit: (h, puts, deletes) => void log.push(`${h.index} commit ${puts.length} ${deletes}`),
      onLostCommit: (h, keys, how) => void log.push(`${h.index} ${how} ${keys}`),
      onRelease: (h, to, bytes) => void log.push(`${h.index} release ${to ?? 'all'} ${bytes.length}`),
      onHop: hop => void log.push(`hop ${hop.from} ${hop.to} ${hop.via}`),
      onDelivered: hop => void log.push(`delivered ${hop.from} ${hop.to} ${hop.via}`),
      onJob: (h, j, r) => void log.push(`${h.index} job ${j.kind} ${r.kind}`),
      onEvent: (h, e) => void log.push(`${h.index} event ${e.kind}`),
      onFault: (h, peer, f) => void log.push(`${h.index} fault ${peer} ${f.code}`),
      onInjected: w => void log.push(`injected ${w.kind} ${w.hospitals} ${w.detail}`),
    }
    let after = 0
    const s = scripted({
      n: 2,
      network,
      observers: [observer, { afterEvent: () => void after++ }],
      site: i => (i === 1 ? { diskMs: () => 50 } : {}),
    }).startAll()
    const [a, b] = s.ids
    expect(log).toContain('world of 2')
    expect(log.indexOf('0 start')).toBe(log.indexOf('0 input start true') - 1)
    expect(after).toBe(s.world.events)
    log.length = 0
    s.act(
      0,
      {
        kind: 'store',
        puts: [['k', bytesOf('v')]],
        deletes: ['gone'],
        release: [{ kind: 'publish', bytes: bytesOf('p') }],
      },
      { kind: 'fault', peer: b!, fault: { code: 'badTag', detail: '' } },
      { kind: 'event', event: { kind: 'settled' } },
      { kind: 'job', id: 1, job: learnJob(1) },
    )
    s.pass(100)
    expect(log).toEqual([
      '0 input tick true',
      '0 output tick 4',
      '0 commit 1 gone',
      '0 release all 1',
      `hop ${a} ${b} gossip`,
      `0 fault ${b} badTag`,
      '0 event settled',
      '0 job learn learn',
      '0 input jobDone true',
      '0 output jobDone 0',
      `delivered ${a} ${b} gossip`,
      '1 input message true',
      '1 output message 0',
    ])
    log.length = 0
    s.act(1, { kind: 'store', puts: [['q', bytesOf('v')]], deletes: [], release: [] })
    s.world.crash(b!)
    s.world.inject({ kind: 'outage', hospitals: [a!], detail: 'for 3 s', forMs: 3000 })
    expect(log.slice(2)).toEqual(['1 lost q', '1 crash scheduled', `injected outage ${a} for 3 s`])
    expect(s.injected.at(-1)).toMatchObject({ forMs: 3000, at: s.world.now })
  })

  it('that do not look cost nothing: there is no tap for them', () => {
    expect(tapsOf([])).toEqual({})
    expect(Object.keys(tapsOf([{ onHop: () => {} }, { afterEvent: () => {} }]))).toEqual([
      'onHop',
      'afterEvent',
    ])
    const calls: number[] = []
    const tap = tapsOf([{ afterEvent: () => void calls.push(1) }, { afterEvent: () => void calls.push(2) }])
    tap.afterEvent!(0)
    expect(calls).toEqual([1, 2])
  })
})

describe('links of a world', () => {
  it('tell of what they lose and reorder, and lose no message', () => {
    const s = scripted({
      n: 3,
      network: alike({ latencyMs: { base: 10, jitter: 5 }, lossRate: 0.1, reorderRate: 0.1 }),
    }).startAll()
    for (let k = 0; k < 200; k++) {
      s.world.at(k * 10, () => {
        s.send(0, 1, `s${k}`)
        s.publish(2, `g${k}`)
      })
    }
    s.pass(60_000)
    expect(s.texts(1, 'stream')).toEqual(Array.from({ length: 200 }, (_, k) => `s${k}`))
    expect(new Set(s.texts(1, 'gossip')).size).toBe(200)
    expect(s.losses).toEqual([])
    const kinds = new Set(s.injected.map(i => i.kind))
    expect([...kinds].sort()).toEqual(['loss', 'reorder'])
    expect(s.delivered.every(d => d.sentAt !== undefined && d.sentAt < s.world.now)).toBe(true)
  })
})

it('a study with all that can befall it ends, and a seed makes one course', { timeout: 120_000 }, () => {
  const course = (seed: number) => {
    const c = consortium({
      n: 5,
      f: 1,
      rounds: 2,
      seed,
      world: {
        network: {
          links: () => ({
            latencyMs: { base: 10, jitter: 10 },
            lossRate: 0.02,
            duplicateRate: 0.02,
            reorderRate: 0.02,
          }),
        },
      },
      site: id => ({
        nat: id.endsWith('1') || id.endsWith('2'),
        uplinkMbps: 10,
        diskMs: r => r.draw({ base: 1, jitter: 3 }),
        jobMs: (_job, r) => r.draw({ from: 20, to: 200 }),
        clockDriftPpm: 50,
      }),
    })
    const { world } = c
    const [, b, d, e] = [...world.hosts.keys()]
    world.startAll()
    world.at(300, () => world.at(2500, world.cut(b!, d!)))
    world.at(500, () => world.at(1500, world.pause(e!)))
    world.at(900, () => world.crash(d!, 'torn', 'vanished'))
    world.at(4000, () => world.start(d!))
    world.at(6000, () => world.at(9000, world.isolate(b!)))
    world.at(20_000, () => world.heal())
    expect(world.run(() => c.finished(), 300_000)).toBe(true)
    const models = new Set([...world.hosts.values()].map(h => h.peer!.state.modelHash.join()))
    expect(models.size).toBe(1)
    return `${world.events} ${world.now} ${[...models][0]}`
  }
  expect(course(3)).toBe(course(3))
  expect(course(4)).not.toBe(course(3))
})
