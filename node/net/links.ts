/**
 * The state of the mesh, member by member, and the one loop that keeps it: dial who is away, hang up who is
 * connected without gossip (a pair can be cut off from gossip for good while its pings work), wake what waits.
 * libp2p's own reconnecting gives up after a minute; a hospital may be away for a week.
 */
import type { GossipSub } from '@libp2p/gossipsub'
import type { Connection, Libp2p, PeerId } from '@libp2p/interface'
import type { MemberId } from '../../protocol/ports.ts'
import type { Bandwidth } from './bandwidth.ts'
import type { NetLog } from './options.ts'
import { Outbox, type OutboxOptions } from './outbox.ts'
import type { Roster, RosterEntry } from './roster.ts'

const DIAL_MS = 3000
const HANG_UP_MS = 1000
const SETTLE_MS = 50
/** Looks after which the member with the later identifier dials too, in case the other one cannot. */
const PATIENCE_LOOKS = 3
/** How long a member is refused that sent too many messages of a kind that no honest peer sends. */
const HOLD_OFF_MS = 10_000

export interface Link {
  readonly entry: RosterEntry
  readonly outbox: Outbox
  /** Of large messages. */
  readonly largeOutbox: Outbox
  connected: boolean
  /** A connection stood at the last look, with gossip or without. */
  reached: boolean
  dialling: boolean
  looksAway: number
  /** Since when it is connected without gossip; `performance.now()`. */
  silentSince: number | undefined
  /** Its last identify message said that it does not speak our protocol. */
  strange: boolean
  heldUntil: number
  accepted: number
  ignored: number
  rejected: number
}

export function outboxesOf({ outbox, largeOutbox }: Link): [Outbox, Outbox] {
  return [outbox, largeOutbox]
}

export interface LinksOptions {
  readonly roster: Roster
  readonly topic: string
  readonly log: NetLog
  readonly lookMs: number
  readonly gossipSilenceMs: number
  readonly outbox: { protocol: string; messagesMax: number; bytesMax: number; stallMs: number }
  /** What large messages wait for. */
  readonly upload: Bandwidth | undefined
  readonly onConnected: (link: Link) => void
  readonly onDisconnected: (link: Link) => void
}

export class Links {
  readonly all: readonly Link[]
  readonly #byPeer: ReadonlyMap<string, Link>
  readonly #options: LinksOptions
  #libp2p: Libp2p<{ pubsub: GossipSub }> | undefined
  #timer: NodeJS.Timeout | undefined
  #settleTimer: NodeJS.Timeout | undefined

  constructor(options: LinksOptions) {
    this.#options = options
    this.all = options.roster.others.map(entry => this.#linkTo(entry))
    this.#byPeer = new Map(this.all.map(link => [link.entry.peerId.toString(), link]))
  }

  byPeer(peer: PeerId): Link | undefined {
    return this.#byPeer.get(peer.toString())
  }

  /** Whether a connection with this peer may be: it is a member, and not held off. */
  admits(peer: PeerId): boolean {
    const link = this.byPeer(peer)
    return link !== undefined && performance.now() >= link.heldUntil
  }

  /** Begins to look after the links of a started libp2p. */
  start(libp2p: Libp2p<{ pubsub: GossipSub }>): void {
    this.#libp2p = libp2p
    const refresh = (peer: PeerId) => {
      const link = this.byPeer(peer)
      if (link !== undefined) this.#refresh(link)
    }
    libp2p.addEventListener('connection:open', event => refresh(event.detail.remotePeer))
    libp2p.addEventListener('connection:close', event => refresh(event.detail.remotePeer))
    libp2p.addEventListener('peer:disconnect', event => refresh(event.detail))
    libp2p.addEventListener('peer:identify', ({ detail }) =>
      this.#identified(detail.peerId, detail.protocols),
    )
    libp2p.services.pubsub.addEventListener('subscription-change', event => refresh(event.detail.peerId))
    this.#timer = setInterval(() => this.#look(), this.#options.lookMs)
    this.#look()
  }

  stop(): void {
    clearInterval(this.#timer)
    clearTimeout(this.#settleTimer)
    this.#libp2p = undefined
    for (const link of this.all) for (const outbox of outboxesOf(link)) outbox.close()
  }

  /** Hangs up and refuses the member for a while. */
  holdOff(link: Link): void {
    link.heldUntil = performance.now() + HOLD_OFF_MS
    this.#options.log('warn', 'member held off: too many invalid messages', { member: link.entry.id })
    this.#hangUp(link)
  }

  /** Hangs up on these members and admits them no more; those that were shut out before and are not named may come again. */
  shutOut(members: readonly MemberId[]): void {
    for (const link of this.all) {
      if (members.includes(link.entry.id)) {
        link.heldUntil = Number.POSITIVE_INFINITY
        this.#hangUp(link)
      } else if (link.heldUntil === Number.POSITIVE_INFINITY) link.heldUntil = 0
    }
  }

  #linkTo(entry: RosterEntry): Link {
    const { log, outbox, upload } = this.#options
    const common: OutboxOptions = {
      ...outbox,
      connection: () => this.#openConnections(entry.peerId)[0],
      onFailure: error =>
        log('debug', 'stream lost', { member: entry.id, reason: error.name, detail: error.message }),
    }
    return {
      entry,
      outbox: new Outbox(common),
      largeOutbox: new Outbox({ ...common, bandwidth: upload }),
      connected: false,
      reached: false,
      dialling: false,
      looksAway: PATIENCE_LOOKS,
      silentSince: undefined,
      strange: false,
      heldUntil: 0,
      accepted: 0,
      ignored: 0,
      rejected: 0,
    }
  }

  #openConnections(peer: PeerId): Connection[] {
    return this.#libp2p?.getConnections(peer).filter(c => c.status === 'open') ?? []
  }

  /** Subscribed, and with gossip streams both ways: gossipsub does not reopen a stream whose connection was lost. */
  #gossips(peer: PeerId, connections: readonly Connection[]): boolean {
    const pubsub = this.#libp2p?.services.pubsub
    if (pubsub === undefined) return false
    const streams = connections
      .flatMap(c => c.streams)
      .filter(s => s.status === 'open' && pubsub.protocols.includes(s.protocol))
    return (
      streams.some(s => s.direction === 'inbound') &&
      streams.some(s => s.direction === 'outbound') &&
      pubsub.getSubscribers(this.#options.topic).some(p => p.equals(peer))
    )
  }

  #refresh(link: Link): void {
    const connections = this.#openConnections(link.entry.peerId)
    const gossips = connections.length > 0 && this.#gossips(link.entry.peerId, connections)
    if (connections.length === 0 || gossips) link.silentSince = undefined
    else this.#awaitGossip(link)
    if (connections.length > 0) {
      link.looksAway = 0
      for (const outbox of outboxesOf(link)) outbox.wake()
    } else if (link.reached) {
      // Whoever is back asks anew for all that it has not got of what is large: it must not come twice.
      link.largeOutbox.empty()
    }
    link.reached = connections.length > 0
    if (gossips === link.connected) return
    link.connected = gossips
    if (gossips) this.#options.onConnected(link)
    else this.#options.onDisconnected(link)
  }

