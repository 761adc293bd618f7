/** What waits to go to members that are away, as `node/net/outbox.ts` keeps it: bounded, the oldest go first. */

/** As `NET_DEFAULTS` of the node. */
const MESSAGES_MAX = 1024
const BYTES_MAX = 32 << 20

const NOTHING: readonly Uint8Array[] = []

export class Outboxes {
  readonly #queues = new Map<number, { messages: Uint8Array[]; bytes: number }>()

  /** `key`: of a pair of hosts. What has to go for it to be taken is handed to `dropped`. */
  push(key: number, message: Uint8Array, dropped: (message: Uint8Array) => void): void {
    const queue = this.#queues.get(key) ?? { messages: [], bytes: 0 }
    this.#queues.set(key, queue)
    queue.messages.push(message)
    queue.bytes += message.length
    while (queue.messages.length > 1 && (queue.messages.length > MESSAGES_MAX || queue.bytes > BYTES_MAX)) {
      const oldest = queue.messages.shift()!
      queue.bytes -= oldest.length
      dropped(oldest)
    }
  }

  /** All that waits, in its order; the queue is empty then. */
  take(key: number): readonly Uint8Array[] {
    const queue = this.#queues.get(key)
    if (!queue) return NOTHING
    this.#queues.delete(key)
    return queue.messages
  }
}
