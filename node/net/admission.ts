/**
 * The door: only members get a connection, in either direction, and only those who are not held off. The same hooks
 * see every TCP socket of this network, which is where its bytes are counted as the operating system moved them
 * (encryption, framing and refused handshakes included; those still in a send buffer too).
 */
import { Socket } from 'node:net'
import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import { assert } from '../../protocol/result.ts'
import { joinWrites } from './corking.ts'
import { checkGreeting } from './negotiation.ts'

export interface ByteCount {
  sent: number
  received: number
}

export class Admission {
  readonly #admits: (peer: PeerId) => boolean
  readonly #sockets = new Map<Socket, { peer: string | undefined }>()
  /** Of closed sockets; by PeerId, and '' for those that never proved one. */
  readonly #closed = new Map<string, ByteCount>()
  readonly #onRefused: (peer: PeerId) => void
  refused = 0

  /** `onRefused`: after each handshake by which a peer proved to be one that is not admitted. */
  constructor(admits: (peer: PeerId) => boolean, onRefused: (peer: PeerId) => void = () => {}) {
    this.#admits = admits
    this.#onRefused = onRefused
  }

  /** For libp2p's `connectionGater`. What it denies after the Noise handshake is closed before any stream. */
  readonly gater: ConnectionGater = {
    denyDialPeer: peer => !this.#admits(peer),
    denyInboundConnection: connection => {
      this.#track(connection, undefined)
      return false
    },
    denyOutboundConnection: (peer, connection) => {
      this.#track(connection, peer)
      return !this.#admits(peer)
    },
    denyInboundEncryptedConnection: (peer, connection) => this.#deny(peer, connection),
    denyOutboundEncryptedConnection: (peer, connection) => this.#deny(peer, connection),
  }

  /** Bytes of all sockets since the start, or of those of one peer. */
  bytes(peer?: PeerId): ByteCount {
    const key = peer?.toString()
    const total = { sent: 0, received: 0 }
    for (const [of, count] of this.#closed) {
      if (key === undefined || key === of) add(total, count.sent, count.received)
    }
    for (const [socket, { peer: of }] of this.#sockets) {
      if (key === undefined || key === of) add(total, socket.bytesWritten, socket.bytesRead)
    }
    return total
  }

  /** Ends what libp2p's orderly stop has left open. */
  destroySockets(): void {
    for (const socket of this.#sockets.keys()) socket.destroy()
  }

  #deny(peer: PeerId, connection: MultiaddrConnection): boolean {
    const admitted = this.#admits(peer)
    if (admitted) this.#track(connection, peer)
    else {
      this.refused++
      this.#onRefused(peer)
    }
    return !admitted
  }

  #track(connection: MultiaddrConnection, peer: PeerId | undefined): void {
    const socket = 'socket' in connection ? connection.socket : undefined
    assert(socket instanceof Socket, 'libp2p/tcp gives its socket with a connection')
    const known = this.#sockets.get(socket)
    if (known !== undefined) {
      known.peer = peer?.toString()
      return
    }
    const entry = { peer: peer?.toString() }
    this.#sockets.set(socket, entry)
    checkGreeting(connection)
    joinWrites(socket)
    const settle = () => {
      if (!this.#sockets.delete(socket)) return
      const key = entry.peer ?? ''
      const count = this.#closed.get(key) ?? { sent: 0, received: 0 }
      add(count, socket.bytesWritten, socket.bytesRead)
      this.#closed.set(key, count)
    }
    if (socket.destroyed) settle()
    else socket.once('close', settle)
  }
}

function add(to: ByteCount, sent: number, received: number): void {
  to.sent += sent
  to.received += received
}
