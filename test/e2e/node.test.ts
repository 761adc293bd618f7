/** Whole studies: four operating-system processes, real sockets, real data; what is lost, stopped, attacked or away. */

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, test } from 'vitest'
import { type SignedCharter, signCharter, unsignedCharter } from '../../config/signed.ts'
import type { StatusReport } from '../../node/cli/commands/status.ts'
import { loadNodeConfig } from '../../node/config.ts'
import { loadIdentity } from '../../node/identity/identity.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { PROTOCOL, rawHost } from './net-helpers.ts'
import { dirOf, makeStudy, medmesh, portsOf, Running, type Seen, storeExists } from './study.ts'

const TEST_MS = 180_000

let running: Running | undefined
let cleanUp: (() => unknown)[] = []
afterEach(async () => {
  for (const act of cleanUp.reverse()) await act()
  cleanUp = []
  await running?.close()
  running = undefined
})

async function four(rounds: number): Promise<Running> {
  running = new Running(await makeStudy(rounds))
  return running
}

/**
 * Whoever can reach a port may send it anything: floods, half a handshake, another protocol, silence. From the
 * hospitals' own address at a rate below the limit that a node sets for each address, from another one without pause.
 */
function besiege(
  port: number,
  from: string,
  pauseMs: number,
): { readonly tries: () => number; readonly lift: () => void } {
  const hello = '\x13/multistream/1.0.0\n'
  const garbage = [
    () => new Uint8Array(1 << 20).fill(0xff),
    () => 'GET / HTTP/1.1\r\nHost: hospital\r\n\r\n',
    () => Buffer.from(`${hello}\x07/noise\n${'\xff'.repeat(70_000)}`, 'latin1'),
    () => Buffer.from(`${hello}${'\xff'.repeat(1 << 20)}`, 'latin1'),
    () => '',
  ]
  const open = new Set<Socket>()
  let tries = 0
  let lifted = false
  const attack = (kind: number) => {
    if (lifted) return
    const socket = connect({ port, host: '127.0.0.1', localAddress: from })
    open.add(socket)
    socket.on('error', () => {})
    socket.on('connect', () => {
      tries++
      socket.write(garbage[kind]!())
    })
    socket.on('data', () => {})
    socket.on('close', () => {
      open.delete(socket)
      setTimeout(attack, pauseMs, kind)
    })
  }
  garbage.forEach((_, kind) => {
    attack(kind)
  })
  return {
    tries: () => tries,
    lift: () => {
      lifted = true
      for (const socket of open) socket.destroy()
    },
  }
}

/** Linux answers on all of 127/8; elsewhere the second address may not be there. */
const ELSEWHERE = process.platform === 'linux' ? ['127.0.0.2'] : []

/** Every row of the file gets the label `y`. */
function makeOneClass(file: string, y: string): void {
  const [header, ...rows] = readFileSync(file, 'utf8').trimEnd().split('\n')
  const at = header!.split(',').indexOf('y')
  const same = rows.map(row => row.split(',').with(at, y).join(','))
  writeFileSync(file, `${[header, ...same].join('\n')}\n`)
}

