/** Events in the order of their time, and of their making where the times are equal. A heap with four children a node. */

export class EventHeap {
  readonly #at: number[] = []
  readonly #order: number[] = []
  readonly #run: (() => void)[] = []
  #made = 0

  get size(): number {
    return this.#at.length
  }

  /** Time of the next event; infinite where there is none. */
  get nextAt(): number {
    return this.#at.length > 0 ? this.#at[0]! : Number.POSITIVE_INFINITY
  }

  push(at: number, run: () => void): void {
    if (!(at < Number.POSITIVE_INFINITY)) throw new RangeError(`an event needs a time, not ${at}`)
    const times = this.#at
    const orders = this.#order
    const runs = this.#run
    let i = times.length
    const order = this.#made++
    times.push(at)
    orders.push(order)
    runs.push(run)
    while (i > 0) {
      const parent = (i - 1) >> 2
      // What was made later is never before what has the same time.
      if (times[parent]! <= at) break
      times[i] = times[parent]!
      orders[i] = orders[parent]!
      runs[i] = runs[parent]!
      i = parent
    }
    times[i] = at
    orders[i] = order
    runs[i] = run
  }

  /** Takes the next event out; undefined where there is none. */
  pop(): (() => void) | undefined {
    const runs = this.#run
    const top = runs[0]
    const at = this.#at.pop()
    const order = this.#order.pop()
    const run = runs.pop()
    if (this.#at.length > 0) this.#sink(at!, order!, run!)
    return top
  }

  #sink(at: number, order: number, run: () => void): void {
    const times = this.#at
    const orders = this.#order
    const runs = this.#run
    const { length } = times
    let i = 0
    for (;;) {
      const first = 4 * i + 1
      if (first >= length) break
      let least = first
      const end = Math.min(first + 4, length)
      for (let c = first + 1; c < end; c++) {
        if (times[c]! < times[least]! || (times[c]! === times[least]! && orders[c]! < orders[least]!))
          least = c
      }
      if (at < times[least]! || (at === times[least]! && order < orders[least]!)) break
      times[i] = times[least]!
      orders[i] = orders[least]!
      runs[i] = runs[least]!
      i = least
    }
    times[i] = at
    orders[i] = order
    runs[i] = run
  }
}
