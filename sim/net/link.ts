/**
 * One direction of a connection between two hospitals, as its messages see it: latency, what a TCP-like transport makes of
 * lost packets and of its own window, and the order in which things arrive. Pure; all parameters of the transport are in
 * `TRANSPORT`, to be held against real processes.
 */
import type { Draw, Link } from '../../config/scenario.ts'
import type { Millis } from '../../protocol/ports.ts'
import { LARGE_BYTES } from '../../protocol/wire/limits.ts'
import type { Via } from '../observer.ts'
import { meanOf, type Random } from '../random.ts'

export const TRANSPORT = {
  /** Payload of a segment with Ethernet's MTU and timestamps. */
  segmentBytes: 1448,
  /** IPv4 and TCP headers with timestamps, for each segment. */
  segmentHeaderBytes: 52,
  /** Noise (18), Yamux (12) and the length before a message (3), for each message of either kind. */
  frameBytes: 33,
  /**
   * What comes back for each message: a Yamux window update (12, Noise 18), in packets that acknowledge as well, .6 of them
   * for a message (measured on real nodes: test/e2e/netns).
   */
  answerBytes: 61,
  /** Around a gossiped message: author, sequence number, topic, signature, key (protobuf, StrictSign). */
  gossipBytes: 230,
  /** Retransmission timeout: at least so much beyond the round trip; doubled each time. */
  rtoMinMs: 200,
  /** Segments behind a lost one that must arrive for it to be sent again at once. */
  fastRetransmitSegments: 3,
  /** Round trips that the sender waits for more after news of fewer of them (RFC 8985, section 6.2). */
  reorderRtts: 0.25,
  /** Round trips until a loss at the end of what is in flight is probed (RFC 8985), where more than one segment is. */
  tailProbeRtts: 2,
  /** Congestion window in segments: at first and after a pause, and at most (RFC 6928). */
  windowFirst: 10,
  windowMax: 2000,
} as const

/** The direct link where nobody says otherwise: 5 to 25 ms, no losses. */
export const DEFAULT_LINK: Link = {
  latencyMs: { from: 5, to: 25 },
  lossRate: 0,
  duplicateRate: 0,
  reorderRate: 0,
}

/** Segments of a message on the wire. */
export function segmentsOf(bytes: number): number {
  return Math.ceil(bytes / TRANSPORT.segmentBytes)
}

/** Bytes on the wire of a message of `bytes`, headers of all layers included. */
export function wireBytes(bytes: number, via: Via): number {
  const framed = bytes + TRANSPORT.frameBytes + (via === 'gossip' ? TRANSPORT.gossipBytes : 0)
  return framed + segmentsOf(framed) * TRANSPORT.segmentHeaderBytes
}

/** 1 - (1 - p)^n by repeated multiplication: the same on every machine. */
export function anyOf(p: number, n: number): number {
  let none = 1
  let base = 1 - p
  for (let k = n; k > 0; k = Math.floor(k / 2)) {
    if (k % 2 === 1) none *= base
    base *= base
  }
  return 1 - none
}

/** Gaps of a pipe that are remembered. */
const GAPS = 16

export class Pipe {
  #link: Link
  /** Means of this direction, and of the round trip by the opposite one. */
  #meanMs: number
  #rttMs: number
  readonly #clogs: Draw[] = []
  /** The mean of all clogs. */
  #extraMs = 0
  /** Last arrivals: nothing of one channel overtakes its own; nothing at all what is not reordered. */
  #last: Millis = 0
  readonly #lastOf = { gossip: 0, stream: 0, large: 0 }
  #window: number = TRANSPORT.windowFirst
  #flightAt: Millis = 0
  #inFlight = 0
  #lastSendAt: Millis = 0
  /** Where packets are lost: the last gaps between what was sent, round and round. */
  #gaps: Float64Array | undefined
  #uses = 0
  #usedAt: Millis = 0
  #stalledUntil: Millis = 0
  /** Of the last message: packets that were lost and sent again, and whether others may overtake it. */
  losses = 0
  reordered = false

  constructor(link: Link, back: Link) {
    this.#link = link
    this.#meanMs = meanOf(link.latencyMs)
    this.#rttMs = this.#meanMs + meanOf(back.latencyMs)
  }

  /** From now on. */
  relink(link: Link, back: Link): void {
    this.#link = link
    this.#meanMs = meanOf(link.latencyMs)
    this.#rttMs = this.#meanMs + meanOf(back.latencyMs)
  }

  get link(): Link {
    return this.#link
  }

  get meanMs(): number {
    return this.#meanMs + this.#extraMs
  }

  get rttMs(): number {
    return this.#rttMs + this.#extraMs
  }

  /** Everything takes so much longer. */
  clog(delay: Draw): void {
    this.#clogs.push(delay)
    this.#extraMs += meanOf(delay)
  }

