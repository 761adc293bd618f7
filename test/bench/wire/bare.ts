/**
 * The same bytes over plain libp2p: one stream to each other peer, as much as goes there in a reduce-scatter and its way back. Once
 * for each round, of which the last is measured: a sum's processes are warm too.
 */
import { noise } from '@chainsafe/libp2p-noise'
import type { Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { privateKeyOf } from '../../support/dataless.ts'
import { type ChildPlan, type Measured, meter, type Reach } from './plan.ts'

const PROTOCOL = '/medmesh-bench/1'
const CHUNK = new Uint8Array(128 * 1024)

export async function bare(plan: ChildPlan, reach: Reach): Promise<Measured> {
  const { index, ports, peers, parameters, rounds } = plan
  const host = await createLibp2p({
    privateKey: privateKeyOf(index),
    addresses: { listen: [`/ip4/127.0.0.1/tcp/${ports[index]}`] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    // All come at once, from one address.
    connectionManager: { inboundConnectionThreshold: peers, maxIncomingPendingConnections: 256 },
  })
  const each = 2 * Math.ceil((4 * parameters) / peers)
  const ofRound = each * (peers - 1)
  let received = 0
  let look = () => {}
  const lost = Promise.withResolvers<never>()
  await host.handle(PROTOCOL, stream => {
    stream.addEventListener('message', ({ data }) => {
      received += data.byteLength
      look()
    })
    // A machine with too much to do may miss the connection's pings: then there is nothing to compare with.
    stream.addEventListener('close', () => {
      lost.reject(new Error('a connection was lost'))
    })
  })
  await reach('listening')
  // One of two dials, so that there is one connection for each pair.
  const met = Promise.withResolvers<void>()
  const lookAround = () => void (host.getPeers().length === peers - 1 && met.resolve())
  host.addEventListener('peer:connect', lookAround)
  for (let i = 0; i < index; i++) await host.dial(multiaddr(`/ip4/127.0.0.1/tcp/${ports[i]}`))
  lookAround()
  await met.promise
  await reach('connected')
  const streams = await Promise.all(host.getConnections().map(c => c.newStream(PROTOCOL)))
  const sendAll = () => Promise.all(streams.map(stream => send(stream, each)))
  const receivedAll = (bytes: number) =>
    new Promise<void>(resolve => {
      look = () => void (received >= bytes && resolve())
      look()
    })
  // Ends of connections after the last round are of no interest.
  lost.promise.catch(() => {})
  for (let round = 1; ; round++) {
    const measured = meter()
    await Promise.race([lost.promise, Promise.all([sendAll(), receivedAll(round * ofRound)])])
    if (round === rounds) return measured(ofRound)
  }
}

async function send(stream: Stream, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    stream.send(CHUNK.subarray(0, Math.min(left, CHUNK.length)))
    while (stream.writableNeedsDrain) {
      await new Promise<void>(resolve => {
        stream.addEventListener('drain', () => resolve(), { once: true })
      })
      await new Promise<void>(resolve => void setImmediate(resolve))
    }
  }
}
