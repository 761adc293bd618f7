/** Faults on a world that only writes down what is done to it, and when. */
import { describe, expect, it } from 'vitest'
import type { FaultSpec, ScenarioInput } from '../../../../config/scenario.ts'
import { checkScenario } from '../../../../config/scenario-parse.ts'
import { EventHeap } from '../../../../sim/heap.ts'
import type { SimHost } from '../../../../sim/host.ts'
import { Random } from '../../../../sim/random.ts'
import { castOf } from '../../../../sim/scenario/cast.ts'
import { playFaults } from '../../../../sim/scenario/faults.ts'
import { StepCrash } from '../../../../sim/scenario/step-crash.ts'
import type { World } from '../../../../sim/world.ts'

type Fault = NonNullable<ScenarioInput['faults']>[number]

const LIMIT_MS = 100_000

/** What was done, as `12 crash a-01 lost`; `12 end isolate a-01`: undone. */
function played(faults: Fault[], more: Partial<ScenarioInput> = {}, seed = 1, steps = new StepCrash()) {
  const scenario = checkScenario({
    format: 'medmesh-scenario/1',
    title: 'T',
    description: 'D',
    sites: [{ name: 'aa', count: 3 }, { name: 'bb' }],
    limitMs: LIMIT_MS,
    faults,
    ...more,
  })
  const heap = new EventHeap()
  const log: string[] = []
  const down = new Set<string>()
  let now = 1000
  const say = (text: string) => void log.push(`${Math.round(now - 1000)} ${text}`)
  const doing = (text: string) => {
    say(text)
    return () => say(`end ${text}`)
  }
  const world = {
    get now() {
      return now
    },
    at: (inMs: number, run: () => void) => heap.push(now + inMs, run),
    host: (id: string) => ({ id, up: !down.has(id) }) as SimHost,
    inject: (what: { kind: string; hospitals: readonly string[]; detail: string; forMs: number }) =>
      say(`told ${what.kind} ${what.hospitals.join()} ${what.detail}`),
    crash: (id: string, disk: string, how: string) => {
      down.add(id)
      say(`crash ${id} ${disk} ${how}`)
    },
    start: (id: string) => {
      down.delete(id)
      say(`start ${id}`)
    },
    isolate: (id: string) => doing(`isolate ${id}`),
    cut: (a: string, b: string) => doing(`cut ${a} ${b}`),
    block: (a: string, b: string) => doing(`block ${a} ${b}`),
    clog: (a: string, b: string, ms: unknown) => doing(`clog ${a} ${b} ${JSON.stringify(ms)}`),
    pause: (id: string) => doing(`pause ${id}`),
    slow: (id: string, factor: number) => doing(`slow ${id} ${factor}`),
  } as unknown as World
  const cast = castOf(scenario, seed)
  playFaults({ world, cast, steps, slow: new Set() }, scenario, seed)
  const end = now + LIMIT_MS
  const runUntil = (time: number) => {
    while (heap.nextAt <= time) {
      now = heap.nextAt
      heap.pop()!()
    }
  }
  runUntil(end)
  return { log, without: (word: string) => log.filter(l => !l.includes(` ${word} `)), down }
}

const once = (kind: FaultSpec['kind'], more: object): Fault =>
  ({ kind, who: ['bb'], when: { atMs: 10 }, forMs: 5, ...more }) as Fault