  /** Takes back one clog. */
  unclog(delay: Draw): void {
    const at = this.#clogs.indexOf(delay)
    if (at < 0) return
    this.#clogs.splice(at, 1)
    this.#extraMs = 0
    for (const clog of this.#clogs) this.#extraMs += meanOf(clog)
  }

  unclogAll(): void {
    this.#clogs.length = 0
    this.#extraMs = 0
  }

  /** A fresh connection: a small window, and nothing before it to wait for. */
  reset(now: Millis): void {
    this.#window = TRANSPORT.windowFirst
    this.#inFlight = 0
    this.#flightAt = now
    this.#lastSendAt = now
    this.#uses = 0
  }

  /** Something goes that way, if only the transport's answer to a message: by it a loss before it shows. */
  used(now: Millis): void {
    if (this.#link.lossRate === 0) return
    this.#gaps ??= new Float64Array(GAPS)
    if (this.#uses > 0) this.#gaps[this.#uses % GAPS] = Math.max(0, now - this.#usedAt)
    this.#uses++
    this.#usedAt = now
  }

  /** Nothing leaves before. */
  stall(until: Millis): void {
    this.#stalledUntil = until
  }

  /** When all that was sent so far has arrived. */
  get drainedAt(): Millis {
    return Math.max(this.#last, ...Object.values(this.#lastOf))
  }

  /** Latency alone, of something small. */
  latency(random: Random): number {
    let ms = random.draw(this.#link.latencyMs)
    for (const clog of this.#clogs) ms += random.draw(clog)
    return ms
  }

  /** A message of so many bytes on the wire, whose last one is handed to the transport at `now`: when it has arrived. */
  send(now: Millis, wire: number, via: Via, random: Random): Millis {
    const segments = segmentsOf(wire)
    let at = this.#throughWindow(Math.max(now, this.#stalledUntil), segments) + this.latency(random)
    this.losses = 0
    this.reordered = false
    const { lossRate, reorderRate } = this.#link
    if (lossRate > 0) {
      at += this.#retransmissions(lossRate, segments, random)
      this.used(now)
    }
    if (at < this.#last) at = this.#last
    const channel = via === 'stream' && wire > LARGE_BYTES ? 'large' : via
    if (at < this.#lastOf[channel]) at = this.#lastOf[channel]
    if (reorderRate > 0 && random.chance(reorderRate)) {
      // It alone comes late, with what follows it on its own channel.
      this.reordered = true
      at += this.latency(random)
    } else {
      this.#last = at
    }
    this.#lastOf[channel] = at
    return at
  }

  /** When the last segment leaves: the window doubles with each round trip that it is used up in (slow start). */
  #throughWindow(now: Millis, segments: number): Millis {
    const rtt = this.rttMs
    if (now - this.#lastSendAt > rtt + TRANSPORT.rtoMinMs) this.#window = TRANSPORT.windowFirst
    if (now >= this.#flightAt + rtt) {
      this.#flightAt = now
      this.#inFlight = 0
    }
    let left = segments
    while (this.#inFlight + left > this.#window) {
      left -= this.#window - this.#inFlight
      this.#inFlight = 0
      this.#flightAt += rtt
      this.#window = Math.min(2 * this.#window, TRANSPORT.windowMax)
    }
    this.#inFlight += left
    const leaves = Math.max(now, this.#flightAt)
    this.#lastSendAt = leaves
    return leaves
  }

  /** How much later a message is whole because some of its packets were lost. */
  #retransmissions(p: number, segments: number, random: Random): number {
    if (!random.chance(anyOf(p, segments))) return 0
    const rtt = this.rttMs
    this.losses = 1
    // Which segment it was decides who notices: the receiver by what follows, or the sender's timer.
    const behind = segments - 1 - random.below(segments)
    let rto = rtt + TRANSPORT.rtoMinMs
    const timer = segments > 1 ? Math.min(rto, TRANSPORT.tailProbeRtts * rtt) : rto
    const shown = (1 + TRANSPORT.reorderRtts) * rtt
    let late = rtt
    if (behind === 0) late = Math.min(timer, this.#gap(random) + shown)
    else if (behind < TRANSPORT.fastRetransmitSegments) late = Math.min(timer, shown)
    while (random.chance(p) && this.losses < 16) {
      this.losses++
      late += rto
      rto *= 2
    }
    this.#window = Math.max(TRANSPORT.windowFirst, Math.floor(this.#window / 2))
    return late
  }

  /** Until the next thing is sent, which nobody knows yet: one of the last gaps. */
  #gap(random: Random): Millis {
    const known = Math.min(GAPS, this.#uses - 1)
    return known > 0 ? this.#gaps![(this.#uses - 1 - random.below(known)) % GAPS]! : Number.POSITIVE_INFINITY
  }
}

/**
 * What was held back while a link was cut is sent again by the transport's timer, whose waits have doubled meanwhile: how
 * long after the end of a cut of `cutMs` that is.
 */
export function afterCut(cutMs: Millis, rttMs: Millis): Millis {
  let wait = rttMs + TRANSPORT.rtoMinMs
  let next = wait
  while (next < cutMs) {
    wait *= 2
    next += wait
  }
  return next - cutMs
}
