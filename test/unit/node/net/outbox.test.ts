import type { Connection, Stream } from '@libp2p/interface'
import { beforeEach, expect, test, vi } from 'vitest'
import { Outbox } from '../../../../node/net/outbox.ts'

/** A connection whose streams note what they were sent; each stream may be told to fail at its n-th send. */
class FakeConnection {
  readonly streams: FakeStream[] = []
  failAt: number[] = []
  full = false
  drain(): void {
    for (const stream of this.streams) stream.dispatchEvent(new Event('drain'))
  }
  async newStream(): Promise<Stream> {
    const stream = new FakeStream(this, this.failAt.shift() ?? Number.POSITIVE_INFINITY)
    this.streams.push(stream)
    return stream as unknown as Stream
  }
  /** First bytes of the payloads of all streams, in order; each fake message is one chunk. */
  get seen(): number[][] {
    return this.streams.map(s => s.seen)
  }
}

class FakeStream extends EventTarget {
  status = 'open'
  readonly seen: number[] = []
  readonly #of: FakeConnection
  readonly #failAt: number
  constructor(of: FakeConnection, failAt: number) {
    super()
    this.#of = of
    this.#failAt = failAt
  }
  get writableNeedsDrain(): boolean {
    return this.#of.full
  }
  send(chunk: { subarray(): Uint8Array }): boolean {
    if (this.seen.length + 1 >= this.#failAt) throw new Error('broken')
    this.seen.push(chunk.subarray()[4]!)
    return true
  }
  abort(): void {
    this.status = 'aborted'
  }
}

let connection: FakeConnection | undefined
let failures: string[]
let outbox: Outbox
const message = (n: number, bytes = 1) => new Uint8Array(bytes).fill(n)

const makeOutbox = () =>
  new Outbox({
    protocol: '/test',
    messagesMax: 4,
    bytesMax: 100,
    stallMs: 1000,
    connection: () => connection as unknown as Connection | undefined,
    onFailure: error => failures.push(error.message),
  })

beforeEach(() => {
  connection = undefined
  failures = []
  outbox = makeOutbox()
})

const emptied = () => vi.waitFor(() => expect(outbox.queued).toEqual({ messages: 0, bytes: 0 }))

test('waits for a connection and then sends in order over one stream', async () => {
  for (const n of [1, 2, 3]) outbox.push(message(n))
  expect(outbox.queued).toEqual({ messages: 3, bytes: 3 })
  connection = new FakeConnection()
  outbox.wake()
  await emptied()
  outbox.push(message(4))
  await emptied()
  expect(connection.seen).toEqual([[1, 2, 3, 4]])
  expect([outbox.sent, outbox.dropped]).toEqual([4, 0])
})

test('the oldest are dropped and counted beyond so many messages', async () => {
  for (const n of [1, 2, 3, 4, 5, 6, 7]) outbox.push(message(n))
  expect(outbox.dropped).toBe(3)
  connection = new FakeConnection()
  outbox.wake()
  await emptied()
  expect(connection.seen).toEqual([[4, 5, 6, 7]])
})

test('the oldest are dropped beyond so many bytes, the newest never', async () => {
  outbox.push(message(1, 60))
  outbox.push(message(2, 30))
  outbox.push(message(3, 60))
  expect(outbox.queued).toEqual({ messages: 2, bytes: 90 })
  connection = new FakeConnection()
  outbox.wake()
  await emptied()
  expect(connection.seen).toEqual([[2, 3]])
  connection = undefined
  outbox = makeOutbox()
  outbox.push(message(4, 200))
  expect(outbox.queued.messages).toBe(1)
})

test('the message that is half written is not the one to be dropped', async () => {
  connection = new FakeConnection()
  connection.full = true
  for (const n of [1, 2, 3, 4, 5, 6]) outbox.push(message(n))
  await vi.waitFor(() => expect(connection?.seen).toEqual([[3]]))
  for (const n of [7, 8]) outbox.push(message(n))
  expect(outbox.queued.messages).toBe(4)
  connection.full = false
  connection.drain()
  await emptied()
  expect(connection.seen).toEqual([[3, 6, 7, 8]])
})

test('a message whose stream broke is sent again on a new one, in its place', async () => {
  connection = new FakeConnection()
  connection.failAt = [2]
  for (const n of [1, 2, 3]) outbox.push(message(n))
  await vi.waitFor(() => expect(failures).toEqual(['broken']))
  outbox.wake()
  await emptied()
  expect(connection.seen).toEqual([[1], [2, 3]])
  expect(outbox.dropped).toBe(0)
})

test('a message that breaks stream after stream on a live connection is dropped, the next ones go', async () => {
  connection = new FakeConnection()
  connection.failAt = [1, 1, 1]
  outbox.push(message(1))
  for (let i = 1; i <= 3; i++) {
    await vi.waitFor(() => expect(failures).toHaveLength(i))
    outbox.wake()
  }
  outbox.push(message(2))
  await emptied()
  expect(connection.seen.at(-1)).toEqual([2])
  expect(outbox.dropped).toBe(1)
})

test('no message is dropped for a connection that is lost again and again', async () => {
  outbox.push(message(1))
  for (let i = 1; i <= 5; i++) {
    connection = new FakeConnection()
    connection.failAt = [1]
    const lost = connection
    outbox.wake()
    await vi.waitFor(() => expect(lost.streams).toHaveLength(1))
    connection = undefined
    await vi.waitFor(() => expect(failures).toHaveLength(i))
  }
  expect(outbox.queued.messages).toBe(1)
})

test('what is emptied goes no more, nor the message that was half written; what comes later does', async () => {
  connection = new FakeConnection()
  connection.full = true
  for (const n of [1, 2, 3]) outbox.push(message(n))
  await vi.waitFor(() => expect(connection?.seen).toEqual([[1]]))
  outbox.empty()
  expect(outbox.queued).toEqual({ messages: 0, bytes: 0 })
  outbox.push(message(4))
  connection.full = false
  connection.drain()
  await emptied()
  expect(connection.seen).toEqual([[1, 4]])
  expect([outbox.sent, outbox.dropped]).toEqual([1, 3])
})

test('after close nothing is kept, sent or taken', async () => {
  outbox.push(message(1))
  outbox.close()
  outbox.push(message(2))
  connection = new FakeConnection()
  outbox.wake()
  expect(outbox.queued).toEqual({ messages: 0, bytes: 0 })
  expect(connection.streams).toHaveLength(0)
})
