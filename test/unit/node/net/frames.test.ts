import type { Stream } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import fc from 'fast-check'
import { Uint8ArrayList } from 'uint8arraylist'
import { describe, expect, test, vi } from 'vitest'
import { chunksOf, decodeFrames, FrameError, writeFrame } from '../../../../node/net/frames.ts'
import { concatBytes, u32be } from '../../../../protocol/bytes.ts'

const framed = (bytes: Uint8Array) => concatBytes(u32be(bytes.length), bytes)

async function* from(chunks: Iterable<Uint8Array | Uint8ArrayList>) {
  yield* chunks
}

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const out: T[] = []
  for await (const item of source) out.push(item)
  return out
}

describe('decodeFrames', () => {
  test('gives back the frames, however the bytes were cut', async () => {
    const frames = fc.array(fc.uint8Array({ minLength: 1, maxLength: 300 }), { maxLength: 8 })
    await fc.assert(
      fc.asyncProperty(frames, fc.array(fc.nat(400)), fc.boolean(), async (sent, cuts, asList) => {
        const bytes = concatBytes(...sent.map(framed))
        const edges = [...new Set([0, ...cuts.map(c => c % (bytes.length + 1)), bytes.length])].sort(
          (a, b) => a - b,
        )
        const parts = edges.slice(1).map((end, i) => bytes.slice(edges[i], end))
        const chunks = asList ? [new Uint8ArrayList(...parts)] : parts
        expect(await collect(decodeFrames(from(chunks), 300))).toEqual(sent)
      }),
    )
  })

  test.each([
    ['empty', 0],
    ['one byte too large', 301],
    ['of four gigabytes', 0xffffffff],
  ])('refuses a frame that is %s before it has come', async (_, length) => {
    const good = framed(Uint8Array.of(1, 2))
    const seen: Uint8Array[] = []
    const read = async () => {
      for await (const f of decodeFrames(from([concatBytes(good, u32be(length))]), 300)) seen.push(f)
    }
    await expect(read()).rejects.toBeInstanceOf(FrameError)
    expect(seen).toEqual([Uint8Array.of(1, 2)])
  })

  test('the largest frame passes', async () => {
    expect(await collect(decodeFrames(from([framed(new Uint8Array(300))]), 300))).toHaveLength(1)
  })

  test('an end inside a length or a frame is an error but no offence', async () => {
    for (const cut of [2, 4, 5]) {
      const error = await collect(decodeFrames(from([framed(new Uint8Array(9)).slice(0, cut)]), 300)).catch(
        e => e,
      )
      expect(error).toBeInstanceOf(Error)
      expect(error).not.toBeInstanceOf(FrameError)
    }
  })

  test('garbage yields no frame over the bound and ends in an error or in order, nothing else', async () => {
    const chunk = fc.uint8Array({ maxLength: 40 })
    const zeros = fc.constantFrom(new Uint8Array(3), Uint8Array.of(0, 0, 0, 5))
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(chunk, zeros)), async chunks => {
        const frames = decodeFrames(from(chunks), 16)
        try {
          for await (const frame of frames) expect(frame.length).toBeLessThanOrEqual(16)
        } catch (error) {
          expect(String(error)).toMatch(/^FrameError: a frame of|^Error: the stream ended inside a frame/)
        }
      }),
    )
  })
})

/** Two ends of one real Yamux stream, with the windows that the network uses. */
async function yamuxPair(): Promise<[outgoing: Stream, incoming: Stream]> {
  const [a, b] = multiaddrConnectionPair()
  const factory = yamux({ streamOptions: { maxStreamWindowSize: 1 << 20, maxReadBufferLength: 4 << 20 } })()
  const local = factory.createStreamMuxer(a)
  const remote = factory.createStreamMuxer(b)
  const incoming = new Promise<Stream>(resolve => {
    remote.addEventListener('stream', event => resolve(event.detail), { once: true })
  })
  const outgoing = await local.createStream()
  outgoing.send(framed(Uint8Array.of(0)))
  return [outgoing, await incoming]
}

describe('over a stream', () => {
  test('what is written arrives in order and whole, and the end is an end', async () => {
    const [out, incoming] = await yamuxPair()
    const frames = [1, 5, 131_072, 131_073, 3 << 20].map((n, i) => new Uint8Array(n).fill(i + 1))
    const reading = collect(decodeFrames(chunksOf(incoming), 4 << 20))
    for (const frame of frames) await writeFrame(out, frame, 5000)
    await out.close()
    const got = await reading
    expect(got.slice(1).map(f => f.length)).toEqual(frames.map(f => f.length))
    expect(got.slice(1).every((f, i) => Buffer.compare(f, frames[i]!) === 0)).toBe(true)
  })

  test('a reader that is slow stops the sender, and loses nothing', async () => {
    const [out, incoming] = await yamuxPair()
    const chunks = chunksOf(incoming)
    const frames = decodeFrames(chunks, 1 << 20)
    expect((await frames.next()).value).toEqual(Uint8Array.of(0))
    let written = 0
    const writing = (async () => {
      for (let i = 0; i < 16; i++) {
        await writeFrame(out, new Uint8Array(1 << 20).fill(i), 60_000)
        written++
      }
      await out.close()
    })()
    // Nobody reads: what is on the way fills the reader's bound and the window, and then it stands still.
    let last = -1
    await vi.waitFor(
      () => {
        const settled = written === last
        last = written
        expect(settled).toBe(true)
      },
      { interval: 300 },
    )
    expect(written).toBeLessThanOrEqual(4)
    expect(incoming.status).toBe('open')
    expect(incoming.readBufferLength).toBeLessThanOrEqual(4 << 20)
    let i = 0
    for await (const frame of frames) expect(frame[0]).toBe(i++)
    await writing
    expect(i).toBe(16)
  })

  test('a peer that takes nothing is given up after the stall time', async () => {
    const [out, incoming] = await yamuxPair()
    incoming.pause()
    await expect(writeFrame(out, new Uint8Array(8 << 20), 50)).rejects.toThrow('nothing taken for 50 ms')
  })

  test('a reset reaches a reader that waits, and a writer that waits', async () => {
    const [out, incoming] = await yamuxPair()
    const reading = collect(decodeFrames(chunksOf(incoming), 100))
    out.abort(new Error('reset by test'))
    await expect(reading).rejects.toThrow()
    const [out2, incoming2] = await yamuxPair()
    incoming2.pause()
    const writing = writeFrame(out2, new Uint8Array(8 << 20), 60_000)
    incoming2.abort(new Error('reset by test'))
    await expect(writing).rejects.toThrow()
  })

  test('a stream that was closed before anyone listened ends at once', async () => {
    const [out, incoming] = await yamuxPair()
    out.abort(new Error('gone'))
    await vi.waitFor(() => expect(incoming.status).not.toBe('open'))
    await collect(decodeFrames(chunksOf(incoming), 100)).catch(() => {})
  })
})
