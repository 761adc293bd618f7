/** A run's hash says whether two runs are one; its lines say what happened, and nothing secret. */
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../protocol/bytes.ts'
import type { Effect } from '../../../protocol/ports.ts'
import { decodeSeed } from '../../../protocol/round/join.ts'
import { Trace } from '../../../sim/trace.ts'
import { describeMessage } from '../../../sim/trace-lines.ts'
import { consortium } from '../../support/consortium.ts'
import { alike, bytesOf, type ScriptedOptions, scripted } from '../../support/scripted.ts'

const network = alike({ latencyMs: 20 })

function hashOf(act: (s: ReturnType<typeof scripted>) => void, o: Partial<ScriptedOptions> = {}): string {
  const trace = new Trace()
  const s = scripted({ n: 2, network, observers: [trace], ...o }).startAll()
  act(s)
  s.pass(1000)
  return trace.hash
}

describe('the hash', () => {
  it('is that of the same course alone', () => {
    const send = (text: string) => (s: ReturnType<typeof scripted>) => s.send(0, 1, text)
    const store =
      (value: string, key = 'k') =>
      (s: ReturnType<typeof scripted>) =>
        s.act(0, { kind: 'store', puts: [[key, bytesOf(value)]], deletes: [], release: [] })
    const fault = (detail: string): Effect => ({
      kind: 'fault',
      peer: 'b',
      fault: { code: 'badTag', detail },
    })
    const courses: ((s: ReturnType<typeof scripted>) => void)[] = [
      () => {},
      send('a'),
      send('b'),
      s => s.send(1, 0, 'a'),
      s => s.publish(0, 'a'),
      store('v'),
      store('w'),
      store('v', 'l'),
      s => s.act(0, fault('x')),
      s => s.act(0, fault('y')),
      s => s.world.crash(s.id(0)),
      s => s.world.crash(s.id(0), 'lost', 'vanished'),
      s => s.world.inject({ kind: 'outage', hospitals: [], detail: '' }),
      s => s.wake(0, s.world.now + 10),
      s => s.wake(0, s.world.now + 11),
      s => void s.world.at(0, () => s.send(0, 1, 'a'.repeat(5000))),
    ]
    const hashes = courses.map(course => hashOf(course))
    expect(new Set(hashes).size).toBe(courses.length)
    expect(courses.map(course => hashOf(course))).toEqual(hashes)
    for (const hash of hashes) expect(hash).toMatch(/^[0-9a-f]{64}$/)
  })

  it('does not depend on whether it was asked before, or whether lines are written', () => {
    const trace = new Trace()
    const lines: string[] = []
    const other = new Trace(line => void lines.push(line))
    const s = scripted({ n: 2, network, observers: [trace, other] }).startAll()
    const early = trace.hash
    s.send(0, 1, 'x')
    s.pass(1000)
    expect(trace.hash).not.toBe(early)
    expect(trace.hash).toBe(other.hash)
    expect(lines.length).toBeGreaterThan(5)
  })

  it('sees one bit of what a machine was given or has made', () => {
    const bits = (bit: number) =>
      hashOf(s =>
        s.world
          .host(s.id(0))
          .input({ kind: 'message', from: s.id(1), via: 'stream', bytes: Uint8Array.of(bit) }),
      )
    expect(bits(0)).not.toBe(bits(1))
  })
})

describe('the lines of a study', () => {
  const lines: string[] = []
  const secrets: string[] = []
  const c = consortium({
    n: 4,
    f: 1,
    rounds: 1,
    seed: 5,
    world: {
      observers: [
        new Trace(line => void lines.push(line)),
        {
          onCommit: (_h, puts) => {
            for (const [key, value] of puts) {
              const seed = key === 'attempt/seed' ? decodeSeed(value)?.seed : undefined
              if (seed) secrets.push(toHex(seed))
            }
          },
        },
      ],
    },
  })
  c.world.startAll()
  c.world.at(200, () => c.world.crash('hospital-003'))
  c.world.at(900, () => c.world.start('hospital-003'))
  c.world.run(() => c.finished(), 60_000)

  it('have a time and a hospital each, in the order of time', () => {
    let last = 0
    for (const line of lines) {
      const [, time] = /^t=(\d+\.\d{3})s {2}hospital-00\d {2,}\S/.exec(line) ?? []
      expect(Number(time), line).toBeGreaterThanOrEqual(last)
      last = Number(time)
    }
  })

  it('tell lives, messages with their kind, author, round and verdict, decisions and phases', () => {
    for (const pattern of [
      /hospital-003 {2}== a life begins/,
      /hospital-003 {2}== its life ends \(scheduled\)/,
      /<- gossip input of hospital-00\d \(round 0\.0, \d+ B\) {2}accept/,
      /<- gossip prevote of hospital-00\d by hospital-00\d \(height 1, view 0, \d+ B\)/,
      /<- stream sealed of hospital-00\d \(round 0\.0, \d\.\d kB\) {2}accept/,
      /-> publish reveal \(round 0\.0, /,
      /-> hospital-00\d sealed \(round 0\.0, /,
      /-> store attempt\/seed \(\d+ B\)/,
      /\.\. durable: ledger\/\d+ \(\d/,
      /-> job \d+: statistics, round 0/,
      /<- job \d+ done: mask/,
      /\*\* round 0\.0 opened: statistics with 4/,
      /\*\* round 0\.0: \d survivors/,
      /\*\* round 1\.0 closed: model [0-9a-f]{12}/,
      /\*\* study finished after \d rounds/,
      /<- disconnected hospital-003/,
    ]) {
      expect(
        lines.some(line => pattern.test(line)),
        String(pattern),
      ).toBe(true)
    }
  })

  it('hold no secret', () => {
    expect(secrets.length).toBeGreaterThan(8)
    const all = lines.join('\n')
    for (const secret of secrets) expect(all.includes(secret.slice(0, 8))).toBe(false)
    expect(all.length / lines.length).toBeLessThan(120)
  })
})

it('what is no message is told as such', () => {
  expect(describeMessage(bytesOf('garbage'), 'hospital-002')).toBe(
    'what is no message, by hospital-002 (7 B)',
  )
})
