/**
 * Guards before libp2p's protocol negotiation (multistream-select), which reads a length byte by byte and without a
 * bound and throws at each byte after the eighth: a megabyte of 0xff stops the whole node for a second. Strangers get
 * no further than a fixed greeting; on a member's streams every length is checked before libp2p sees it.
 */

import { noise } from '@chainsafe/libp2p-noise'
import type { MultiaddrConnection, Stream, StreamMuxerFactory } from '@libp2p/interface'
import { AbstractMultiaddrConnection, AbstractStream, AbstractStreamMuxer } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import type { Uint8ArrayList } from 'uint8arraylist'
import { assert } from '../../protocol/result.ts'

const VERSION = '/multistream/1.0.0'
/** What either side says first on every connection of ours, each line after its length. */
const GREETING = new TextEncoder().encode(`\x13${VERSION}\n\x07/noise\n`)
/** As libp2p's own bound on a line. */
const LINE_BYTES_MAX = 1024
/** Proposals on one stream, none of which we know. */
const LINES_MAX = 32

/** Lets a connection's first bytes through as long as they are the greeting's, and aborts it at the first that is not. */
export function checkGreeting(connection: MultiaddrConnection): void {
  assert(connection instanceof AbstractMultiaddrConnection, 'libp2p/tcp gives its own connections')
  const pass = connection.onData.bind(connection)
  let seen = 0
  connection.onData = data => {
    const bytes = data.subarray(0, GREETING.length - seen)
    if (!bytes.every((byte, i) => byte === GREETING[seen + i])) {
      connection.abort(new Error('not a greeting of this protocol'))
      return
    }
    seen += bytes.length
    if (seen === GREETING.length) connection.onData = pass
    pass(data)
  }
}

/** Yamux whose streams are guarded until one of the protocols that `isOurs` knows is agreed on. */
export function guardedYamux(
  init: Parameters<typeof yamux>[0],
  isOurs: (protocol: string) => boolean,
): () => StreamMuxerFactory {
  const make = yamux(init)
  return () => {
    const factory = make()
    const create = factory.createStreamMuxer.bind(factory)
    factory.createStreamMuxer = connection => {
      const muxer = create(connection)
      assert(muxer instanceof AbstractStreamMuxer, "yamux is built on libp2p's own muxer")
      const onRemoteStream = muxer.onRemoteStream.bind(muxer)
      muxer.onRemoteStream = stream => {
        checkLines(stream, isOurs)
        onRemoteStream(stream)
      }
      const createStream = muxer.createStream.bind(muxer)
      muxer.createStream = async options => {
        const stream = await createStream(options)
        checkLines(stream, isOurs)
        return stream
      }
      return muxer
    }
    return factory
  }
}

/** Noise that agrees on the muxer within its handshake, as all of ours do: what would be negotiated after it is not guarded. */
export function guardedNoise(init: Parameters<typeof noise>[0]): ReturnType<typeof noise> {
  const make = noise(init)
  return components => {
    const noise = make(components)
    const needMuxer = <T extends { streamMuxer?: unknown; connection: object }>(secured: T): T => {
      if (secured.streamMuxer === undefined) throw new Error('the other side names no muxer in its handshake')
      decryptOnce(secured.connection)
      return secured
    }
    const secureInbound = noise.secureInbound.bind(noise)
    const secureOutbound = noise.secureOutbound.bind(noise)
    noise.secureInbound = async (...args) => needMuxer(await secureInbound(...args))
    noise.secureOutbound = async (...args) => needMuxer(await secureOutbound(...args))
    return noise
  }
}

type List = Uint8ArrayList | Uint8Array
interface Encrypted {
  readonly handshake: { decrypt(packet: List): List }
  decrypt(packet: List): List
}

/**
 * Noise's own copies each packet that came in two pieces, which is nearly each, into memory that it offers its cipher to write
 * into; ours (noise.ts) has no use for it.
 */
function decryptOnce(connection: object): void {
  assert('handshake' in connection && 'decrypt' in connection, 'libp2p-noise decrypts packet by packet')
  const encrypted = connection as Encrypted
  encrypted.decrypt = packet => encrypted.handshake.decrypt(packet)
}

/** Passes bytes on up to the line that ends the negotiation, and then all; aborts the stream at a length over the bound. */
function checkLines(stream: Stream, isOurs: (protocol: string) => boolean): void {
  assert(stream instanceof AbstractStream, "yamux's streams are built on libp2p's own")
  const pass = stream.onData.bind(stream)
  const lines = new Lines(isOurs)
  stream.onData = (data: Uint8Array | Uint8ArrayList) => {
    const state = lines.read(data.subarray())
    if (state === 'bad') {
      stream.abort(new Error('not a protocol negotiation'))
      return
    }
    if (state === 'agreed') stream.onData = pass
    pass(data)
  }
}

class Lines {
  readonly #isOurs: (protocol: string) => boolean
  #length = 0
  #lengthBytes = 0
  #line: number[] | undefined
  #count = 0

  constructor(isOurs: (protocol: string) => boolean) {
    this.#isOurs = isOurs
  }

  read(bytes: Uint8Array): 'open' | 'agreed' | 'bad' {
    for (const byte of bytes) {
      if (this.#line === undefined) {
        // A varint of at most two bytes: more than enough for the longest line.
        this.#length += (byte & 0x7f) << (7 * this.#lengthBytes++)
        if (byte >= 0x80 && this.#lengthBytes === 2) return 'bad'
        if (byte >= 0x80) continue
        if (this.#length === 0 || this.#length > LINE_BYTES_MAX) return 'bad'
        this.#line = []
        continue
      }
      this.#line.push(byte)
      if (this.#line.length < this.#length) continue
      const line = String.fromCharCode(...this.#line).trimEnd()
      if (this.#isOurs(line)) return 'agreed'
      if (++this.#count > LINES_MAX) return 'bad'
      this.#line = undefined
      this.#length = 0
      this.#lengthBytes = 0
    }
    return 'open'
  }
}
