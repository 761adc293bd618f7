/** The same bytes over plain libp2p: one stream to each other peer, as much as goes there in a reduce-scatter and its way back. */
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
  const { index, ports, peers, parameters } = plan
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
  let missing = each * (peers - 1)
  const all = Promise.withResolvers<void>()
  await host.handle(PROTOCOL, stream => {
    stream.addEventListener('message', ({ data }) => {
      missing -= data.byteLength
      if (missing === 0) all.resolve()
    })
    // A machine with too much to do may miss the connection's pings: then there is nothing to compare with.
    stream.addEventListener('close', () => {
      if (missing > 0) all.reject(new Error('a connection was lost'))
    })
  })
  await reach('listening')
  // One of two dials, so that there is one connection for each pair.
  const met = Promise.withResolvers<void>()
  const look = () => void (host.getPeers().length === peers - 1 && met.resolve())
  host.addEventListener('peer:connect', look)
  for (let i = 0; i < index; i++) await host.dial(multiaddr(`/ip4/127.0.0.1/tcp/${ports[i]}`))
  look()
  await met.promise
  await reach('connected')
  const measured = meter()
  const sent = Promise.all(
    host.getConnections().map(async connection => send(await connection.newStream(PROTOCOL), each)),
  )
  await Promise.all([sent, all.promise])
  return measured(each * (peers - 1))
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
