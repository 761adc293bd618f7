/** One host: its lives, its disk, its clock, its jobs, and standing still. */
import { describe, expect, it } from 'vitest'
import type { Effect } from '../../../protocol/ports.ts'
import type { SimHost, Step } from '../../../sim/host.ts'
import { learnJob } from '../../ports/rig.ts'
import {
  alike,
  bytesOf,
  type Scripted,
  type ScriptedOptions,
  scripted,
  textOf,
} from '../../support/scripted.ts'

const network = alike({ latencyMs: 20 })
const put = (key: string, release: readonly Effect[] = []): Effect => ({
  kind: 'store',
  puts: [[key, bytesOf(key)]],
  deletes: [],
  release,
})
const note = (phase: string): Effect => ({
  kind: 'event',
  event: { kind: 'phase', round: 1, attempt: 0, phase },
})
const job = (id: number, round = 1): Effect => ({ kind: 'job', id, job: learnJob(round) })

/** One host and what it told: commits, lost commits, notes. */
function lonely(o: Partial<ScriptedOptions> = {}): { s: Scripted; told: string[] } {
  const told: string[] = []
  const s = scripted({
    n: 1,
    observers: [
      {
        onCommit: (_h, puts) => void told.push(`durable ${puts.map(([k]) => k)}`),
        onLostCommit: (_h, keys, how) => void told.push(`${how} ${keys}`),
        onEvent: (_h, e) => void told.push(`note ${e.kind === 'phase' ? e.phase : e.kind}`),
        onStart: () => void told.push('start'),
        onCrash: (_h, why) => void told.push(`crash ${why}`),
      },
    ],
    ...o,
  })
  s.world.startAll()
  return { s, told }
}

const jobsDone = (s: Scripted, index = 0) =>
  s.heard(index).flatMap(({ input, at }) => (input.kind === 'jobDone' ? [[input.id, at]] : []))

describe('the disk', () => {
  it('takes its time, in order, and only then what was released leaves', () => {
    let ms = 30
    const { s, told } = lonely({ site: () => ({ diskMs: () => (ms = ms === 30 ? 5 : 30) }) })
    s.act(0, put('a', [note('a')]), put('b', [note('b')]), put('c', [note('c')]))
    s.pass(4)
    expect(told).toEqual(['start'])
    s.pass(1)
    expect(told).toEqual(['start', 'durable a', 'note a'])
    s.pass(1000)
    expect(told.slice(3)).toEqual(['durable b', 'note b', 'durable c', 'note c'])
  })

  it('loses what is not durable at a crash, or keeps a torn part that counts for nothing', () => {
    for (const disk of ['lost', 'torn'] as const) {
      const { s, told } = lonely({ site: () => ({ diskMs: () => 10 }) })
      s.act(0, put('a'), put('b', [note('b')]), put('c'))
      s.pass(15)
      s.world.crash(s.id(0), disk)
      expect(told.slice(1)).toEqual(['durable a', `${disk} b`, 'lost c', 'crash scheduled'])
      s.pass(1000)
      s.world.start(s.id(0))
      expect([...s.world.host(s.id(0)).disk.keys()]).toEqual(['a'])
      const [first] = s.heard(0)
      expect(first!.input.kind === 'start' && [...first!.input.durable.keys()]).toEqual(['a'])
      // The disk is free again.
      s.act(0, put('d'))
      s.pass(10)
      expect(told.at(-1)).toBe('durable d')
    }
  })
})

describe('steps', () => {
  it('are before and after each effect; a crash there ends the life between them', () => {
    const steps: string[] = []
    let at = ''
    const onStep = ({ when, what, detail }: Step) => {
      const step = `${when} ${what} ${detail}`.trim()
      steps.push(step)
      return step === at
    }
    const effects = (s: Scripted): Effect[] => [
      { kind: 'publish', bytes: bytesOf('p') },
      put('k', [{ kind: 'send', to: s.id(1), bytes: bytesOf('s') }]),
      job(1),
    ]
    const dry = scripted({ n: 2, network, onStep }).startAll()
    steps.length = 0
    dry.act(0, ...effects(dry))
    const all = [...steps]
    expect(all).toEqual([
      'before publish',
      'after publish',
      'before commit k',
      'after commit k',
      `before send ${dry.id(1)}`,
      `after send ${dry.id(1)}`,
      'before job train',
      'after job train',
    ])
    for (const step of all) {
      at = ''
      const why: string[] = []
      const s = scripted({
        n: 2,
        network,
        onStep,
        observers: [{ onCrash: (h, w) => void why.push(`${h.id} ${w}`) }],
      }).startAll()
      at = step
      s.act(0, ...effects(s))
      at = ''
      expect(why).toEqual([`${s.id(0)} step`])
      expect(s.world.host(s.id(0)).up).toBe(false)
      s.pass(1000)
      const done = all.indexOf(step)
      expect(s.texts(1).sort()).toEqual([...(done > 0 ? ['p'] : []), ...(done > 4 ? ['s'] : [])])
      expect([...s.world.host(s.id(0)).disk.keys()]).toEqual(done > 2 ? ['k'] : [])
      expect(s.contacts(1, 0).at(-1)!.kind).toBe('disconnected')
    }
  })
})

