/**
 * The lines between the hospitals, as the scenario has them: constant delay, loss by chance, and who is cut off. Pure, so
 * that a test can drive it; the forwarding process gives it frames and takes them back when they are due.
 */
import type { Millis } from '../../../protocol/ports.ts'
import type { Random } from '../../../sim/random.ts'
import type { Frame } from './frame.ts'

/** What one hospital has sent since the start, as it left the hospital: what is lost afterwards counts. */
export interface Traffic {
  frames: number
  bytes: number
  /** Of the frames: acknowledgements without payload. */
  acks: number
  ackBytes: number
  payloadBytes: number
  lost: number
  cut: number
}

export interface Held {
  readonly dueAt: Millis
  readonly packet: Uint8Array
}

export class Lines {
  readonly traffic: readonly Traffic[]
  readonly #delayMs: Millis
  readonly #lossRate: number
  readonly #random: Random
  #cutOff: ReadonlySet<number> = new Set()
  readonly #held: Held[] = []

  /** Hospital i (from 0) has the address that ends in i + 1. */
  constructor(hospitals: number, delayMs: Millis, lossRate: number, random: Random) {
    this.#delayMs = delayMs
    this.#lossRate = lossRate
    this.#random = random
    this.traffic = Array.from({ length: hospitals }, () => ({
      frames: 0,
      bytes: 0,
      acks: 0,
      ackBytes: 0,
      payloadBytes: 0,
      lost: 0,
      cut: 0,
    }))
  }

  /** From now on nothing passes between these hospitals and the others; an empty list heals. */
  cutOff(hospitals: readonly number[]): void {
    this.#cutOff = new Set(hospitals)
  }

  /** Takes a frame that a hospital has sent. `packet` must stay as it is. */
  take(packet: Uint8Array, frame: Frame, now: Millis): void {
    const from = frame.from === undefined ? undefined : frame.from - 1
    const traffic = from === undefined ? undefined : this.traffic[from]
    if (from === undefined || traffic === undefined || frame.to === undefined) {
      // Address resolution and the like: as in one building.
      this.#held.unshift({ dueAt: now, packet })
      return
    }
    traffic.frames++
    traffic.bytes += frame.bytes
    traffic.payloadBytes += frame.payloadBytes
    if (frame.payloadBytes === 0) {
      traffic.acks++
      traffic.ackBytes += frame.bytes
    }
    if (this.#cutOff.has(from) !== this.#cutOff.has(frame.to - 1)) traffic.cut++
    else if (this.#random.chance(this.#lossRate)) traffic.lost++
    else this.#held.push({ dueAt: now + this.#delayMs, packet })
  }

  /** The next frame that is due by `now`. All wait equally long, so the first that came is the first that goes. */
  due(now: Millis): Held | undefined {
    const first = this.#held[0]
    return first !== undefined && first.dueAt <= now ? this.#held.shift() : undefined
  }

  /** When the next frame is due. */
  get nextAt(): Millis | undefined {
    return this.#held[0]?.dueAt
  }
}
