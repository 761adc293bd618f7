/** Networks on 127.0.0.1 for the end-to-end tests, and a hostile peer that is nothing but libp2p. */
import { createServer } from 'node:net'
import { noise } from '@chainsafe/libp2p-noise'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { gossipsub } from '@libp2p/gossipsub'
import { identify } from '@libp2p/identify'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { createNet } from '../../node/net/net.ts'
import type { Net, NetOptions, Verdict, Via } from '../../node/net/options.ts'
import type { NetMember } from '../../node/net/roster.ts'
import { toHex } from '../../protocol/bytes.ts'

export const NETWORK_ID = new Uint8Array(32).fill(0xab)
export const TOPIC = `medmesh/1/${toHex(NETWORK_ID)}`
export const PROTOCOL = `/medmesh/1/${toHex(NETWORK_ID)}`

export interface Party {
  readonly member: NetMember
  readonly key: Ed25519PrivateKey
}

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

export async function parties(...ids: string[]): Promise<Party[]> {
  return Promise.all(
    ids.map(async id => {
      const key = await generateKeyPair('Ed25519')
      const addresses = [`/ip4/127.0.0.1/tcp/${await freePort()}`]
      return { key, member: { id, publicKeyHex: toHex(key.publicKey.raw), addresses } }
    }),
  )
}

export interface Received {
  readonly from: string
  readonly via: Via
  readonly bytes: Uint8Array
}

export interface Peer {
  readonly id: string
  readonly net: Net
  readonly received: Received[]
  readonly log: string[]
  /** What the peer answers; accept unless a test sets it. */
  verdict: (message: Received) => Verdict
}

/** A peer that has not been started. */
export function peerOf(self: Party, all: readonly Party[], options: Partial<NetOptions> = {}): Peer {
  const log: string[] = []
  const net = createNet({
    privateKey: self.key,
    self: self.member.id,
    members: all.map(p => p.member),
    listen: self.member.addresses,
    networkId: NETWORK_ID,
    log: (_, what, fields) => log.push(`${what} ${JSON.stringify(fields ?? {})}`),
    ...options,
  })
  const peer: Peer = { id: self.member.id, net, received: [], log, verdict: () => 'accept' }
  net.onMessage((from, via, bytes) => {
    const message = { from, via, bytes }
    peer.received.push(message)
    return peer.verdict(message)
  })
  return peer
}

/** Waits until `condition` holds; the error says what did not come. */
export async function until(what: string, condition: () => boolean, limitMs = 20_000): Promise<void> {
  const deadline = performance.now() + limitMs
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${limitMs} ms: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 10))
  }
}

export const meshed = (peers: readonly Peer[]) =>
  until('everyone connected', () => peers.every(p => p.net.connected().length === peers.length - 1))

/** A plain libp2p host with the given key: as a stranger it knows our protocols, as a member it breaks them. */
export async function rawHost(key: Ed25519PrivateKey, listen: readonly string[] = []) {
  const host = await createLibp2p({
    privateKey: key,
    addresses: { listen: [...listen] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: {
      identify: identify(),
      ping: ping(),
      pubsub: gossipsub({ fallbackToFloodsub: false, allowPublishToZeroTopicPeers: true }),
    },
  })
  host.services.pubsub.subscribe(TOPIC)
  return host
}
