/** The network against strangers at the door and members that break its rules. Nothing may get out as an exception. */
import { connect, createServer, type Server } from 'node:net'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Stream, StreamMuxer } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { concatBytes, u32be } from '../../protocol/bytes.ts'
import {
  meshed,
  type Party,
  type Peer,
  PROTOCOL,
  parties,
  peerOf,
  rawHost,
  TOPIC,
  until,
} from './net-helpers.ts'

let running: Peer[] = []
let hosts: Awaited<ReturnType<typeof rawHost>>[] = []
let escaped: unknown[] = []
const noteEscape = (error: unknown) => escaped.push(error)

beforeEach(() => {
  escaped = []
  process.on('uncaughtException', noteEscape)
  process.on('unhandledRejection', noteEscape)
})
afterEach(async () => {
  await Promise.all([...running.map(p => p.net.stop()), ...hosts.map(h => h.stop())])
  running = []
  hosts = []
  process.off('uncaughtException', noteEscape)
  process.off('unhandledRejection', noteEscape)
  expect(escaped).toEqual([])
})

async function start(...peers: Peer[]): Promise<Peer[]> {
  running.push(...peers)
  await Promise.all(peers.map(p => p.net.start()))
  return peers
}

async function host(...args: Parameters<typeof rawHost>) {
  const made = await rawHost(...args)
  hosts.push(made)
  return made
}

/** Honest basel and lyon, and a member ulm that is whatever the test makes of it. */
async function withRogue(): Promise<{ all: Party[]; honest: Peer[]; rogue: Party }> {
  const all = await parties('basel', 'lyon', 'ulm')
  const honest = await start(...all.slice(0, 2).map(p => peerOf(p, all)))
  await until('the honest two are connected', () => honest.every(p => p.net.connected().length === 1))
  return { all, honest, rogue: all[2]! }
}

const stat = (peer: Peer, member: string) => peer.net.peerStats().find(s => s.member === member)!

const p2p = (party: Party) => multiaddr(party.member.addresses[0]!)

async function openStream(rogue: Awaited<ReturnType<typeof rawHost>>, to: Party): Promise<Stream> {
  return rogue.dialProtocol(p2p(to), PROTOCOL)
}

test('a stranger that dials gets no connection, no stream and no message', async () => {
  const { all, honest } = await withRogue()
  const stranger = await host(await generateKeyPair('Ed25519'))
  const streams: string[] = []
  for (const protocol of [PROTOCOL, '/ipfs/id/1.0.0', '/meshsub/1.2.0']) {
    // Noise ends with the dialler, so it may think for a moment that it is in.
    const attempt = stranger.dialProtocol(p2p(all[0]!), protocol).then(s => streams.push(s.protocol))
    await expect(attempt, protocol).rejects.toThrow()
  }
  await until('it is out', () => stranger.getConnections().length === 0)
  await honest[0]!.net.publish(Uint8Array.of(1))
  await until('the members go on', () => honest[1]!.received.length === 1)
  expect(streams).toEqual([])
  expect(stranger.services.pubsub.getSubscribers(TOPIC)).toEqual([])
  expect(honest[0]!.net.refused()).toBeGreaterThanOrEqual(3)
  expect(honest[0]!.received).toEqual([])
})

test("a stranger that listens at a member's address is hung up before any stream", async () => {
  const all = await parties('basel', 'lyon')
  const stranger = await host(await generateKeyPair('Ed25519'), all[1]!.member.addresses)
  const opened: string[] = []
  await stranger.handle(PROTOCOL, stream => void opened.push(stream.protocol))
  const [basel] = await start(peerOf(all[0]!, all, { lookMs: 50 }))
  basel!.net.send('lyon', Uint8Array.of(1))
  const failed = () => basel!.log.filter(l => l.startsWith('dial failed')).length
  await until('basel has tried', () => failed() >= 3)
  expect(basel!.net.connected()).toEqual([])
  expect(stranger.getPeers()).toEqual([])
  expect(opened).toEqual([])
  expect(stat(basel!, 'lyon')).toMatchObject({ sent: 0, queued: 1 })
})

test('a gossip message that a member rejects or ignores is not forwarded, one that it accepts is', async () => {
  const { all, honest, rogue } = await withRogue()
  const [basel, lyon] = honest as [Peer, Peer]
  basel.verdict = m => (m.bytes[0] === 13 ? 'reject' : m.bytes[0] === 14 ? 'ignore' : 'accept')
  // The rogue is connected to basel only, so what lyon gets has passed through an honest member.
  const bad = await host(rogue.key)
  await bad.dial(p2p(all[0]!))
  await until('basel is subscribed', () => bad.services.pubsub.getSubscribers(TOPIC).length === 1)
  for (const n of [13, 14, 15]) await bad.services.pubsub.publish(TOPIC, Uint8Array.of(n))
  await until('basel has judged all', () => basel.received.length === 3)
  await until('lyon has the good one', () => lyon.received.some(r => r.bytes[0] === 15))
  await basel.net.publish(Uint8Array.of(16))
  await until('lyon has the fence', () => lyon.received.some(r => r.bytes[0] === 16))
  expect(lyon.received.map(r => [r.from, r.bytes[0]])).toEqual([
    ['basel', 15],
    ['basel', 16],
  ])
  expect(stat(basel, 'ulm')).toMatchObject({ accepted: 1, ignored: 1, rejected: 1 })
})

