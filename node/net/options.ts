/** What a network is made with, what it offers its host, and the bounds that it keeps if it is told no others. */
import type { Ed25519PrivateKey } from '@libp2p/interface'
import type { MemberId } from '../../protocol/ports.ts'
import type { GossipVerdict } from './gossip.ts'
import type { NetMember } from './roster.ts'

export type Via = 'gossip' | 'stream'
export type Verdict = GossipVerdict

/**
 * Judges a message at once. By gossip `from` is the member who relayed it. A rejected message is not forwarded and
 * counts against `from`; an ignored one is not forwarded. An exception is our own bug and ends the process.
 */
export type MessageHandler = (from: MemberId, via: Via, bytes: Uint8Array) => Verdict

/** `fields` hold names, counts and our own words; never message bytes or keys. */
export type NetLog = (
  level: 'debug' | 'info' | 'warn',
  what: string,
  fields?: Record<string, string | number>,
) => void

/** What all sockets together may carry on average, in megabits a second; undefined: no bound. */
export interface BandwidthMax {
  readonly uploadMbps?: number | undefined
  readonly downloadMbps?: number | undefined
}

export interface NetOptions {
  readonly privateKey: Ed25519PrivateKey
  readonly self: MemberId
  /** All members of the charter, `self` included. */
  readonly members: readonly NetMember[]
  /** Multiaddrs to listen on, such as /ip4/0.0.0.0/tcp/4001. */
  readonly listen: readonly string[]
  /** 32 bytes: names the gossip topic and the stream protocol, so that two studies never mix. */
  readonly networkId: Uint8Array
  readonly log?: NetLog
  /** Largest gossip message and largest stream message, in bytes. */
  readonly gossipBytesMax?: number
  readonly streamBytesMax?: number
  /** For each member that is away or slow: messages and bytes that wait for it at most, large ones and others apart. */
  readonly queueMessagesMax?: number
  readonly queueBytesMax?: number
  /** Large messages wait for their turn; all else goes at once, and counts. */
  readonly bandwidthMax?: BandwidthMax
  /** Milliseconds between two looks at every member: dialling, gossip watchdog, queues. */
  readonly lookMs?: number
  /** How long a connected member may be without gossip before it is hung up and dialled again; milliseconds. */
  readonly gossipSilenceMs?: number
}

export const NET_DEFAULTS = {
  gossipBytesMax: 65_536,
  streamBytesMax: 8 << 20,
  queueMessagesMax: 1024,
  queueBytesMax: 32 << 20,
  lookMs: 1000,
  gossipSilenceMs: 3000,
} as const

export interface PeerStats {
  readonly member: MemberId
  readonly connected: boolean
  /** Messages received by either way, by what became of them. */
  readonly accepted: number
  readonly ignored: number
  readonly rejected: number
  /** Stream messages: handed to the network, waiting, dropped. */
  readonly sent: number
  readonly queued: number
  readonly queuedBytes: number
  readonly dropped: number
  /** Bytes of the member's TCP sockets since the start. */
  readonly bytesSent: number
  readonly bytesReceived: number
}

export interface Net {
  /**
   * Listens and begins to dial. `onMessage` must have been called before.
   * Throws MedmeshError NET_LISTEN when no address can be listened on.
   */
  start(): Promise<void>
  /** Closes sockets and timers; nothing is called back any more. Bounded in time. */
  stop(): Promise<void>
  /**
   * Gossips a message. Never fails for the network's sake: that nobody was reached is logged and counted, and the
   * protocol publishes again. Rejects with RangeError when it is larger than `gossipBytesMax`.
   */
  publish(bytes: Uint8Array): Promise<void>
  /**
   * Queues a message for one member; returns at once. Those of one member arrive in order, those of more than LARGE_BYTES
   * among each other and so the others, or not at all: what is on its way when a connection breaks may be lost, or come twice, and
   * the large ones that wait then are dropped: the member asks anew for what it lacks. `bytes` must not be changed afterwards.
   * Throws RangeError when it is empty, larger than `streamBytesMax`, or `member` is unknown or ourselves.
   */
  send(member: MemberId, bytes: Uint8Array): void
  /** Hangs up on these members and admits them no more; all others may come, again. */
  shutOut(members: readonly MemberId[]): void
  onMessage(handler: MessageHandler): void
  /** A member is connected when it is authenticated and its gossip streams stand in both directions. */
  onConnected(handler: (member: MemberId) => void): void
  onDisconnected(handler: (member: MemberId) => void): void
  connected(): MemberId[]
  /** Where we listen, with the ports that the system chose. */
  addresses(): string[]
  /** Bytes that all TCP sockets of this network carried, as the operating system counts them. */
  bytesSent(): number
  bytesReceived(): number
  /** Publications that reached nobody. */
  unheard(): number
  /** Handshakes that ended because the other side is not admitted. */
  refused(): number
  peerStats(): PeerStats[]
}