test('four processes train one model, one class in one hospital and strangers at every port notwithstanding', {
  timeout: TEST_MS,
}, async () => {
  const run = await four(2)
  const bounds = 'bandwidthMax: {uploadMbps: 40, downloadMbps: 80}\n'
  appendFileSync(join(dirOf(run.study, 'hungarian'), 'node.yaml'), bounds)
  makeOneClass(run.study.hospitals.find(h => h.member === 'va')!.dataFile, '1')
  const sieges = portsOf(run.study).flatMap(port => [
    besiege(port, '127.0.0.1', 500),
    ...ELSEWHERE.map(from => besiege(port, from, 20)),
  ])
  const lift = () => {
    for (const siege of sieges) siege.lift()
  }
  cleanUp.push(lift)
  const stranger = await rawHost(await generateKeyPair('Ed25519'))
  cleanUp.push(() => stranger.stop())
  run.start(...run.members)
  const isBounded = ['upload bounded mbps=40', 'download bounded mbps=80'].map(what =>
    run.until(what, () => run.log('hungarian').some(l => l.endsWith(what))),
  )
  const oneClass = run.until('va says so', () => run.log('va').some(l => l.includes('all of one class')))
  await run.until('cleveland is ready', () => run.board.ready.has('cleveland'))
  const door = multiaddr(run.study.trusted.charter.members[0]!.addresses[0]!)
  await expect(stranger.dialProtocol(door, PROTOCOL)).rejects.toThrow()
  const name = stranger.peerId.toString()
  await run.until('the stranger is named', () =>
    run
      .log('cleveland')
      .some(l => l.includes('refused a peer whose key is not in the charter') && l.includes(name)),
  )
  await oneClass
  await Promise.all(isBounded)
  await run.finish()
  lift()
  expect(run.board.ordered().map(r => r.task)).toEqual(['statistics', 'train', 'train', 'evaluate'])
  expect(run.board.ordered().some(r => r.task === 'train' && r.survivors.includes('va'))).toBe(true)
  for (const siege of sieges) expect(siege.tries()).toBeGreaterThan(5)
})

interface Strike {
  readonly member: MemberId
  readonly signal: 'SIGKILL' | 'SIGTERM'
  readonly what: string
  readonly at: (event: Seen) => boolean
}

const phase = (name: string) => (event: Seen) =>
  event.kind === 'phase' && event.phase === name && event.round > 0
const kind = (name: string) => (event: Seen) => event.kind === name && 'round' in event && event.round > 0

const STRIKES: readonly Strike[] = [
  { member: 'cleveland', signal: 'SIGKILL', what: 'roundOpened', at: kind('roundOpened') },
  { member: 'hungarian', signal: 'SIGKILL', what: 'sharing', at: phase('sharing') },
  { member: 'switzerland', signal: 'SIGKILL', what: 'delivered', at: phase('delivered') },
  { member: 'va', signal: 'SIGKILL', what: 'survivorsFixed', at: kind('survivorsFixed') },
  { member: 'cleveland', signal: 'SIGKILL', what: 'revealed', at: phase('revealed') },
  { member: 'hungarian', signal: 'SIGTERM', what: 'sharing', at: phase('sharing') },
]

const isBack = (member: MemberId) => (event: Seen) =>
  event.kind === 'roundOpened' && event.cohort.includes(member)

test('a hospital that is killed or stopped at any point comes back into the cohort, and the study goes on', {
  timeout: TEST_MS,
}, async () => {
  const run = await four(40)
  run.start(...run.members)
  await run.until('the store is made', () => storeExists(run.study, 'va'))
  await run.kill('va', 'SIGKILL')
  expect(run.events('va'), 'killed before it was ready').toEqual([])
  run.start('va')
  await run.next('va', 'in the cohort', isBack('va'))
  for (const { member, signal, what, at } of STRIKES) {
    const gone = Promise.withResolvers<unknown>()
    run.onEvent = (of, event) => {
      if (of !== member || !at(event)) return
      run.onEvent = () => {}
      gone.resolve(run.kill(member, signal))
    }
    const how = signal === 'SIGKILL' ? { code: null, signal } : { code: 4, signal: null }
    await run.until(`${member} reaches ${what}`, () => !run.isUp(member))
    expect(await gone.promise, what).toEqual(how)
    run.start(member)
    await run.next(member, `back after ${what}`, isBack(member))
  }
  await run.finish()
})

async function statusOf(run: Running, member: MemberId): Promise<StatusReport> {
  const { code, stdout, stderr } = await medmesh('status', dirOf(run.study, member), '--json')
  expect(code, stderr).toBe(0)
  return JSON.parse(stdout) as StatusReport
}