test("a stranger's gossip that a member relays is rejected", async () => {
  const { all, honest, rogue } = await withRogue()
  const bad = await host(rogue.key, rogue.member.addresses)
  const stranger = await host(await generateKeyPair('Ed25519'))
  await bad.dial(p2p(all[0]!))
  await stranger.dial(p2p(rogue))
  await until('all are subscribed', () => bad.services.pubsub.getSubscribers(TOPIC).length >= 2)
  await until('the stranger knows it', () => stranger.services.pubsub.getSubscribers(TOPIC).length >= 1)
  await stranger.services.pubsub.publish(TOPIC, Uint8Array.of(1))
  await until('basel rejected it', () => stat(honest[0]!, 'ulm').rejected === 1)
  expect(honest[0]!.received).toEqual([])
})

test('gossip over the bound is rejected before the host sees it', async () => {
  const { all, honest, rogue } = await withRogue()
  const bad = await host(rogue.key)
  await bad.dial(p2p(all[0]!))
  await until('basel is subscribed', () => bad.services.pubsub.getSubscribers(TOPIC).length === 1)
  await bad.services.pubsub.publish(TOPIC, new Uint8Array(65_537))
  await until('basel rejected it', () => stat(honest[0]!, 'ulm').rejected === 1)
  await bad.services.pubsub.publish(TOPIC, new Uint8Array(65_536))
  await until('the largest passes', () => honest[0]!.received.length === 1)
})

test('an oversize frame costs the stream and nothing else', async () => {
  const { all, honest, rogue } = await withRogue()
  const bad = await host(rogue.key)
  const stream = await openStream(bad, all[0]!)
  stream.send(concatBytes(u32be(1), Uint8Array.of(1), u32be(0x7fffffff), new Uint8Array(1000)))
  await until('the stream is reset', () => stream.status !== 'open')
  await until('what came before is there', () => honest[0]!.received.length === 1)
  expect(stat(honest[0]!, 'ulm').rejected).toBe(1)
  expect(bad.getConnections()).toHaveLength(1)
  const again = await openStream(bad, all[0]!)
  again.send(concatBytes(u32be(1), Uint8Array.of(2)))
  await until('the next stream works', () => honest[0]!.received.length === 2)
})

test('a member that goes on sending what is rejected is hung up and held off', async () => {
  const { all, honest, rogue } = await withRogue()
  honest[0]!.verdict = () => 'reject'
  const bad = await host(rogue.key)
  const stream = await openStream(bad, all[0]!)
  for (let i = 0; i < 100; i++) stream.send(concatBytes(u32be(1), Uint8Array.of(i)))
  await until('it is out', () => bad.getConnections().length === 0)
  expect(honest[0]!.received.length).toBeLessThan(40)
  await expect(openStream(bad, all[0]!)).rejects.toThrow()
})

test('an exception of our own host is not swallowed', async () => {
  const { all, honest, rogue } = await withRogue()
  honest[0]!.verdict = () => {
    throw new Error('invariant of the host')
  }
  const bad = await host(rogue.key)
  const stream = await openStream(bad, all[0]!)
  stream.send(concatBytes(u32be(1), Uint8Array.of(1)))
  await honest[1]!.net.publish(Uint8Array.of(2))
  await until('both are out', () => escaped.length === 2)
  expect(escaped.map(String)).toEqual(Array(2).fill('Error: invariant of the host'))
  escaped = []
})

test('half-open streams, empty frames and streams that end inside a frame are no trouble', async () => {
  const { all, honest, rogue } = await withRogue()
  const bad = await host(rogue.key)
  const endings: ((stream: Stream) => unknown)[] = [
    stream => stream.close(),
    stream => stream.abort(new Error('reset')),
    stream => stream.send(Uint8Array.of(0, 0)) && stream.close(),
    stream => stream.send(concatBytes(u32be(100), new Uint8Array(50))) && stream.abort(new Error('reset')),
    stream => stream.send(new Uint8Array(64)),
  ]
  for (const end of endings) await end(await openStream(bad, all[0]!))
  const open: (Stream | undefined)[] = []
  // No more than the limit may be open at once; these say nothing and stay.
  for (let i = 0; i < 8; i++) open.push(await openStream(bad, all[0]!).catch(() => undefined))
  await until('some were refused', () => open.filter(s => s?.status === 'open').length <= 4)
  await bad.stop()
  honest[1]!.net.send('basel', Uint8Array.of(1))
  await until('the honest go on', () => honest[0]!.received.length === 1)
})