  /** A member whose protocols do not name our charter can be connected for ever and never join: people must know. */
  #identified(peer: PeerId, protocols: readonly string[]): void {
    const link = this.byPeer(peer)
    if (link === undefined || protocols.length === 0) return
    const strange = !protocols.includes(this.#options.outbox.protocol)
    if (strange === link.strange) return
    link.strange = strange
    const member = link.entry.id
    if (!strange) this.#options.log('info', 'member speaks our charter and version now', { member })
    else if (protocols.some(p => p.startsWith('/medmesh/'))) {
      this.#options.log('warn', 'member speaks another charter or version: compare your charters', { member })
    } else this.#options.log('warn', 'member runs something that is not medmesh', { member })
  }

  /** Gossipsub tells of subscriptions but not of its own streams, so a fresh connection is looked at more often. */
  #awaitGossip(link: Link): void {
    link.silentSince ??= performance.now()
    this.#settleTimer ??= setTimeout(() => {
      this.#settleTimer = undefined
      for (const silent of this.all) if (silent.silentSince !== undefined) this.#refresh(silent)
    }, SETTLE_MS)
  }

  #look(): void {
    for (const link of this.all) {
      this.#refresh(link)
      if (this.#openConnections(link.entry.peerId).length === 0) {
        this.#dialIfOurs(link)
      } else if (
        link.silentSince !== undefined &&
        performance.now() - link.silentSince > this.#options.gossipSilenceMs
      ) {
        const level = link.strange ? 'debug' : 'info'
        this.#options.log(level, 'connected without gossip, hanging up', { member: link.entry.id })
        this.#hangUp(link)
      }
    }
  }

  /** One side of a pair dials at once and the other after a few looks, so that they seldom meet in the middle. */
  #dialIfOurs(link: Link): void {
    const first = this.#options.roster.self.id < link.entry.id
    const ours = first || link.looksAway >= PATIENCE_LOOKS
    link.looksAway++
    if (!ours || link.dialling || !this.admits(link.entry.peerId)) return
    link.dialling = true
    this.#libp2p
      ?.dial([...link.entry.addresses], { signal: AbortSignal.timeout(DIAL_MS) })
      .catch((error: Error) => {
        this.#options.log('debug', 'dial failed', { member: link.entry.id, reason: error.name })
      })
      .finally(() => {
        link.dialling = false
      })
  }

  #hangUp(link: Link): void {
    link.silentSince = undefined
    const connections = this.#openConnections(link.entry.peerId)
    this.#libp2p
      ?.hangUp(link.entry.peerId, { signal: AbortSignal.timeout(HANG_UP_MS) })
      .catch((error: Error) => {
        for (const connection of connections) connection.abort(error)
      })
  }
}
