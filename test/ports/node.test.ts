/** The node's host under the compliance suite: real sockets, a real store, jobs that end when they like. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type HostJobs, NodeHost, type Records } from '../../node/host.ts'
import { createNet } from '../../node/net/net.ts'
import type { Net } from '../../node/net/options.ts'
import { openStore, openStoreReader, type Store } from '../../node/store/store.ts'
import { JobFiles } from '../../node/worker/files.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { Job, JobResult, MemberId } from '../../protocol/ports.ts'
import { NETWORK_ID, parties, until } from '../e2e/net-helpers.ts'
import { seedOf } from '../support/consortium.ts'
import { A, ALL, act, B, CHARTER, publish, type Rig, runJob, Script, send } from './rig.ts'
import { hostSuite } from './suite.ts'

/** A crash of the process, made to happen inside a commit. */
class Crash extends Error {}

/** Ends jobs in a later turn. Of two cancelled jobs one fails at once and one goes on to its end. */
class StubJobs implements HostJobs {
  readonly #cancel = new Map<number, (reason: Error) => void>()

  run(id: number, job: Job, records: Records): Promise<JobResult> {
    return new Promise((resolve, reject) => {
      this.#cancel.set(id, reject)
      setImmediate(() => {
        const files = new JobFiles(records)
        try {
          resolve(runJob(job, files))
        } catch (error) {
          reject(error)
        } finally {
          files.close()
        }
      })
    })
  }

  cancel(id: number): void {
    if (id % 2 === 1) this.#cancel.get(id)?.(new Error('cancelled'))
  }
}

interface Life {
  readonly host: NodeHost
  readonly net: Net
  readonly store: Store
}

interface NodeRig extends Rig {
  readonly lives: ReadonlyMap<MemberId, Life>
}

async function nodeRig(): Promise<NodeRig> {
  const dir = mkdtempSync(join(tmpdir(), 'medmesh-ports-'))
  const all = await parties(...ALL)
  const scripts = new Map(ALL.map(id => [id, new Script()]))
  const lives = new Map<MemberId, Life>()
  const ending = new Map<MemberId, Promise<void>>()
  const crashes = new Map<MemberId, 'before' | 'after'>()
  const hash = sha256(new Uint8Array(1))
  const file = (id: MemberId) => join(dir, `${id}.db`)

  function records(id: MemberId): Map<string, Uint8Array> {
    const reader = openStoreReader(file(id))
    try {
      return reader.load()
    } finally {
      reader.close()
    }
  }

  async function crash(id: MemberId): Promise<void> {
    const life = lives.get(id)
    lives.delete(id)
    life?.host.stop()
    await life?.net.stop()
    life?.store.close()
  }

  async function start(id: MemberId): Promise<void> {
    await ending.get(id)
    const party = all.find(p => p.member.id === id)!
    const store = openStore(file(id))
    const net = createNet({
      privateKey: party.key,
      self: id,
      members: all.map(p => p.member),
      listen: party.member.addresses,
      networkId: NETWORK_ID,
      lookMs: 100,
    })
    const host = new NodeHost({
      config: { charter: CHARTER, charterHash: hash, network: hash, self: id, seed: seedOf(ALL.indexOf(id)) },
      net,
      store: {
        load: () => store.load(),
        get: key => store.get(key),
        getBytes: (key, from, end) => store.getBytes(key, from, end),
        fileOf: key => store.fileOf(key),
        write: (draft, at, data) => store.write(draft, at, data),
        draftFile: draft => store.draftFile(draft),
        commit: (puts, deletes) => {
          const when = crashes.get(id)
          crashes.delete(id)
          if (when === 'before') throw new Crash()
          const written = store.commit(puts, deletes)
          if (when !== 'after') return written
          if (!written) throw new Crash()
          return written.then(() => {
            throw new Crash()
          })
        },
      },
      jobs: new StubJobs(),
      machine: () => scripts.get(id)!.machine(),
      onEvent: what => void rig.events.push({ host: id, what, disk: records(id) }),
      onFault: (peer, fault) => void rig.faults.push({ host: id, what: { peer, fault }, disk: records(id) }),
      onBroken: error => {
        if (error instanceof Crash) ending.set(id, crash(id))
        else rig.broken.push({ host: id, error })
      },
    })
    lives.set(id, { host, net, store })
    net.onMessage((from, via, bytes) => host.message(from, via, bytes))
    net.onConnected(peer => void host.input({ kind: 'connected', peer }))
    net.onDisconnected(peer => void host.input({ kind: 'disconnected', peer }))
    await net.start()
    host.start(net.connected())
  }

  const rig: NodeRig = {
    lives,
    scripts,
    events: [],
    faults: [],
    broken: [],
    now: () => Date.now(),
    start,
    crash,
    crashAtCommit: (id, when) => void crashes.set(id, when),
    input: (id, input) => lives.get(id)?.host.input(input),
    records,
    until,
    close: async () => {
      await Promise.all([...ALL.map(crash), ...ending.values()])
      rmSync(dir, { recursive: true, force: true })
    },
  }
  return rig
}

hostSuite('the node', nodeRig)

test('nothing reaches a machine before its start; who was connected by then is told after it', () => {
  const script = new Script()
  const hash = sha256(new Uint8Array(1))
  const host = new NodeHost({
    config: { charter: CHARTER, charterHash: hash, network: hash, self: A, seed: seedOf(0) },
    net: { publish: async () => {}, send: () => {}, shutOut: () => {} },
    store: {
      load: () => new Map(),
      get: () => undefined,
      getBytes: () => undefined,
      fileOf: () => undefined,
      write: () => {},
      draftFile: draft => draft,
      commit: () => {},
    },
    jobs: new StubJobs(),
    machine: () => script.machine(),
    onEvent: () => {},
    onFault: () => {},
    onBroken: error => expect.unreachable(String(error)),
  })
  expect(host.message(B, 'gossip', Uint8Array.of(1))).toBe('ignore')
  expect(host.input({ kind: 'connected', peer: B })).toBeUndefined()
  host.start([B])
  expect(script.heard.map(h => h.input)).toMatchObject([{ kind: 'start' }, { kind: 'connected', peer: B }])
  host.stop()
})

test('the verdict reaches the network, which counts it', async () => {
  const rig = await nodeRig()
  try {
    rig.scripts.get(B)!.answer = i =>
      i.kind === 'message' ? { verdict: i.bytes.length === 1 ? 'accept' : 'reject' } : {}
    await Promise.all([rig.start(A), rig.start(B)])
    await rig.until('connected', () => rig.lives.get(A)!.net.connected().length === 1)
    await rig.until('connected', () => rig.lives.get(B)!.net.connected().length === 1)
    act(rig, A, publish('1'), publish('two'), send(B, '3'), send(B, 'four'), send(B, 'five'))
    await rig.until('all is judged', () => rig.scripts.get(B)!.messages().length === 5)
    const stats = rig.lives
      .get(B)!
      .net.peerStats()
      .find(s => s.member === A)
    expect(stats).toMatchObject({ accepted: 2, rejected: 3, ignored: 0 })
  } finally {
    await rig.close()
  }
})
