/** The part of the compliance suite about drafts: values that are written piece by piece, and which records they become. */
import { describe, expect, test } from 'vitest'
import { partMessage } from '../../protocol/peer.ts'
import type { Effect, MemberId } from '../../protocol/ports.ts'
import { residueBytes } from '../../protocol/sum/field.ts'
import {
  A,
  act,
  adopt,
  asTexts,
  B,
  bytes,
  note,
  notes,
  type Rig,
  type Script,
  send,
  sendPart,
  store,
  write,
} from './rig.ts'

/** What the suite has for each test. */
export interface Bench {
  rig(): Rig
  script(id: MemberId): Script
  /** Starts these, and waits until they are connected. */
  up(...ids: readonly MemberId[]): Promise<void>
  /** Ends a life, of a host that may have ended it itself, begins the next, and waits until it is connected. */
  again(id: MemberId, ...peers: readonly MemberId[]): Promise<void>
}

export function draftTests(
  { rig, script, up, again }: Bench,
  sizes: readonly (readonly [name: string, text: string])[],
): void {
  /** What B gets by these effects of A, after which a fence follows. */
  async function sent(...effects: readonly Effect[]): Promise<Uint8Array[]> {
    const before = script(B).of('message').length
    act(rig(), A, ...effects, send(B, 'fence'))
    await rig().until('the fence', () => script(B).messages().slice(before).includes(`${A} stream fence`))
    const came = script(B).of('message').slice(before)
    return came.map(m => m.bytes).filter(said => said.length !== 'fence'.length)
  }
  const part = (effect: Effect & { kind: 'sendPart' }, said: string) => partMessage(A, effect, bytes(said))
  const stored = () => rig().until('stored', () => notes(rig(), A).includes('stored'))

  /** For B. */
  function isThere(): boolean {
    const seen = script(B).heard.findLast(
      ({ input }) => (input.kind === 'connected' || input.kind === 'disconnected') && input.peer === A,
    )
    return seen?.input.kind === 'connected'
  }

  describe('drafts', () => {
    test('what is written, in any order, is sent at once; nothing where there is not so much', async () => {
      await up(A, B)
      const some = sendPart(B, 'd', 1, 5)
      const came = await sent(
        write('d', 3, 'xef'),
        write('d', 0, 'abcd'),
        some,
        sendPart(B, 'd', 1, 7),
        sendPart(B, 'none', 0, 1),
        write('d', 1, 'B'),
        some,
      )
      expect(came).toEqual([part(some, 'bcde'), part(some, 'Bcde')])
      expect(rig().records(A).size, 'it is no record').toBe(0)
    })

    test.each(sizes)('%s becomes records, which outlast a crash; the draft does not', async (_, x) => {
      await up(A, B)
      const [ofDraft, ofRecord] = [sendPart(B, 'd', 0, 1), sendPart(B, 'r', 0, 1)]
      act(rig(), A, write('d', 1, x), write('d', 0, 'w'), adopt({ r: 'd', s: 'd' }, [note('stored')]))
      await stored()
      const all = { r: `w${x}`, s: `w${x}` }
      expect(asTexts(rig().records(A))).toEqual(all)
      expect(await sent(ofDraft, ofRecord)).toEqual([part(ofDraft, 'w'), part(ofRecord, 'w')])
      await again(A, B)
      expect(asTexts(script(A).of('start')[0]!.durable)).toEqual(all)
      expect(await sent(ofDraft, ofRecord)).toEqual([part(ofRecord, 'w')])
    })

    test.each(sizes)(
      '%s: a crash before the commit leaves nothing, one after it the record',
      async (_, x) => {
        await up(A, B)
        for (const when of ['before', 'after'] as const) {
          rig().crashAtCommit(A, when)
          act(rig(), A, write('d', 0, x), adopt({ r: 'd' }, [note('released')], ['d']))
          await rig().until('it is gone', () => !isThere())
          await again(A, B)
          const durable = asTexts(script(A).of('start')[0]!.durable)
          expect(durable).toEqual(when === 'before' ? {} : { r: x })
          expect(await sent(sendPart(B, 'd', 0, 1))).toEqual([])
        }
        expect(notes(rig(), A)).toEqual([])
      },
    )

    test.each(sizes)(
      '%s is what the draft or record held before the commit, whatever follows',
      async (_, x) => {
        await up(A, B)
        const [one, three] = [sendPart(B, 'd', 0, 1), sendPart(B, 'd', 0, 3)]
        act(
          rig(),
          A,
          write('d', 0, x),
          store({ r: 'x' }),
          adopt({ a: 'd', b: 'r' }, [], ['d', 'r']),
          write('d', 0, 'n'),
          adopt({ c: 'd', b: 'a', a: 'b' }, [note('stored')]),
          write('d', 0, 'm'),
        )
        await stored()
        expect(asTexts(rig().records(A))).toEqual({ a: 'x', b: x, c: 'n' })
        expect(await sent(one, three), 'a new draft of that name').toEqual([part(one, 'm')])
        act(rig(), A, store({}, [note('gone')], ['d']))
        await rig().until('gone', () => notes(rig(), A).includes('gone'))
        expect(await sent(one)).toEqual([])
      },
    )

    test('a job reads drafts, and records that were drafts', async () => {
      await up(A)
      const words = Uint32Array.from({ length: 50_000 }, (_, i) => i)
      const data = residueBytes(words)
      const inputs = ['d', 'r'].map(record => ({ record, from: 1, to: 50_000 }))
      act(rig(), A, write('d', 0, data.subarray(0, 8)), write('d', 8, data.subarray(8)), adopt({ r: 'd' }), {
        kind: 'job',
        id: 1,
        job: { kind: 'vector', work: { kind: 'sum', inputs } },
      })
      await rig().until('it ends', () => script(A).of('jobDone').length === 1)
      const { result } = script(A).of('jobDone')[0]!
      expect(result).toMatchObject({ output: { kind: 'sum', sum: words.slice(1).map(word => 2 * word) } })
    })

    test('a job writes a draft, which is sent and becomes a record', async () => {
      await up(A, B)
      const words = Uint32Array.from({ length: 50_000 }, (_, i) => i)
      act(rig(), A, write('d', 0, residueBytes(words)), {
        kind: 'job',
        id: 1,
        job: {
          kind: 'vector',
          work: { kind: 'sum', inputs: [{ record: 'd', from: 2, to: 50_000 }], into: 'sum' },
        },
      })
      await rig().until('it ends', () => script(A).of('jobDone').length === 1)
      const some = sendPart(B, 'sum', 4, 12)
      expect(await sent(some)).toEqual([partMessage(A, some, residueBytes(words.slice(3, 5)))])
      act(rig(), A, adopt({ r: 'sum' }, [note('stored')]))
      await stored()
      expect(rig().records(A).get('r')).toEqual(residueBytes(words.slice(2)))
    })

    test('the same as nothing breaks its host, and nothing of that commit is stored', async () => {
      await up(A)
      act(rig(), A, write('d', 0, 'x'), adopt({ r: 'd', s: 'none' }, [note('stored')]))
      await rig().until('it is reported', () => rig().broken.length > 0)
      expect(rig().broken.map(b => b.host)).toEqual([A])
      expect(rig().records(A).size).toBe(0)
      expect(notes(rig(), A)).toEqual([])
    })
  })
}