describe('time', () => {
  it('is that of its own clock, in both directions', () => {
    const { s } = lonely({ site: () => ({ clockOffsetMs: -3_600_000, clockDriftPpm: 50_000 }) })
    const host = s.world.host(s.id(0))
    s.pass(1000)
    expect(host.now).toBe(s.world.now - 3_600_000 + 50)
    const at = host.now + 21_000
    s.wake(0, at)
    s.pass(19_999)
    expect(s.heard(0).at(-1)!.input.kind).toBe('start')
    s.pass(2)
    expect(s.heard(0).at(-1)!.input.kind).toBe('tick')
    expect(s.heard(0).at(-1)!.now).toBe(at)
  })

  it('wakes once, at the time that was named last, with few events', () => {
    const { s } = lonely()
    const before = s.world.events
    const from = s.world.now
    for (let k = 0; k < 100; k++) s.wake(0, from + 1000 + k)
    s.pass(10_000)
    expect(s.heard(0).map(h => [h.input.kind, h.now - from])).toEqual([
      ['start', 0],
      ['tick', 1099],
    ])
    expect(s.world.events - before).toBeLessThan(4)
    s.wake(0, s.world.now - 5000)
    s.pass(0)
    expect(s.heard(0)).toHaveLength(3)
  })
})

describe('jobs', () => {
  it('take their time, longer on a slow host, and each what it was begun with', () => {
    const jobMs = () => 100
    const { s } = lonely({ site: () => ({ jobMs }) })
    s.act(0, job(1))
    const undo = s.world.slow(s.id(0), 3)
    const more = s.world.slow(s.id(0), 2)
    s.act(0, job(2))
    more()
    s.act(0, job(3))
    undo()
    undo()
    s.act(0, job(4))
    s.pass(5000)
    expect(jobsDone(s)).toEqual([
      [1, 100],
      [4, 100],
      [3, 300],
      [2, 600],
    ])
  })

  it('are 20 ms where nobody says otherwise, and are seen with their results', () => {
    const seen: [SimHost, string, string][] = []
    const { s } = lonely({ observers: [{ onJob: (h, j, r) => void seen.push([h, j.kind, r.kind]) }] })
    s.act(0, job(7))
    s.pass(1000)
    expect(jobsDone(s)).toEqual([[7, 20]])
    expect(seen).toEqual([[s.world.host(s.id(0)), 'learn', 'learn']])
  })
})

describe('a process that stands still', () => {
  it('handles what has come when it goes on, in the order in which it came', () => {
    const s = scripted({ n: 2, network, site: () => ({ jobMs: () => 500, diskMs: () => 100 }) }).startAll()
    const began = s.at
    s.act(0, job(1), put('k'))
    s.wake(0, s.world.now + 300)
    const resume = s.world.pause(s.id(0))
    s.send(1, 0, 'a')
    s.pass(200)
    s.send(1, 0, 'b')
    s.publish(1, 'c')
    s.pass(2800)
    expect(s.heard(0).filter(h => h.at > began)).toEqual([])
    expect(s.world.host(s.id(0)).disk.size).toBe(0)
    resume()
    resume()
    const after = s.heard(0).filter(h => h.at > began)
    expect(after.map(h => (h.input.kind === 'message' ? textOf(h.input.bytes) : h.input.kind))).toEqual([
      'a',
      'b',
      'c',
      'tick',
      'jobDone',
    ])
    expect(after.every(h => h.at - began === 3000)).toBe(true)
    expect([...s.world.host(s.id(0)).disk.keys()]).toEqual(['k'])
    s.send(1, 0, 'd')
    s.pass(100)
    expect(s.texts(0).at(-1)).toBe('d')
    // It was too short for anybody to miss it.
    expect(s.contacts(1, 0)).toHaveLength(1)
  })

  it('keeps 8 MiB of messages, and loses the newest', () => {
    const s = scripted({ n: 2, network }).startAll()
    const resume = s.world.pause(s.id(0))
    for (let k = 0; k < 5; k++) s.send(1, 0, `${k}`.padEnd(2 << 20, '.'))
    s.pass(5000)
    resume()
    expect(s.texts(0).map(t => t[0])).toEqual(['0', '1', '2', '3'])
    expect(s.losses.map(l => [textOf(l.hop.bytes)[0], l.why])).toEqual([['4', 'full']])
    expect(s.delivered).toHaveLength(4)
  })

  it('goes on when the last who stopped it lets it go; its end ends that as well', () => {
    const s = scripted({ n: 2, network }).startAll()
    const host = s.world.host(s.id(0))
    const one = s.world.pause(s.id(0))
    const two = s.world.pause(s.id(0))
    one()
    expect(host.paused).toBe(true)
    two()
    expect(host.paused).toBe(false)
    const three = s.world.pause(s.id(0))
    s.send(1, 0, 'lost with the life')
    s.pass(100)
    s.world.crash(s.id(0))
    s.world.start(s.id(0))
    expect(host.paused).toBe(false)
    const four = s.world.pause(s.id(0))
    three()
    expect(host.paused).toBe(true)
    four()
    s.pass(1000)
    expect(s.texts(0)).toEqual([])
  })
})
