/** What a hospital's clock shows: the world's time, off by a constant and by a drift, in whole milliseconds as `Date.now()`. */
import type { Millis } from '../protocol/ports.ts'

export class Clock {
  readonly #epoch: Millis
  readonly #offsetMs: number
  /** Beyond one second a second. */
  readonly #drift: number

  /** It is right by `offsetMs` at `epoch` and goes `driftPpm` parts in a million too fast from then on. */
  constructor(epoch: Millis, offsetMs = 0, driftPpm = 0) {
    if (!(driftPpm > -1_000_000))
      throw new RangeError(`a clock with a drift of ${driftPpm} ppm does not go forward`)
    this.#epoch = epoch
    this.#offsetMs = offsetMs
    this.#drift = driftPpm / 1_000_000
  }

  /** What it shows at a time of the world. */
  read(worldMs: Millis): Millis {
    return Math.floor(worldMs + this.#offsetMs + (worldMs - this.#epoch) * this.#drift)
  }

  /** The time of the world at which it begins to show `at` (within the precision of a double). */
  worldTime(at: Millis): Millis {
    const since = Math.ceil(at) - this.#offsetMs - this.#epoch
    return this.#epoch + since / (1 + this.#drift)
  }
}