test('garbage and silence on the port keep nobody out', async () => {
  const all = await parties('basel', 'lyon')
  const [basel] = await start(peerOf(all[0]!, all))
  const port = Number(all[0]!.member.addresses[0]!.split('/').at(-1))
  const sockets = Array.from({ length: 12 }, (_, i) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('error', () => {})
    if (i % 3 === 0) socket.write(new Uint8Array(5000).fill(0xff))
    if (i % 3 === 1) socket.write('GET / HTTP/1.1\r\n\r\n')
    return socket
  })
  await Promise.all(sockets.map(s => new Promise(resolve => s.once('connect', resolve))))
  const [lyon] = await start(peerOf(all[1]!, all))
  await meshed([basel!, lyon!])
  await until('the silent are put out too', () => sockets.every(s => s.closed))
  expect(basel!.net.connected()).toEqual(['lyon'])
})

test.each([
  ['at once', ''],
  ['after the first line of a greeting', '\x13/multistream/1.0.0\n'],
])('lengths without an end from strangers cost next to nothing: %s', async (_, greeting) => {
  const all = await parties('basel', 'lyon')
  const [basel] = await start(peerOf(all[0]!, all))
  const before = process.cpuUsage()
  const sockets = Array.from({ length: 12 }, () => {
    const socket = connect(Number(all[0]!.member.addresses[0]!.split('/').at(-1)), '127.0.0.1')
    socket.on('error', () => {})
    socket.write(Buffer.concat([Buffer.from(greeting), Buffer.alloc(1 << 20, 0xff)]))
    return socket
  })
  await until('all are put out', () => sockets.every(s => s.closed))
  const { user, system } = process.cpuUsage(before)
  expect((user + system) / 1000, 'ms').toBeLessThan(1500)
  const [lyon] = await start(peerOf(all[1]!, all))
  await meshed([basel!, lyon!])
})

test("lengths without an end on a member's stream cost the stream and next to nothing", async () => {
  const { all, honest, rogue } = await withRogue()
  const bad = await host(rogue.key)
  const connection = await bad.dial(p2p(all[0]!))
  for (const greeting of ['', '\x13/multistream/1.0.0\n', '\x13/multistream/1.0.0\n\x03no\n']) {
    // Under libp2p's own streams: they would say the right thing first.
    const stream = await (connection as unknown as { muxer: StreamMuxer }).muxer.createStream()
    const before = process.cpuUsage()
    stream.send(Buffer.concat([Buffer.from(greeting), Buffer.alloc(200_000, 0xff)]))
    await until('it is reset', () => stream.status !== 'open')
    const { user, system } = process.cpuUsage(before)
    expect((user + system) / 1000, 'ms').toBeLessThan(400)
  }
  const stream = await openStream(bad, all[0]!)
  stream.send(concatBytes(u32be(1), Uint8Array.of(1)))
  await until('a good stream works', () => honest[0]!.received.length === 1)
})

test("a member's greeting may come byte by byte", async () => {
  const { all } = await withRogue()
  const socket = connect(Number(all[0]!.member.addresses[0]!.split('/').at(-1)), '127.0.0.1')
  socket.setNoDelay(true)
  const answer: Buffer[] = []
  socket.on('data', chunk => answer.push(chunk))
  const greeting = '\x13/multistream/1.0.0\n\x07/noise\n'
  for (const byte of Buffer.from(greeting)) await new Promise(done => socket.write(Buffer.of(byte), done))
  await until('it is answered', () => Buffer.concat(answer).toString() === greeting)
  socket.destroy()
})

test('a member without gossip is hung up and dialled again, and that heals it', async () => {
  const all = await parties('basel', 'lyon')
  const [basel] = await start(peerOf(all[0]!, all, { gossipSilenceMs: 200, lookMs: 100 }))
  const mute = await host(all[1]!.key, all[1]!.member.addresses)
  await until('gossip stands', () => basel!.net.connected().length === 1)
  mute.services.pubsub.unsubscribe(TOPIC)
  await until('noticed', () => basel!.net.connected().length === 0)
  await until('hung up', () => basel!.log.some(l => l.startsWith('connected without gossip')))
  mute.services.pubsub.subscribe(TOPIC)
  await until('healed', () => basel!.net.connected().length === 1)
})

test('a listener that accepts and says nothing costs a dial, not the loop', async () => {
  const all = await parties('basel', 'lyon', 'turin')
  const accepted: unknown[] = []
  const silent: Server = createServer(socket => {
    accepted.push(socket)
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve =>
    silent.listen(Number(all[1]!.member.addresses[0]!.split('/').at(-1)), '127.0.0.1', resolve),
  )
  const [basel, turin] = await start(peerOf(all[0]!, all), peerOf(all[2]!, all))
  await until('basel and turin talk', () => basel!.net.connected().length === 1)
  await until('lyon is dialled again', () => accepted.length >= 3)
  await basel!.net.publish(Uint8Array.of(1))
  await until('turin hears', () => turin!.received.length === 1)
  silent.close()
})
