/**
 * When a machine wants to be woken. One pending event serves all times later than its own too, so that most changes of the
 * time cost no event.
 */
import type { Millis } from '../protocol/ports.ts'
import type { Clock } from './clock.ts'

/** How much later it looks again where the last digit of a double has woken it too early. */
const GRAIN_MS = 0.01

export interface AlarmWorld {
  readonly clock: Clock
  /** The world's time. */
  readonly now: () => Millis
  readonly later: (at: Millis, run: () => void) => void
  readonly rings: () => void
}

export class Alarm {
  readonly #w: AlarmWorld
  /** As the machine wants it, by its own clock. */
  #wanted: Millis | undefined
  /** The world's time of the one event that counts. */
  #eventAt = Number.POSITIVE_INFINITY

  constructor(world: AlarmWorld) {
    this.#w = world
  }

  /** It rings once, when the clock shows `at` and not before; replaces the time given before. */
  set(at: Millis | undefined): void {
    this.#wanted = at
    if (at === undefined) return
    const time = Math.max(this.#w.clock.worldTime(at), this.#w.now())
    if (time < this.#eventAt) this.#schedule(time)
  }

  #schedule(time: Millis): void {
    this.#eventAt = time
    this.#w.later(time, () => {
      if (this.#eventAt !== time) return
      this.#eventAt = Number.POSITIVE_INFINITY
      const { clock, now } = this.#w
      const at = this.#wanted
      if (at === undefined) return
      if (clock.read(now()) < at) this.#schedule(Math.max(clock.worldTime(at), now() + GRAIN_MS))
      else {
        this.#wanted = undefined
        this.#w.rings()
      }
    })
  }
}
