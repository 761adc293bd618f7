/**
 * The libp2p host of one hospital: TCP, Noise, Yamux, identify, ping and gossipsub, for the members of one charter and
 * nobody else. It carries bytes and verdicts; what the bytes mean is the protocol machine's business.
 */
import { setImmediate as nextTurn, setTimeout as pause } from 'node:timers/promises'
import type { GossipSub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Connection, Libp2p, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { pipe } from 'it-pipe'
import { createLibp2p } from 'libp2p'
import { MedmeshError } from '../../config/error.ts'
import { toHex } from '../../protocol/bytes.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { assert } from '../../protocol/result.ts'
import { LARGE_BYTES } from '../../protocol/wire/limits.ts'
import { Admission } from './admission.ts'
import { Bandwidth } from './bandwidth.ts'
import { chunksOf, decodeFrames, FrameError } from './frames.ts'
import { gossipService, validateTopic } from './gossip.ts'
import { type Link, Links, outboxesOf } from './links.ts'
import { guardedNoise, guardedYamux } from './negotiation.ts'
import { nodeNoiseCrypto } from './noise.ts'
import {
  type MessageHandler,
  NET_DEFAULTS,
  type Net,
  type NetLog,
  type NetOptions,
  type PeerStats,
  type Verdict,
  type Via,
} from './options.ts'
import type { Outbox } from './outbox.ts'
import { Roster } from './roster.ts'

/** How long a member may take nothing of a message before its stream is given up. */
export const STALL_MS = 30_000
const STOP_MS = 5000
/** Invalid messages on one stream after which its member is hung up and held off. */
const STREAM_REJECTS_MAX = 32
/** Bytes a second of one Mbit/s. */
const MBPS = 125_000
/** Of each member, what may wait to be read: the window of its stream, and what of it is unread here. */
const UNREAD_BYTES = 2 << 20
/** Strangers whose key the log names; whoever has many keys must not fill the disk. */
const STRANGERS_NAMED_MAX = 100
/** How long frames are handled before the event loop has its turn. */
const TURN_MS = 8

type Host = Libp2p<{ pubsub: GossipSub }>

/** Makes the network of one member; nothing is opened before `start()`. Errors: see `Roster`. */
export function createNet(options: NetOptions): Net {
  return new LibP2PNet(options)
}

class LibP2PNet implements Net {
  readonly #options: NetOptions & typeof NET_DEFAULTS
  readonly #log: NetLog
  readonly #roster: Roster
  readonly #links: Links
  readonly #admission: Admission
  readonly #upload: Bandwidth | undefined
  readonly #download: Bandwidth | undefined
  readonly #topic: string
  readonly #protocol: string
  #handler: MessageHandler | undefined
  readonly #onConnected: ((member: MemberId) => void)[] = []
  readonly #onDisconnected: ((member: MemberId) => void)[] = []
  #libp2p: Host | undefined
  #stopped = false
  #unheard = 0
  readonly #strangers = new Set<string>()

  constructor(options: NetOptions) {
    this.#options = { ...NET_DEFAULTS, ...options } as NetOptions & typeof NET_DEFAULTS
    this.#log = options.log ?? (() => {})
    this.#topic = `medmesh/1/${toHex(options.networkId)}`
    this.#protocol = `/medmesh/1/${toHex(options.networkId)}`
    this.#roster = new Roster(options.members, options.self, peerIdFromPrivateKey(options.privateKey))
    const { uploadMbps, downloadMbps } = options.bandwidthMax ?? {}
    this.#upload = uploadMbps
      ? new Bandwidth({ bytesPerSecond: uploadMbps * MBPS, carried: () => this.bytesSent() })
      : undefined
    this.#download = downloadMbps
      ? new Bandwidth({
          bytesPerSecond: downloadMbps * MBPS,
          carried: () => this.bytesReceived(),
          ahead: UNREAD_BYTES * this.#roster.others.length,
        })
      : undefined
    const { lookMs, gossipSilenceMs, queueMessagesMax, queueBytesMax } = this.#options
    this.#links = new Links({
      roster: this.#roster,
      topic: this.#topic,
      log: this.#log,
      lookMs,
      gossipSilenceMs,
      outbox: {
        protocol: this.#protocol,
        messagesMax: queueMessagesMax,
        bytesMax: queueBytesMax,
        stallMs: STALL_MS,
      },
      upload: this.#upload,
      onConnected: link => this.#tell('connected', link, this.#onConnected),
      onDisconnected: link => this.#tell('disconnected', link, this.#onDisconnected),
    })
    this.#admission = new Admission(
      peer => this.#links.admits(peer),
      peer => this.#refused(peer),
    )
  }

  async start(): Promise<void> {
    assert(this.#handler !== undefined, 'onMessage is called before start')
    assert(this.#libp2p === undefined && !this.#stopped, 'a network is started once')
    const libp2p = await this.#host()
    this.#libp2p = libp2p
    // Everything that listens is there before the first peer can reach us.
    validateTopic(libp2p.services.pubsub, this.#topic, (relay, author, data) =>
      this.#gossiped(relay, author, data),
    )
    await libp2p.handle(this.#protocol, (stream, connection) => this.#receive(stream, connection), {
      maxInboundStreams: 4,
      maxOutboundStreams: 4,
    })
    try {
      await libp2p.start()
    } catch (error) {
      await this.stop()
      throw new MedmeshError(
        'NET_LISTEN',
        `cannot listen on ${this.#options.listen.join(', ')} (${(error as Error).name})`,
        'Check that the address is of this machine and that no other program uses the port.',
      )
    }
    libp2p.services.pubsub.subscribe(this.#topic)
    this.#links.start(libp2p)
    this.#log('info', 'listening', { addresses: this.addresses().join(' ') })
    for (const [way, bound] of Object.entries({ upload: this.#upload, download: this.#download }))
      if (bound) this.#log('info', `${way} bounded`, { mbps: bound.bytesPerSecond / MBPS })
  }

  async stop(): Promise<void> {
    if (this.#stopped) return
    this.#stopped = true
    this.#links.stop()
    this.#upload?.close()
    this.#download?.close()
    const orderly = Promise.resolve(this.#libp2p?.stop()).catch((error: Error) => {
      this.#log('debug', 'libp2p did not stop in order', { reason: error.name })
    })
    await Promise.race([orderly, pause(STOP_MS, undefined, { ref: false })])
    this.#admission.destroySockets()
  }

  async publish(bytes: Uint8Array): Promise<void> {
    const { gossipBytesMax } = this.#options
    if (bytes.length === 0 || bytes.length > gossipBytesMax) {
      throw new RangeError(`a gossip message of ${bytes.length} bytes; 1 to ${gossipBytesMax} are allowed`)
    }
    let recipients = 0
    try {
      const result = await this.#libp2p?.services.pubsub.publish(this.#topic, bytes)
      recipients = result?.recipients.length ?? 0
    } catch (error) {
      this.#log('debug', 'publishing failed', { reason: (error as Error).message })
    }
    if (recipients > 0) return
    this.#unheard++
    this.#log('debug', 'published to nobody', { bytes: bytes.length })
  }

  /** Hangs up on these members and admits them no more; all others may come, again. */
  shutOut(members: readonly MemberId[]): void {
    this.#links.shutOut(members)
  }

  send(member: MemberId, bytes: Uint8Array): void {
    const { streamBytesMax } = this.#options
    if (bytes.length === 0 || bytes.length > streamBytesMax) {
      throw new RangeError(`a stream message of ${bytes.length} bytes; 1 to ${streamBytesMax} are allowed`)
    }
    const link = this.#links.all.find(l => l.entry.id === member)
    if (link === undefined) throw new RangeError(`${member} is not another member`)
    const outbox = bytes.length > LARGE_BYTES ? link.largeOutbox : link.outbox
    outbox.push(bytes)
  }

  onMessage(handler: MessageHandler): void {
    assert(this.#handler === undefined, 'onMessage is called once')
    this.#handler = handler
  }

  onConnected(handler: (member: MemberId) => void): void {
    this.#onConnected.push(handler)
  }

  onDisconnected(handler: (member: MemberId) => void): void {
    this.#onDisconnected.push(handler)
  }

  connected(): MemberId[] {
    return this.#links.all.filter(l => l.connected).map(l => l.entry.id)
  }

  addresses(): string[] {
    return this.#libp2p?.getMultiaddrs().map(a => a.toString()) ?? []
  }

  bytesSent(): number {
    return this.#admission.bytes().sent
  }

  bytesReceived(): number {
    return this.#admission.bytes().received
  }

  unheard(): number {
    return this.#unheard
  }

  refused(): number {
    return this.#admission.refused
  }

  peerStats(): PeerStats[] {
    return this.#links.all.map(link => {
      const { entry, connected, accepted, ignored, rejected } = link
      const sum = (of: (outbox: Outbox) => number) => outboxesOf(link).reduce((n, o) => n + of(o), 0)
      const bytes = this.#admission.bytes(entry.peerId)
      return {
        member: entry.id,
        connected,
        accepted,
        ignored,
        rejected,
        sent: sum(o => o.sent),
        queued: sum(o => o.queued.messages),
        queuedBytes: sum(o => o.queued.bytes),
        dropped: sum(o => o.dropped),
        bytesSent: bytes.sent,
        bytesReceived: bytes.received,
      }
    })
  }

  #host(): Promise<Host> {
    const others = this.#links.all.length
    return createLibp2p({
      start: false,
      privateKey: this.#options.privateKey,
      addresses: { listen: [...this.#options.listen] },
      nodeInfo: { name: 'medmesh', version: '1', userAgent: 'medmesh/1' },
      transports: [tcp()],
      connectionEncrypters: [guardedNoise({ crypto: nodeNoiseCrypto })],
      streamMuxers: [
        guardedYamux(
          {
            maxInboundStreams: 64,
            maxOutboundStreams: 64,
            // With larger windows a slow line queues more than the connection monitor's ping can wait for; the first one holds a
            // whole chunk (frames.ts).
            streamOptions: {
              initialStreamWindowSize: 512 << 10,
              maxStreamWindowSize: 1 << 20,
              maxReadBufferLength: 4 << 20,
            },
          },
          protocol => this.#libp2p?.getProtocols().includes(protocol) === true,
        ),
      ],
      connectionGater: this.#admission.gater,
      connectionManager: {
        maxConnections: 4 * others + 16,
        // Strangers who only open connections must not keep members out.
        maxIncomingPendingConnections: 256,
        inboundConnectionThreshold: Math.max(20, others),
        inboundUpgradeTimeout: 3000,
        // Gossipsub opens its streams one after the other: a peer that never answers must not hold up the rest.
        outboundStreamProtocolNegotiationTimeout: 2000,
        inboundStreamProtocolNegotiationTimeout: 2000,
        reconnectRetries: 0,
      },
      connectionMonitor: { pingInterval: 3000 },
      services: {
        identify: identify(),
        ping: ping(),
        pubsub: gossipService(this.#topic, others),
      },
    })
  }

  #refused(peer: PeerId): void {
    const name = peer.toString()
    const isKnown = this.#links.byPeer(peer) !== undefined || this.#strangers.has(name)
    if (isKnown || this.#strangers.size >= STRANGERS_NAMED_MAX) return
    this.#strangers.add(name)
    this.#log('warn', 'refused a peer whose key is not in the charter', { peer: name })
  }

  #gossiped(relay: PeerId, author: PeerId, data: Uint8Array): Verdict {
    const link = this.#links.byPeer(relay)
    if (link === undefined || this.#stopped) return 'ignore'
    if (
      this.#roster.byPeer(author) === undefined ||
      data.length === 0 ||
      data.length > this.#options.gossipBytesMax
    ) {
      link.rejected++
      return 'reject'
    }
    // A copy, so that a small message that is kept does not keep the packet that it came in.
    return this.#judge(link, 'gossip', data.slice())
  }

  async #receive(stream: Stream, connection: Connection): Promise<void> {
    const link = this.#links.byPeer(connection.remotePeer)
    if (link === undefined) {
      stream.abort(new Error('not a member'))
      return
    }
    try {
      await pipe(
        chunksOf(stream),
        source => decodeFrames(source, this.#options.streamBytesMax),
        source => this.#handleFrames(link, source),
      )
      await stream.close()
    } catch (error) {
      if (error instanceof FrameError) {
        link.rejected++
        this.#log('warn', 'stream refused', { member: link.entry.id, reason: error.message })
      }
      stream.abort(error as Error)
    }
  }

  async #handleFrames(link: Link, frames: AsyncIterable<Uint8Array>): Promise<void> {
    let rejects = 0
    let turnBegan = performance.now()
    for await (const frame of frames) {
      if (this.#stopped) return
      if (this.#judge(link, 'stream', frame) === 'reject' && ++rejects > STREAM_REJECTS_MAX) {
        this.#links.holdOff(link)
        throw new Error('too many invalid messages')
      }
      // Until then nothing more is read of this stream, so its member soon sends nothing more in it.
      if (frame.length > LARGE_BYTES) await this.#download?.take(frame.length)
      if (performance.now() - turnBegan < TURN_MS) continue
      await nextTurn()
      turnBegan = performance.now()
    }
  }

  #judge(link: Link, via: Via, bytes: Uint8Array): Verdict {
    let verdict: Verdict
    try {
      verdict = this.#handler!(link.entry.id, via, bytes)
    } catch (error) {
      this.#crash(error)
      return 'ignore'
    }
    if (verdict === 'accept') link.accepted++
    else if (verdict === 'ignore') link.ignored++
    else link.rejected++
    return verdict
  }

  #tell(what: string, link: Link, handlers: readonly ((member: MemberId) => void)[]): void {
    if (this.#stopped) return
    this.#log('info', `member ${what}`, { member: link.entry.id })
    try {
      for (const handler of handlers) handler(link.entry.id)
    } catch (error) {
      this.#crash(error)
    }
  }

  /** Our host's handler threw: a broken invariant, which libp2p would swallow. */
  #crash(error: unknown): void {
    setImmediate(() => {
      throw error
    })
  }
}
