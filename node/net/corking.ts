/**
 * Writes of one turn of the event loop, joined: libp2p writes the length, the header and the data of each message apart, and
 * TCP without delay makes a packet of each. That is three times as many packets, each of which can be lost.
 */
import type { Writable } from 'node:stream'

/** From now on what is written in one turn leaves at its end, in one system call. Nothing else changes for the writer. */
export function joinWrites(socket: Writable): void {
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean
  socket.write = (...args: unknown[]) => {
    if (socket.writableCorked === 0) {
      socket.cork()
      setImmediate(() => socket.uncork())
    }
    return write(...args)
  }
}
