/** Events in the order of their time, and of their making where the times are equal. */

export interface Timed {
  readonly at: number
  readonly run: () => void
}

export class EventHeap {
  #items: (Timed & { readonly order: number })[] = []
  #made = 0

  get size(): number {
    return this.#items.length
  }

  push(event: Timed): void {
    const items = this.#items
    let i = items.length
    const item = { ...event, order: this.#made++ }
    items.push(item)
    while (i > 0) {
      const parent = (i - 1) >> 1
      if (!before(item, items[parent]!)) break
      items[i] = items[parent]!
      i = parent
    }
    items[i] = item
  }

  pop(): Timed | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (!top || !last || items.length === 0) return top
    let i = 0
    for (;;) {
      let child = 2 * i + 1
      if (child >= items.length) break
      if (child + 1 < items.length && before(items[child + 1]!, items[child]!)) child++
      if (!before(items[child]!, last)) break
      items[i] = items[child]!
      i = child
    }
    items[i] = last
    return top
  }
}

function before(a: Timed & { order: number }, b: Timed & { order: number }): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order)
}
