/** The network of real sockets, with everyone honest: mesh, gossip, streams, loss and return of a peer. */
import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import { meshed, type Party, type Peer, parties, peerOf, until } from './net-helpers.ts'

let running: Peer[] = []
let child: ChildProcess | undefined
afterEach(async () => {
  child?.kill('SIGKILL')
  child = undefined
  await Promise.all(running.map(p => p.net.stop()))
  running = []
})

async function start(...peers: Peer[]): Promise<Peer[]> {
  running.push(...peers)
  await Promise.all(peers.map(p => p.net.start()))
  return peers
}

async function four(): Promise<{ all: Party[]; peers: Peer[] }> {
  const all = await parties('basel', 'lyon', 'turin', 'ulm')
  const peers = await start(...all.map(p => peerOf(p, all)))
  await meshed(peers)
  return { all, peers }
}

/** Runs a member in its own process. */
function spawnPeer(self: Party, all: readonly Party[]): ChildProcess {
  const setup = { key: toHex(self.key.raw), self: self.member.id, members: all.map(p => p.member) }
  child = spawn(process.execPath, [join(import.meta.dirname, 'net-peer.ts'), JSON.stringify(setup)], {
    stdio: 'inherit',
  })
  return child
}

test('four members mesh; what one publishes reaches each other once', async () => {
  const { peers } = await four()
  const message = new Uint8Array(60_000).fill(1)
  await peers[0]!.net.publish(message)
  await until('all have it', () => peers.slice(1).every(p => p.received.length === 1))
  // A second message is a fence: duplicates of the first would have come before it.
  await peers[0]!.net.publish(Uint8Array.of(2))
  await until('all have the second', () => peers.slice(1).every(p => p.received.length >= 2))
  for (const { received } of peers.slice(1)) {
    expect(received.map(r => r.via)).toEqual(['gossip', 'gossip'])
    expect(Buffer.compare(received[0]!.bytes, message)).toBe(0)
  }
  expect(peers[0]!.received).toEqual([])
  expect(peers[0]!.net.unheard()).toBe(0)
})

test('messages of 5 MiB go both ways at once, others do not wait for them, and the sockets carried them', async () => {
  const { peers } = await four()
  const [a, b] = [peers[0]!, peers[1]!]
  const large = Uint8Array.from({ length: 5 << 20 }, (_, i) => (i * 7) ^ (i >> 8))
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    from.net.send(to.id, Uint8Array.of(1))
    from.net.send(to.id, large)
    from.net.send(to.id, Uint8Array.of(2))
  }
  await until('both have three', () => a.received.length === 3 && b.received.length === 3)
  for (const { received } of [a, b]) {
    expect(received.map(r => r.bytes.length)).toEqual([1, 1, 5 << 20])
    expect(Buffer.compare(received[2]!.bytes, large)).toBe(0)
    expect([received[0]!.bytes[0], received[1]!.bytes[0]]).toEqual([1, 2])
  }
  const stats = a.net.peerStats().find(s => s.member === b.id)!
  for (const count of [stats.bytesSent, stats.bytesReceived, a.net.bytesSent(), a.net.bytesReceived()]) {
    expect(count).toBeGreaterThan(5 << 20)
    expect(count).toBeLessThan(6 << 20)
  }
  expect(peers[2]!.net.bytesSent()).toBeLessThan(1 << 20)
})

test.each([
  ['what leaves', { uploadMbps: 8 }, {}],
  ['what comes', {}, { downloadMbps: 8 }],
] as const)('a bound on %s holds up large messages and no others', async (_, ofSender, ofReceiver) => {
  const all = await parties('basel', 'lyon')
  const [from, to] = await start(
    peerOf(all[0]!, all, { bandwidthMax: ofSender }),
    peerOf(all[1]!, all, { bandwidthMax: ofReceiver }),
  )
  await meshed([from!, to!])
  const began = performance.now()
  const part = new Uint8Array(250_000).fill(7)
  for (let i = 0; i < 16; i++) from!.net.send('lyon', part)
  from!.net.send('lyon', Uint8Array.of(1))
  void from!.net.publish(Uint8Array.of(2))
  await until('all of them', () => to!.received.length === 18)
  // 4 MB at 1 MB/s, less a burst of a quarter of a second and the last two messages.
  expect(performance.now() - began).toBeGreaterThan(3200)
  const small = to!.received.slice(0, 9).filter(r => r.bytes.length === 1)
  expect(small.map(r => r.bytes[0]).sort()).toEqual([1, 2])
})

