/**
 * Frames on a direct stream: 4 bytes of length, big-endian, and then so many bytes. Bounded in both directions: a
 * reader that is slow makes the sender wait, a sender never buffers more than a chunk, and no length makes anyone
 * hold more than one frame. libp2p's own iterators do not wait, hence the events here.
 */
import type { Stream } from '@libp2p/interface'
import { Uint8ArrayList } from 'uint8arraylist'
import { u32be } from '../../protocol/bytes.ts'
import type { Bandwidth } from './bandwidth.ts'

type Chunk = Uint8Array | Uint8ArrayList

/** A frame's length. */
const HEADER_BYTES = 4
/** What Noise puts in one packet, and what Yamux puts before what is sent at once. */
const PACKET_BYTES = 65_519
const YAMUX_HEAD_BYTES = 12
/**
 * Whole packets, so that none carries a few bytes only, and so many that a part of a vector goes at once: each time costs a window
 * update besides. Small enough that a ping gets between two.
 */
const CHUNK_BYTES = 5 * PACKET_BYTES - YAMUX_HEAD_BYTES
/** Unread bytes at which a reader stops the sender. */
const UNREAD_BYTES_MAX = 1 << 20

/** A peer sent what no frame can be. */
export class FrameError extends Error {
  override readonly name = 'FrameError'
}

/**
 * The bytes of a stream as they come, pausing the sender while the consumer is behind. Ends when the peer ends its
 * writing; throws the stream's error when it is reset.
 */
export async function* chunksOf(stream: Stream): AsyncGenerator<Chunk> {
  const waiting: Chunk[] = []
  let unread = 0
  let paused = false
  let ended = false
  let error: Error | undefined
  let wake = () => {}

  const onMessage = (event: { data: Chunk }) => {
    waiting.push(event.data)
    unread += event.data.byteLength
    // A pause inside an event that resume() fired would be lost, so it waits for a microtask.
    if (unread >= UNREAD_BYTES_MAX) queueMicrotask(pauseIfBehind)
    wake()
  }
  const pauseIfBehind = () => {
    if (unread < UNREAD_BYTES_MAX || paused || isOver(stream)) return
    paused = true
    stream.pause()
  }
  const resume = () => {
    paused = false
    if (!isOver(stream)) stream.resume()
  }
  const onEnd = (event: Event & { error?: Error }) => {
    ended = true
    error ??= event.error
    wake()
  }
  stream.addEventListener('message', onMessage)
  stream.addEventListener('remoteCloseWrite', onEnd)
  stream.addEventListener('close', onEnd)
  // The peer may have written and gone before anyone listened.
  if (stream.status !== 'open') ended = true
  try {
    while (true) {
      const chunk = waiting.shift()
      if (chunk !== undefined) {
        unread -= chunk.byteLength
        yield chunk
      } else if (paused) {
        resume()
      } else if (ended && stream.readBufferLength === 0) {
        if (error !== undefined) throw error
        return
      } else {
        await new Promise<void>(resolve => {
          wake = resolve
          if (ended) setImmediate(resolve)
        })
      }
    }
  } finally {
    stream.removeEventListener('message', onMessage)
    stream.removeEventListener('remoteCloseWrite', onEnd)
    stream.removeEventListener('close', onEnd)
  }
}

/** Cuts bytes into frames of 1 to `frameBytesMax` bytes. Throws FrameError on another length, Error on a cut-off end. */
export async function* decodeFrames(
  source: AsyncIterable<Chunk>,
  frameBytesMax: number,
): AsyncGenerator<Uint8Array> {
  const header = new Uint8Array(HEADER_BYTES)
  let headerAt = 0
  let frame: Uint8Array | undefined
  let frameAt = 0
  for await (const chunk of source) {
    for (const part of chunk instanceof Uint8Array ? [chunk] : chunk) {
      let at = 0
      while (at < part.length) {
        if (frame === undefined) {
          header[headerAt++] = part[at++]!
          if (headerAt < HEADER_BYTES) continue
          frame = unfilled(lengthOf(header, frameBytesMax))
          headerAt = 0
          frameAt = 0
        } else {
          const piece = part.subarray(at, at + frame.length - frameAt)
          frame.set(piece, frameAt)
          frameAt += piece.length
          at += piece.length
          if (frameAt < frame.length) continue
          yield frame
          frame = undefined
        }
      }
    }
  }
  if (frame !== undefined || headerAt > 0) throw new Error('the stream ended inside a frame')
}

/** Memory that is handed on only when it has been written over. A plain array: the slice of a Buffer would be no copy. */
function unfilled(length: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

function lengthOf(header: Uint8Array, frameBytesMax: number): number {
  const length = new DataView(header.buffer).getUint32(0)
  if (length === 0 || length > frameBytesMax) {
    throw new FrameError(`a frame of ${length} bytes; 1 to ${frameBytesMax} are allowed`)
  }
  return length
}

/**
 * Writes one frame and returns when libp2p has taken all of it. Keeps no more than a chunk in libp2p's buffers, and
 * takes each chunk from `bandwidth`.
 * Throws when the stream ends, or when the peer takes nothing for `stallMs` milliseconds.
 */
export async function writeFrame(
  stream: Stream,
  frame: Uint8Array,
  stallMs: number,
  bandwidth?: Bandwidth,
): Promise<void> {
  const first = CHUNK_BYTES - HEADER_BYTES
  let chunk: Chunk = new Uint8ArrayList(u32be(frame.length), frame.subarray(0, first))
  for (let at = first; ; at += CHUNK_BYTES) {
    if (bandwidth) {
      await bandwidth.take(chunk.byteLength)
      if (isOver(stream)) throw new Error('the stream is closed')
    }
    stream.send(chunk)
    await drained(stream, stallMs)
    if (at >= frame.length) return
    chunk = frame.subarray(at, at + CHUNK_BYTES)
  }
}

async function drained(stream: Stream, stallMs: number): Promise<void> {
  // One 'drain' may be followed by the next full buffer at once, so the flag decides.
  while (stream.writableNeedsDrain) {
    if (isOver(stream)) throw new Error('the stream is closed')
    await new Promise<void>((resolve, reject) => {
      const done = (act: () => void) => () => {
        clearTimeout(timer)
        stream.removeEventListener('drain', onDrain)
        stream.removeEventListener('close', onClose)
        act()
      }
      const onDrain = done(resolve)
      const onClose = done(() => reject(new Error('the stream was closed')))
      const timer = setTimeout(
        done(() => reject(new Error(`nothing taken for ${stallMs} ms`))),
        stallMs,
      )
      stream.addEventListener('drain', onDrain)
      stream.addEventListener('close', onClose)
    })
  }
  if (isOver(stream)) throw new Error('the stream is closed')
  await new Promise(resolve => setImmediate(resolve))
}

function isOver(stream: Stream): boolean {
  return stream.status !== 'open'
}
