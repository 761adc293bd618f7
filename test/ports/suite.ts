/**
 * The compliance suite of the hosts: what the machine may rely on, in the simulator and in a hospital alike. A proof
 * by simulation is worth as much as this suite.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { recordMessage } from '../../protocol/peer.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { LARGE_BYTES } from '../../protocol/wire/limits.ts'
import { draftTests } from './drafts.ts'
import {
  A,
  ALL,
  act,
  asTexts,
  B,
  bytes,
  C,
  DOOMED,
  learnJob,
  note,
  notes,
  phaseOf,
  publish,
  type Rig,
  reply,
  send,
  store,
} from './rig.ts'

/** A text of a few bytes, and one that a node keeps in a file. */
const SIZES = [
  ['a small value', 'x'],
  ['a large value', 'x'.repeat(200_000)],
] as const

export function hostSuite(name: string, makeRig: () => Promise<Rig>): void {
  describe(name, () => {
    let rig: Rig
    beforeEach(async () => {
      rig = await makeRig()
    })
    afterEach(async () => {
      await rig.close()
    })

    const script = (id: MemberId) => rig.scripts.get(id)!
    const isConnected = (id: MemberId, peer: MemberId) => {
      const last = script(id).heard.findLast(
        ({ input }) => (input.kind === 'connected' || input.kind === 'disconnected') && input.peer === peer,
      )
      return last?.input.kind === 'connected'
    }
    const meshed = (...ids: readonly MemberId[]) =>
      rig.until('all are connected', () => ids.every(a => ids.every(b => a === b || isConnected(a, b))))
    async function up(...ids: readonly MemberId[]): Promise<void> {
      await Promise.all(ids.map(id => rig.start(id)))
      await meshed(...ids)
    }
    async function again(id: MemberId): Promise<void> {
      await rig.crash(id)
      await rig.start(id)
    }
    const startOf = (id: MemberId) => script(id).of('start')[0]!

    describe('records', () => {
      test('a life begins with start: fresh entropy, and exactly what was committed', async () => {
        await rig.start(A)
        expect(script(A).heard[0]!.input.kind).toBe('start')
        const first = startOf(A)
        expect(first.entropy).toHaveLength(32)
        expect(first.durable.size).toBe(0)
        act(
          rig,
          A,
          store({ one: '1', two: '2', gone: '3' }),
          store({ two: 'II' }, [], ['gone', 'never there']),
        )
        await rig.until('committed', () => rig.records(A).get('two')?.length === 2)
        await again(A)
        expect(script(A).heard[0]!.input.kind).toBe('start')
        expect(script(A).of('start')).toHaveLength(1)
        expect(asTexts(startOf(A).durable)).toEqual({ one: '1', two: 'II' })
        expect(startOf(A).entropy).not.toEqual(first.entropy)
      })

      test.each(SIZES)('what the store of %s releases leaves after its commit, in order', async (_, x) => {
        await up(A, B)
        act(
          rig,
          A,
          store({ k1: x }, [
            note('1'),
            send(B, 'm1'),
            store({ k2: 'x' }, [note('2'), send(B, 'm2')], ['k1']),
          ]),
          store({ k3: 'x' }, [note('3'), send(B, 'm3')]),
        )
        await rig.until('all has arrived', () => script(B).messages().length === 3)
        const seen = new Map(rig.events.map(e => [phaseOf(e.what), [...e.disk.keys()]]))
        expect(seen.get('1')).toContain('k1')
        expect(seen.get('2')).toContain('k2')
        expect(seen.get('2'), 'one transaction').not.toContain('k1')
        expect(seen.get('3')).toContain('k3')
        expect(notes(rig, A).indexOf('1')).toBeLessThan(notes(rig, A).indexOf('2'))
        expect(notes(rig, A).indexOf('1')).toBeLessThan(notes(rig, A).indexOf('3'))
        expect(
          script(B)
            .messages()
            .map(m => m.at(-1)),
        ).toEqual(notes(rig, A))
        expect(Object.keys(asTexts(rig.records(A))).sort()).toEqual(['k2', 'k3'])
      })

      test.each(SIZES)(
        'a crash before the commit of %s: nothing is stored, nothing has left',
        async (_, x) => {
          await up(A, B)
          rig.crashAtCommit(A, 'before')
          act(rig, A, store({ k1: x }, [note('released'), send(B, 'released'), publish('released')]))
          await rig.until('it is gone', () => !isConnected(B, A))
          await rig.start(A)
          await meshed(A, B)
          act(rig, A, send(B, 'fence'))
          await rig.until('the fence', () => script(B).messages().length > 0)
          expect(script(B).messages()).toEqual([`${A} stream fence`])
          expect(startOf(A).durable.size).toBe(0)
          expect(notes(rig, A)).toEqual([])
        },
      )

      test.each(SIZES)('a crash after the commit of %s: all is stored, nothing has left', async (_, x) => {
        await up(A, B)
        rig.crashAtCommit(A, 'after')
        act(rig, A, store({ k1: x }, [note('released'), send(B, 'released')], []), store({ k2: 'x' }))
        await rig.until('it is gone', () => !isConnected(B, A))
        await rig.start(A)
        await meshed(A, B)
        act(rig, A, send(B, 'fence'))
        await rig.until('the fence', () => script(B).messages().length > 0)
        expect(script(B).messages()).toEqual([`${A} stream fence`])
        expect(asTexts(startOf(A).durable)).toEqual({ k1: x })
        expect(notes(rig, A)).toEqual([])
      })

      test('sendRecord sends the bytes as they are stored now, and nothing for a key that is not there', async () => {
        await up(A, B)
        act(rig, A, store({ r: 'old' }), store({ r: 'new', s: 'gone' }), store({}, [note('stored')], ['s']))
        await rig.until('stored', () => notes(rig, A).length === 1)
        const sendRecord = (key: string) => ({ kind: 'sendRecord', to: B, key }) as const
        act(rig, A, sendRecord('never there'), sendRecord('s'), sendRecord('r'))
        await rig.until('it arrives', () => script(B).of('message').length > 0)
        expect(
          script(B)
            .of('message')
            .map(m => m.bytes),
        ).toEqual([recordMessage(A, bytes('new'))])
      })
    })

    draftTests(
      {
        rig: () => rig,
        script,
        up,
        again: async (id, ...peers) => {
          await again(id)
          await meshed(id, ...peers)
        },
      },
      SIZES,
    )

    describe('time', () => {
      test('a tick comes, once and not before its time', async () => {
        await rig.start(A)
        const at = rig.now() + 60
        reply(rig, A, { wakeAt: at })
        await rig.until('the tick', () => script(A).of('tick').length > 0)
        expect(script(A).heard.at(-1)!.now).toBeGreaterThanOrEqual(at)
        reply(rig, A, { wakeAt: rig.now() + 60 })
        await rig.until('the next', () => script(A).of('tick').length > 1)
        expect(script(A).of('tick')).toHaveLength(2)
      })

      test('a later call replaces the time: to earlier, to later, to never', async () => {
        await rig.start(A)
        reply(rig, A, { wakeAt: rig.now() + 3_600_000 })
        reply(rig, A, { wakeAt: rig.now() + 40 })
        await rig.until('the earlier tick', () => script(A).of('tick').length === 1)
        const at = rig.now() + 120
        reply(rig, A, { wakeAt: rig.now() + 40 })
        reply(rig, A, { wakeAt: at })
        await rig.until('the later tick', () => script(A).of('tick').length === 2)
        expect(script(A).heard.at(-1)!.now).toBeGreaterThanOrEqual(at)
        reply(rig, A, { wakeAt: rig.now() + 40 })
        reply(rig, A, { wakeAt: undefined })
        await rig.start(B)
        reply(rig, B, { wakeAt: rig.now() + 120 })
        await rig.until("another host's tick", () => script(B).of('tick').length === 1)
        expect(script(A).of('tick')).toHaveLength(2)
      })

      test('a time that is past ticks soon, one that is months away does not', async () => {
        await rig.start(A)
        await rig.start(B)
        reply(rig, A, { wakeAt: rig.now() + 90 * 86_400_000 })
        reply(rig, B, { wakeAt: rig.now() - 1000 })
        expect(script(B).of('tick'), 'never inside another input').toHaveLength(0)
        await rig.until('the late tick', () => script(B).of('tick').length === 1)
        reply(rig, B, { wakeAt: rig.now() + 60 })
        await rig.until('another', () => script(B).of('tick').length === 2)
        expect(script(A).of('tick')).toHaveLength(0)
      })

      test('no tick outlasts its life', async () => {
        await rig.start(A)
        reply(rig, A, { wakeAt: rig.now() + 60 })
        await again(A)
        reply(rig, A, { wakeAt: rig.now() + 150 })
        await rig.until('the new tick', () => script(A).of('tick').length > 0)
        expect(script(A).heard).toHaveLength(2)
        expect(script(A).lives[0]).toHaveLength(1)
      })
    })

    describe('jobs', () => {
      const job = (id: number, round: number) => ({ kind: 'job', id, job: learnJob(round) }) as const

      test('each result comes back once, with its id; a failure with a reason', async () => {
        await rig.start(A)
        const inputs = [Uint32Array.of(1, 2), Uint32Array.of(3, 4)]
        const sum = { kind: 'job', id: 8, job: { kind: 'vector', work: { kind: 'sum', inputs } } } as const
        act(rig, A, job(7, 70), job(9, DOOMED), sum)
        expect(script(A).heard, 'never inside another input').toHaveLength(1)
        const ended = () => script(A).of('jobDone').length + script(A).of('jobFailed').length
        await rig.until('all have ended', () => ended() === 3)
        act(rig, A, job(10, 1))
        await rig.until('one more', () => ended() === 4)
        const results = new Map(
          script(A)
            .of('jobDone')
            .map(j => [j.id, j.result]),
        )
        expect([...results.keys()].sort((a, b) => a - b)).toEqual([7, 8, 10])
        expect(results.get(7)).toEqual({ kind: 'learn', learned: { samples: 70 } })
        expect(results.get(8)).toMatchObject({
          kind: 'vector',
          output: { kind: 'sum', sum: Uint32Array.of(4, 6) },
        })
        expect(script(A).of('jobFailed')).toEqual([
          { kind: 'jobFailed', id: 9, reason: expect.stringMatching(/fails/) },
        ])
      })

      test('nothing is heard of a cancelled job, whether it would have ended or failed', async () => {
        await rig.start(A)
        const cancel = (id: number) => ({ kind: 'cancel', id }) as const
        act(rig, A, job(1, 5), job(2, 5), job(3, DOOMED), cancel(1), cancel(3), cancel(77))
        act(rig, A, cancel(2), job(4, 5), job(5, 5))
        await rig.until('the others end', () => script(A).of('jobDone').length >= 2)
        act(rig, A, cancel(4), job(6, 5))
        await rig.until('one more', () => script(A).of('jobDone').length >= 3)
        expect(
          script(A)
            .of('jobDone')
            .map(j => j.id),
        ).toEqual([4, 5, 6])
        expect(script(A).of('jobFailed')).toEqual([])
      })

      test('nothing is heard of a job of an earlier life', async () => {
        await rig.start(A)
        act(rig, A, job(1, 5))
        await again(A)
        act(rig, A, job(2, 5))
        await rig.until('the new one ends', () => script(A).of('jobDone').length > 0)
        expect(
          script(A)
            .of('jobDone')
            .map(j => j.id),
        ).toEqual([2])
        expect(script(A).lives[0]!.map(h => h.input.kind)).toEqual(['start'])
      })
    })

    describe('network', () => {
      const from = (m: string) => m.split(' ').slice(1).join(' ')

      test('publish reaches all others once, send only the one, and neither comes back', async () => {
        await up(...ALL)
        act(rig, A, publish('p1'), send(B, 's1'), send(C, 's2'), publish('p2'))
        const heard = (id: MemberId) => script(id).messages().map(from)
        await rig.until('all is there', () => heard(B).length >= 3 && heard(C).length >= 3)
        act(rig, B, publish('fence'), send(A, 'fence'), send(C, 'fence'))
        await rig.until('the fences', () => heard(A).length >= 2 && heard(C).length >= 5)
        expect(heard(B).sort()).toEqual(['gossip p1', 'gossip p2', 'stream s1'])
        expect(heard(C).sort()).toEqual([
          'gossip fence',
          'gossip p1',
          'gossip p2',
          'stream fence',
          'stream s2',
        ])
        expect(heard(A).sort()).toEqual(['gossip fence', 'stream fence'])
      })

      test('a message says whose connection it came by, and by which way', async () => {
        await up(A, B)
        act(rig, A, send(B, 'x'), publish('y'))
        act(rig, B, publish('z'))
        await rig.until('all is there', () => script(B).messages().length + script(A).messages().length === 3)
        expect(script(B).messages().sort()).toEqual([`${A} gossip y`, `${A} stream x`])
        expect(script(A).messages()).toEqual([`${B} gossip z`])
      })

      test('what is sent to one member arrives in order, large messages and others apart', async () => {
        await up(A, B)
        const large = (n: number) => `${n}${'x'.repeat(300_000)}`
        act(rig, A, ...[1, 2, 3, 4].map(n => send(B, n % 2 === 0 ? large(n) : `${n}`)))
        await rig.until('all is there', () => script(B).messages().length === 4)
        const came = script(B).of('message')
        const first = (isLarge: boolean) =>
          came
            .filter(m => m.bytes.length > LARGE_BYTES === isLarge)
            .map(m => String.fromCharCode(m.bytes[0]!))
        expect([first(false), first(true)]).toEqual([
          ['1', '3'],
          ['2', '4'],
        ])
      })

      test("the machine's verdict on a message is passed back; other inputs have none", async () => {
        await rig.start(A)
        script(A).answer = input =>
          input.kind === 'message' ? { verdict: input.bytes[0] === 1 ? 'accept' : 'reject' } : {}
        const message = (byte: number) =>
          ({ kind: 'message', from: B, via: 'gossip', bytes: Uint8Array.of(byte) }) as const
        expect(rig.input(A, message(1))).toBe('accept')
        expect(rig.input(A, message(2))).toBe('reject')
        expect(rig.input(A, { kind: 'tick' })).toBeUndefined()
      })

      test('connected and disconnected alternate, for each member', async () => {
        await up(...ALL)
        await rig.crash(B)
        await rig.until('both see it', () => !isConnected(A, B) && !isConnected(C, B))
        expect(isConnected(A, C)).toBe(true)
        await rig.start(B)
        await meshed(...ALL)
        const ofB = script(A)
          .heard.map(h => h.input)
          .filter(i => (i.kind === 'connected' || i.kind === 'disconnected') && i.peer === B)
        expect(ofB.map(i => i.kind)).toEqual(['connected', 'disconnected', 'connected'])
      })

      test('what is sent to a member that is away is no error', async () => {
        await rig.start(A)
        act(rig, A, send(B, 'x'), publish('y'))
        await rig.start(B)
        await meshed(A, B)
        act(rig, A, send(B, 'z'))
        await rig.until('it arrives', () =>
          script(B)
            .messages()
            .some(m => m.endsWith('z')),
        )
        expect(rig.broken).toEqual([])
      })

      test('events and faults are told', async () => {
        await rig.start(A)
        const fault = { code: 'badShard', detail: 'slice 3' } as const
        act(rig, A, note('hello'), { kind: 'fault', peer: B, fault })
        expect(rig.events.map(e => [e.host, e.what.kind])).toEqual([[A, 'phase']])
        expect(rig.faults.map(f => [f.host, f.what])).toEqual([[A, { peer: B, fault }]])
      })
    })

    describe('a broken invariant', () => {
      test('stops its host and no other, and is reported once', async () => {
        await up(...ALL)
        const error = new Error('invariant')
        script(A).answer = input => {
          if (input.kind === 'message') throw error
          return {}
        }
        reply(rig, A, { wakeAt: rig.now() + 100, effects: [{ kind: 'job', id: 1, job: learnJob(1) }] })
        act(rig, B, send(A, 'fatal'), send(A, 'more'))
        await rig.until('it is reported', () => rig.broken.length > 0)
        const before = script(A).heard.length
        reply(rig, B, { wakeAt: rig.now() + 300, effects: [publish('on'), send(A, 'again')] })
        await rig.until('the others go on', () => script(C).messages().length === 1)
        await rig.until('time passes', () => script(B).of('tick').length === 1)
        expect(rig.broken).toEqual([{ host: A, error }])
        expect(script(A).heard).toHaveLength(before)
        expect(rig.input(A, { kind: 'tick' })).toBeUndefined()
        expect(script(A).heard).toHaveLength(before)
      })

      test.each([
        ['a gossip message over the bound', { kind: 'publish', bytes: new Uint8Array(65_537) }],
        ['a stream message over the bound', { kind: 'send', to: B, bytes: new Uint8Array((8 << 20) + 1) }],
        ['an empty message', { kind: 'send', to: B, bytes: new Uint8Array(0) }],
        ['a message to itself', { kind: 'send', to: A, bytes: Uint8Array.of(1) }],
        ['a message to nobody', { kind: 'send', to: 'stranger', bytes: Uint8Array.of(1) }],
      ] as const)('%s is one', async (_, effect) => {
        await rig.start(A)
        act(rig, A, effect)
        await rig.until('it is reported', () => rig.broken.length > 0)
        expect(rig.broken.map(b => [b.host, b.error instanceof RangeError])).toEqual([[A, true]])
      })
    })
  })
}
