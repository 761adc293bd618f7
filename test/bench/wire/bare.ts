/** The same bytes over plain libp2p: one stream to each other peer, as much as goes there in a reduce-scatter and its way back. */
import { noise } from '@chainsafe/libp2p-noise'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey, Stream } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { concatBytes } from '../../../protocol/bytes.ts'
import { publicKeyOf } from '../../../protocol/crypto/sign.ts'
import { seedOf } from '../../../sim/charter.ts'
import type { ChildPlan, Measured, Reach } from './plan.ts'

const PROTOCOL = '/medmesh-bench/1'
const CHUNK = new Uint8Array(128 * 1024)

export async function bare(plan: ChildPlan, reach: Reach): Promise<Measured> {
  const { index, ports, peers, parameters } = plan
  const seed = seedOf(index)
  const host = await createLibp2p({
    privateKey: privateKeyFromRaw(concatBytes(seed, publicKeyOf(seed))) as Ed25519PrivateKey,
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
  const cpuBefore = process.cpuUsage()
  const from = Date.now()
  const sent = Promise.all(
    host.getConnections().map(async connection => send(await connection.newStream(PROTOCOL), each)),
  )
  await Promise.all([sent, all.promise])
  const to = Date.now()
  const { user, system } = process.cpuUsage(cpuBefore)
  return {
    from,
    to,
    bytesSent: each * (peers - 1),
    cpuSeconds: (user + system) / 1e6,
    peakBytes: process.resourceUsage().maxRSS * 1024,
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