describe('each kind', () => {
  it.each<[Fault, string[]]>([
    [
      once('crash', { disk: 'torn' }),
      ['10 told crash bb for 5 ms, open commits torn', '10 crash bb torn killed', '15 start bb'],
    ],
    [
      once('crash', { what: 'machine' }),
      [
        '10 told crash bb for 5 ms, with its whole machine, open commits lost',
        '10 crash bb lost vanished',
        '15 start bb',
      ],
    ],
    [once('outage', {}), ['10 told outage bb for 5 ms', '10 isolate bb', '15 end isolate bb']],
    [once('pause', {}), ['10 told pause bb for 5 ms', '10 pause bb', '15 end pause bb']],
    [
      once('slow', { factor: 7 }),
      ['10 told slow bb for 5 ms, 7 times slower', '10 slow bb 7', '15 end slow bb 7'],
    ],
  ])('strikes when it is meant to, and ends: %o', (fault, log) => {
    expect(played([fault]).log).toEqual(log)
  })

  it.each([
    [
      'both',
      [...blocks('bb', ['aa-01', 'aa-02', 'aa-03']), ...blocks('bb', ['aa-01', 'aa-02', 'aa-03'], true)],
    ],
    ['out', blocks('bb', ['aa-01', 'aa-02', 'aa-03'])],
    ['in', blocks('bb', ['aa-01', 'aa-02', 'aa-03'], true)],
  ])('partition %s cuts the one from the others in that direction', (direction, expected) => {
    const { log } = played([once('partition', { direction })])
    expect(log.filter(l => l.startsWith('10 block')).sort()).toEqual(expected.map(b => `10 ${b}`).sort())
    expect(log.filter(l => l.startsWith('15 end')).sort()).toEqual(expected.map(b => `15 end ${b}`).sort())
  })

  it('partition leaves those that are cut off together with each other', () => {
    const { log } = played([once('partition', { who: ['aa'] })])
    expect(log.filter(l => l.startsWith('10 block'))).toHaveLength(6)
    expect(log.some(l => /block aa-0\d aa/.test(l))).toBe(false)
  })

  it('linkdown cuts each from one other', () => {
    const { log } = played([once('linkdown', { who: ['aa-01', 'bb'] })])
    const cuts = log.filter(l => l.startsWith('10 cut'))
    expect(cuts).toHaveLength(2)
    for (const cut of cuts) expect(cut.split(' ')[2]).not.toBe(cut.split(' ')[3])
  })

  it('clog slows all its links, both ways', () => {
    const { log } = played([once('clog', { delayMs: { from: 1, to: 2 } })])
    expect(log.filter(l => l.startsWith('10 clog'))).toHaveLength(6)
    expect(log.filter(l => l.startsWith('15 end clog'))).toHaveLength(6)
    expect(log[1]).toContain('{"from":1,"to":2}')
  })
})

function blocks(a: string, others: readonly string[], inward = false): string[] {
  return others.map(b => (inward ? `block ${b} ${a}` : `block ${a} ${b}`))
}

const struck = (log: readonly string[]) =>
  log.filter(l => l.includes('told')).map(l => ({ at: Number(l.split(' ')[0]), who: l.split(' ')[3]! }))

describe('when', () => {
  it('strikes at a period, from the first time on', () => {
    const at = (when: object) => struck(played([once('outage', { when })]).log).map(s => s.at)
    expect(at({ everyMs: 30_000, firstMs: 5 })).toEqual([5, 30_005, 60_005, 90_005])
    expect(at({ everyMs: 40_000 })).toEqual([40_000, 80_000])
  })

  it('strikes at random as often as its rate says', () => {
    let count = 0
    const runs = 300
    for (let seed = 1; seed <= runs; seed++)
      count += struck(played([once('outage', { when: { perHour: 360 } })], {}, seed).log).length
    // 360 an hour for 100 s: 10 a run, Poisson; five deviations.
    expect(Math.abs(count - 10 * runs)).toBeLessThan(5 * Math.sqrt(10 * runs))
  })

  it('ends all that it began by healAtMs, and begins nothing then', () => {
    const { log, down } = played(
      [
        once('outage', { who: 'any', when: { everyMs: 7 }, forMs: 60_000 }),
        once('crash', { who: 'any', when: { everyMs: 11 }, forMs: 60_000 }),
        once('pause', { who: 'any', when: { perHour: 1_000_000 }, forMs: 60_000 }),
      ],
      { healAtMs: 50 },
    )
    const count = (word: string) => log.filter(l => l.split(' ').slice(1).join(' ').startsWith(word)).length
    expect(Math.max(...struck(log).map(s => s.at))).toBeLessThan(50)
    expect(Math.max(...log.map(l => Number(l.split(' ')[0])))).toBe(50)
    expect(count('isolate')).toBe(count('end isolate'))
    expect(count('pause')).toBe(count('end pause'))
    expect(down.size).toBe(0)
    expect(count('crash')).toBeGreaterThan(1)
  })
})