test('a message to a member that does not run yet waits for it; one that speaks first is heard', async () => {
  const all = await parties('basel', 'lyon')
  const [early] = await start(peerOf(all[1]!, all))
  early!.net.send('basel', Uint8Array.of(42))
  await early!.net.publish(Uint8Array.of(7))
  expect(early!.net.unheard()).toBe(1)
  const late = peerOf(all[0]!, all)
  // The host begins to send in the very event that says that the other is there.
  early!.net.onConnected(() => void early!.net.publish(Uint8Array.of(43)))
  await start(late)
  await until('both came', () => late.received.length === 2)
  expect(late.received.map(r => [r.via, r.bytes[0]]).sort()).toEqual([
    ['gossip', 43],
    ['stream', 42],
  ])
})

test('the first to finish leaves in order: the others notice, go on, and take it back', async () => {
  const { all, peers } = await four()
  const gone: string[] = []
  for (const p of peers.slice(1)) p.net.onDisconnected(member => gone.push(`${p.id}: ${member}`))
  peers[1]!.net.send('basel', Uint8Array.of(1))
  await peers[0]!.net.stop()
  await until('all noticed', () => peers.slice(1).every(p => p.net.connected().length === 2))
  expect(gone.sort()).toEqual(['lyon: basel', 'turin: basel', 'ulm: basel'])
  peers[1]!.net.send('basel', Uint8Array.of(9))
  await peers[1]!.net.publish(Uint8Array.of(2))
  await until('the rest talk', () => peers.slice(2).every(p => p.received.length === 1))
  const [back] = await start(peerOf(all[0]!, all))
  await meshed([back!, ...peers.slice(1)])
  await until('what waited came', () => back!.received.some(r => r.bytes[0] === 9))
})

test('after stop nothing is called back, and stopping twice or before the start is harmless', async () => {
  const all = await parties('basel', 'lyon')
  const idle = peerOf(all[0]!, all)
  await idle.net.stop()
  const peers = await start(...all.map(p => peerOf(p, all)))
  await meshed(peers)
  await Promise.all([peers[0]!.net.stop(), peers[0]!.net.stop()])
  const heard = peers[0]!.log.length
  await until('the other noticed', () => peers[1]!.net.connected().length === 0)
  expect(peers[0]!.net.connected()).toEqual([])
  expect(peers[0]!.log.slice(heard).filter(l => l.startsWith('member'))).toEqual([])
})

test('a member killed by SIGKILL is missed at once and back after its restart', async () => {
  const all = await parties('basel', 'lyon', 'turin', 'ulm')
  const peers = await start(...all.slice(0, 3).map(p => peerOf(p, all)))
  for (let life = 1; life <= 2; life++) {
    const process = spawnPeer(all[3]!, all)
    await until('ulm is there', () => peers.every(p => p.net.connected().length === 3))
    for (const p of peers) p.net.send('ulm', Uint8Array.of(life))
    await until('ulm echoes', () => peers.every(p => p.received.at(-1)?.bytes[0] === life))
    process.kill('SIGKILL')
    await until('ulm is missed', () => peers.every(p => !p.net.connected().includes('ulm')), 5000)
  }
})

test('a member whose process is frozen is given up, and talks again when it thaws', async () => {
  const all = await parties('basel', 'lyon')
  const [basel] = await start(peerOf(all[0]!, all))
  const process = spawnPeer(all[1]!, all)
  await until('lyon is there', () => basel!.net.connected().length === 1)
  process.kill('SIGSTOP')
  await until('lyon is given up', () => basel!.net.connected().length === 0)
  process.kill('SIGCONT')
  await until('lyon is back', () => basel!.net.connected().length === 1)
  basel!.net.send('lyon', Uint8Array.of(5))
  await until('lyon echoes', () => basel!.received.length === 1)
})

test('a taken port, an oversize message and an unknown member are our own errors', async () => {
  const all = await parties('basel', 'lyon')
  const [first] = await start(peerOf(all[0]!, all))
  const second = peerOf(all[0]!, all)
  await expect(second.net.start()).rejects.toMatchObject({ name: 'MedmeshError', code: 'NET_LISTEN' })
  await expect(first!.net.publish(new Uint8Array(65_537))).rejects.toThrow(RangeError)
  await expect(first!.net.publish(new Uint8Array(0))).rejects.toThrow(RangeError)
  expect(() => first!.net.send('lyon', new Uint8Array((8 << 20) + 1))).toThrow(RangeError)
  expect(() => first!.net.send('basel', Uint8Array.of(1))).toThrow(RangeError)
  expect(() => first!.net.send('rome', Uint8Array.of(1))).toThrow(RangeError)
})