test('below a quorum nothing is decided and the living say whom they wait for; then it goes on by itself', {
  timeout: TEST_MS,
}, async () => {
  const run = await four(3)
  const away = ['switzerland', 'va']
  const lost: Promise<unknown>[] = []
  run.onEvent = (member, event) => {
    if (member !== 'cleveland' || event.kind !== 'phase' || event.round !== 1 || lost.length > 0) return
    lost.push(...away.map(m => run.kill(m, 'SIGKILL')))
  }
  run.start(...run.members)
  await run.until('two are gone', () => lost.length === 2 && away.every(m => !run.isUp(m)))
  const entries = () =>
    run
      .events('cleveland')
      .filter(e => ['roundOpened', 'survivorsFixed', 'roundClosed', 'roundAborted'].includes(e.kind))
  await run.next(
    'cleveland',
    'it says whom it waits for',
    e => e.kind === 'waiting' && e.for.join() === away.join(),
  )
  const before = await statusOf(run, 'cleveland')
  expect(before).toMatchObject({
    running: true,
    round: 1,
    connected: ['hungarian'],
    quorum: { needed: 3, present: 2 },
    waiting: { for: away },
  })
  const decided = entries().length
  // Deadlines make no quorum: long after them it is as before.
  const { inputDeadlineMs, openDeadlineMs } = run.study.trusted.charter.secureSum
  for (const end = Date.now() + inputDeadlineMs + openDeadlineMs; Date.now() < end; ) {
    const { height, waiting } = await statusOf(run, 'cleveland')
    expect(height).toBe(before.height)
    expect(waiting?.for).toEqual(away)
  }
  expect(entries()).toHaveLength(decided)
  expect((await medmesh('status', dirOf(run.study, 'cleveland'))).stdout).toMatch(
    /waits for .*: switzerland, va/,
  )
  expect((await statusOf(run, 'va')).running).toBe(false)
  run.start(...away)
  await run.finish()
})

/** A charter that the same members have signed for another study, in the hands of `member` alone. */
async function giveAnotherCharter(run: Running, member: MemberId): Promise<void> {
  const { charter } = run.study.trusted
  let other: SignedCharter = unsignedCharter({ ...charter, study: { ...charter.study, id: 'another-study' } })
  for (const { dir } of run.study.hospitals) {
    const { seed } = await loadIdentity(loadNodeConfig(dir).identityFile, { passphrase: () => undefined })
    other = signCharter(other, seed)
  }
  writeFileSync(join(dirOf(run.study, member), 'charter.json'), JSON.stringify(other))
}

test('a member with another charter does not join; both sides say why, and the others go on', {
  timeout: TEST_MS,
}, async () => {
  const run = await four(1)
  await giveAnotherCharter(run, 'va')
  const warned = (who: MemberId, of: MemberId) =>
    run.until(`${who} says that ${of} has another charter`, () =>
      run.log(who).some(l => l.includes('speaks another charter or version') && l.includes(`member=${of}`)),
    )
  run.start(...run.members)
  const others = run.members.filter(m => m !== 'va')
  await Promise.all(others.flatMap(m => [warned(m, 'va'), warned('va', m)]))
  await run.until('the others finish', () => others.every(m => run.board.finished.has(m)))
  const count = run.log('va').filter(l => l.includes('speaks another charter'))
  expect(count.length, 'once for each').toBeLessThanOrEqual(others.length)
  expect(run.events('va').filter(e => ['roundOpened', 'roundClosed'].includes(e.kind))).toEqual([])
  // It will never report the finished ledger; a finished node that is stopped has nothing left to do.
  const ended = await Promise.all(others.map(m => run.kill(m, 'SIGTERM')))
  expect(ended).toEqual(others.map(() => ({ code: 0, signal: null })))
  expect(await run.kill('va', 'SIGTERM')).toEqual({ code: 4, signal: null })
  run.agree(others)
})