describe('who', () => {
  const everyMs = 1000
  const who = (w: object | string) =>
    struck(played([once('outage', { who: w, when: { everyMs, firstMs: 0 } })]).log).map(s => s.who)

  it('is one after the other, all, a site, a number or a share', () => {
    expect(who('turn').slice(0, 5)).toEqual(['aa-01', 'aa-02', 'aa-03', 'bb', 'aa-01'])
    expect(new Set(who('all'))).toEqual(new Set(['aa-01,aa-02,aa-03,bb']))
    expect(new Set(who(['aa', 'bb']))).toEqual(new Set(['aa-01,aa-02,aa-03,bb']))
    for (const names of who({ count: 2 })) expect(new Set(names.split(',')).size).toBe(2)
    for (const names of who({ share: 0.5 })) expect(names.split(',')).toHaveLength(2)
    for (const names of who({ share: 0.01 })) expect(names.split(',')).toHaveLength(1)
  })

  it('is anyone, each as often as the others', () => {
    const names = who('any')
    for (const id of ['aa-01', 'aa-02', 'aa-03', 'bb']) {
      const share = names.filter(n => n === id).length / names.length
      expect(Math.abs(share - 0.25)).toBeLessThan(5 * Math.sqrt((0.25 * 0.75) / names.length))
    }
  })

  it('is not killed while it is down, and started only once', () => {
    const crash = once('crash', { when: { everyMs: 10, firstMs: 0 }, forMs: 25 })
    const { log } = played([crash], { healAtMs: 100 })
    expect(log.filter(l => /^\d+ crash bb/.test(l)).map(l => Number(l.split(' ')[0]))).toEqual([
      0, 30, 60, 90,
    ])
    expect(log.filter(l => /^\d+ start bb/.test(l)).map(l => Number(l.split(' ')[0]))).toEqual([
      25, 55, 85, 100,
    ])
  })

  it('is not slow twice over', () => {
    const slow = once('slow', { when: { everyMs: 10, firstMs: 0 }, forMs: 25, factor: 9 })
    const { log } = played([slow], { healAtMs: 50 })
    expect(log.filter(l => / slow bb 9$/.test(l) && !l.includes('end')).map(l => l.split(' ')[0])).toEqual([
      '0',
      '30',
    ])
  })
})

describe('a fault has chance of its own', () => {
  it('strikes the same whatever other faults there are', () => {
    const random = once('outage', { who: 'any', when: { perHour: 3600 }, forMs: { base: 1, jitter: 9 } })
    const alone = played([random]).log
    const beside = played([random, once('pause', { who: 'any', when: { everyMs: 500 } })]).without('pause')
    expect(beside.filter(l => !l.includes('pause'))).toEqual(alone)
  })
})

describe('a crash at a step', () => {
  const crash = (moment: 'write' | 'effect') => once('crash', { moment, forMs: 1000 })
  const step = (id: string, what: string, when: 'before' | 'after') => ({
    host: { id } as SimHost,
    when,
    what,
    detail: '',
  })

  it('waits for a write, before or after it, and starts the host again when it was meant to be', () => {
    const seen = new Set<string>()
    for (let seed = 0; seed < 40; seed++) {
      const steps = new StepCrash()
      const crashed: number[] = []
      let writes = 0
      // What the world would ask of a host that writes without end.
      const { log } = played([crash('write')], {}, seed, steps)
      expect(log).toEqual([])
      steps.arm('bb', 'write', new Random(seed), () => void crashed.push(writes))
      expect(steps.onStep(step('aa-01', 'commit', 'before'))).toBe(false)
      expect(steps.onStep(step('bb', 'publish', 'before'))).toBe(false)
      for (; crashed.length === 0 && writes < 20; writes++) {
        for (const when of ['before', 'after'] as const) {
          if (!steps.onStep(step('bb', 'commit', when))) continue
          seen.add(`${when} ${writes}`)
          steps.onCrash({ id: 'bb' } as SimHost)
          break
        }
      }
      expect(crashed).toHaveLength(1)
      expect(steps.onStep(step('bb', 'commit', 'before'))).toBe(false)
    }
    expect([...seen].sort()).toEqual(['after 0', 'after 1', 'before 0', 'before 1'])
  })

  it('is called off by disarming, and by a crash of another kind', () => {
    const steps = new StepCrash()
    let crashed = 0
    expect(steps.arm('bb', 'effect', new Random(1), () => crashed++)).toBe(true)
    expect(steps.arm('bb', 'effect', new Random(1), () => crashed++)).toBe(false)
    steps.onCrash({ id: 'bb' } as SimHost)
    expect(steps.arm('bb', 'effect', new Random(1), () => crashed++)).toBe(true)
    steps.disarm('bb')
    for (let i = 0; i < 50; i++) {
      expect(steps.onStep(step('bb', 'send', 'before'))).toBe(false)
      expect(steps.onStep(step('bb', 'send', 'after'))).toBe(false)
    }
    expect(crashed).toBe(0)
  })
})
