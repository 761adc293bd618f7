/** A bounded memory of what was computed last, for imported keys and verified signatures; never grows past its limit. */

/** Forgets what was used least recently. A Map keeps its insertion order, so that its first key is the oldest. */
export class Lru<V> {
  readonly #entries = new Map<string, V>()
  readonly #limit: number

  /** `limit`: most entries, 1 or more. */
  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#entries.size
  }

  get(key: string): V | undefined {
    const value = this.#entries.get(key)
    if (value !== undefined) {
      this.#entries.delete(key)
      this.#entries.set(key, value)
    }
    return value
  }

  set(key: string, value: V): void {
    this.#entries.delete(key)
    this.#entries.set(key, value)
    if (this.#entries.size > this.#limit) {
      for (const oldest of this.#entries.keys()) {
        this.#entries.delete(oldest)
        break
      }
    }
  }
}
