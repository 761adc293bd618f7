/**
 * What waits to go to one member, in order, over one long-lived stream. Bounded in messages and bytes: while the
 * member is away or slow the oldest go first and are counted, since the protocol asks again for what it misses.
 */
import type { Connection, Stream } from '@libp2p/interface'
import type { Bandwidth } from './bandwidth.ts'
import { writeFrame } from './frames.ts'

export interface OutboxOptions {
  readonly protocol: string
  readonly messagesMax: number
  readonly bytesMax: number
  /** How long the member may take nothing before the stream is given up; milliseconds. */
  readonly stallMs: number
  /** What its messages wait for; undefined: nothing. */
  readonly bandwidth?: Bandwidth | undefined
  /** An open connection to the member, or undefined. */
  readonly connection: () => Connection | undefined
  readonly onFailure: (error: Error) => void
}

const OPEN_MS = 3000
/** A message that has cost so many streams is dropped: the member refuses it. */
const ATTEMPTS_MAX = 3

export class Outbox {
  readonly #options: OutboxOptions
  readonly #queue: Uint8Array[] = []
  #queuedBytes = 0
  #stream: Stream | undefined
  #running = false
  #writing = false
  #closed = false
  #attempts = 0
  /** Messages dropped, and messages that libp2p has taken whole. */
  dropped = 0
  sent = 0

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  get queued(): { messages: number; bytes: number } {
    return { messages: this.#queue.length, bytes: this.#queuedBytes }
  }

  /** Takes a message, which must not be changed afterwards; dropped at once when the outbox is closed. */
  push(message: Uint8Array): void {
    if (this.#closed) return
    this.#queue.push(message)
    this.#queuedBytes += message.length
    const { messagesMax, bytesMax } = this.#options
    // The newest stays, and the first one if it is half written.
    const first = this.#writing ? 1 : 0
    while (
      this.#queue.length > first + 1 &&
      (this.#queue.length > messagesMax || this.#queuedBytes > bytesMax)
    ) {
      this.#drop(first)
    }
    this.wake()
  }

  /** Goes on sending if the member can be reached; called again when a connection opens, and now and then. */
  wake(): void {
    if (this.#running || this.#closed || this.#queue.length === 0) return
    this.#running = true
    this.#run().then(
      () => {
        this.#running = false
        // Something may have come between the last look at the queue and now.
        if (this.#options.connection() !== undefined) this.wake()
      },
      (error: Error) => {
        this.#running = false
        this.#giveUpStream(error)
      },
    )
  }

  /** Drops all that waits, and what is half written with it. */
  empty(): void {
    while (this.#queue.length > 0) this.#drop(0)
  }

  close(): void {
    this.#closed = true
    this.#queue.length = 0
    this.#queuedBytes = 0
    this.#stream?.abort(new Error('closed'))
    this.#stream = undefined
  }

  async #run(): Promise<void> {
    while (!this.#closed && this.#queue.length > 0) {
      const stream = await this.#openStream()
      const message = this.#queue[0]
      if (stream === undefined || message === undefined) return
      this.#writing = true
      try {
        await writeFrame(stream, message, this.#options.stallMs, this.#options.bandwidth)
      } finally {
        this.#writing = false
      }
      // It may have been emptied meanwhile.
      if (this.#queue[0] === message) this.#drop(0, 'sent')
    }
  }

  async #openStream(): Promise<Stream | undefined> {
    if (this.#stream?.status === 'open') return this.#stream
    const connection = this.#options.connection()
    if (connection === undefined) return undefined
    const stream = await connection.newStream(this.#options.protocol, {
      signal: AbortSignal.timeout(OPEN_MS),
    })
    if (this.#closed) {
      stream.abort(new Error('closed'))
      return undefined
    }
    this.#stream = stream
    return stream
  }

  #giveUpStream(error: Error): void {
    this.#stream?.abort(error)
    this.#stream = undefined
    if (this.#closed) return
    // A lost connection is not the message's fault; a stream that fails again and again on a live one is.
    if (this.#options.connection() !== undefined && ++this.#attempts >= ATTEMPTS_MAX) this.#drop(0)
    this.#options.onFailure(error)
  }

  #drop(index: number, why: 'dropped' | 'sent' = 'dropped'): void {
    const [message] = this.#queue.splice(index, 1)
    if (message === undefined) return
    this.#queuedBytes -= message.length
    this[why]++
    if (index === 0) this.#attempts = 0
  }
}
