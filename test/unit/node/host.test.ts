/** The order of commits in the node's host, with a store that takes the time that a test gives it. */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type HostStore, NodeHost, type Records } from '../../../node/host.ts'
import { openStore } from '../../../node/store/store.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import type { Effect, Job, Value } from '../../../protocol/ports.ts'
import { A, B, bytes, CHARTER, note, Script, send, store, text } from '../../ports/rig.ts'
import { seedOf } from '../../support/consortium.ts'

/** What happened, in order. */
let log: string[]
let broken: unknown[]
/** What jobs were given. */
let given: Records[]
let script: Script
let host: NodeHost
beforeEach(() => {
  log = []
  broken = []
  given = []
  script = new Script()
})
afterEach(() => host.stop())

function start(store: HostStore, told: (phase: string) => void = () => {}): void {
  const hash = sha256(new Uint8Array(1))
  host = new NodeHost({
    config: { charter: CHARTER, charterHash: hash, network: hash, self: A, seed: seedOf(0) },
    net: {
      publish: async () => {},
      send: (_, said) => void log.push(`sent ${text(said)}`),
      shutOut: () => {},
    },
    store,
    jobs: {
      run: (id, _, records) => {
        log.push(`job ${id}`)
        given.push(records)
        return new Promise(() => {})
      },
      cancel: () => {},
    },
    machine: () => script.machine(),
    onEvent: event => {
      if (event.kind !== 'phase') return
      log.push(event.phase)
      told(event.phase)
    },
    onFault: () => {},
    onBroken: error => void broken.push(error),
  })
  host.start()
}

function act(...effects: readonly Effect[]): void {
  script.prepare({ effects })
  host.input({ kind: 'tick' })
}

/** A store of nothing, in which keys beginning with `large` are durable when `finish` or `fail` says so. */
class SlowStore implements HostStore {
  readonly #writes: PromiseWithResolvers<void>[] = []

  load(): Map<string, Uint8Array> {
    return new Map()
  }

  get(): undefined {
    return undefined
  }

  getBytes(): undefined {
    return undefined
  }

  fileOf(): undefined {
    return undefined
  }

  write(draft: string): void {
    log.push(`write ${draft}`)
  }

  draftFile(draft: string): string {
    log.push(`file ${draft}`)
    return `the file of ${draft}`
  }

  commit(puts: readonly (readonly [string, Value])[]): Promise<void> | undefined {
    const [key] = puts[0]!
    log.push(`commit ${key}`)
    if (key === 'refused') throw new Error('refused')
    if (!key.startsWith('large')) return undefined
    const write = Promise.withResolvers<void>()
    this.#writes.push(write)
    return write.promise
  }

  finish(): void {
    this.#writes.shift()!.resolve()
  }

  fail(error: Error): void {
    this.#writes.shift()!.reject(error)
  }
}

const write = (draft: string): Effect => ({ kind: 'write', draft, at: 0, data: bytes('data') })

function jobInto(id: number, into: string | undefined, ...records: string[]): Effect {
  const inputs = records.map(record => ({ record, from: 0, to: 1 }))
  const job: Job = { kind: 'vector', work: { kind: 'sum', inputs, into } }
  return { kind: 'job', id, job }
}

/** All that follows from what was resolved. */
const settle = () => new Promise(resolve => setImmediate(resolve))

test('small commits are durable at once, one within another', () => {
  start(new SlowStore())
  act(
    store({ a: 'x' }, [note('a'), store({ b: 'x' }, [note('b')])]),
    store({ c: 'x' }, [note('c')]),
    note('end'),
  )
  expect(log).toEqual(['commit a', 'a', 'commit b', 'b', 'commit c', 'c', 'end'])
})

test('commits wait for a large one before them, and are durable in their order', async () => {
  const slow = new SlowStore()
  start(slow)
  act(
    store({ large1: 'x' }, [note('1'), store({ inner: 'x' }, [note('inner')])]),
    store({ a: 'x' }, [note('a')]),
  )
  act(store({ large2: 'x' }, [note('2')]), send(B, 'last'))
  act(store({ b: 'x' }, [note('b')]))
  expect(log).toEqual(['commit large1'])
  const stored = host.stored().then(() => log.push('all stored'))
  slow.finish()
  await settle()
  const first = ['commit large1', '1', 'commit a', 'a', 'commit large2']
  expect(log).toEqual(first)
  act(store({ c: 'x' }, [note('c')]))
  slow.finish()
  await stored
  const second = ['2', 'sent last', 'commit b', 'b', 'commit inner', 'inner', 'commit c', 'c']
  expect(log).toEqual([...first, ...second, 'all stored'])
  act(store({ d: 'x' }, [note('d')]))
  expect(log.slice(-2), 'at once again').toEqual(['commit d', 'd'])
  await host.stored()
  expect(broken).toEqual([])
})

let resident = 2 ** 40

/** A process that has a GiB more each time that somebody looks. */
function grow(): void {
  vi.spyOn(process.memoryUsage, 'rss').mockImplementation(() => {
    resident += 2 ** 30
    return resident
  })
}

test('what the store has taken is collected when it is much, and only once it is durable', async () => {
  const collect = vi.fn()
  vi.stubGlobal('gc', collect)
  grow()
  try {
    const slow = new SlowStore()
    start(slow)
    const much = new Uint8Array(40 << 20)
    const put = (key: string): Effect => ({ kind: 'store', puts: [[key, much]], deletes: [], release: [] })
    act(put('large1'), put('large2'), put('large3'))
    await settle()
    expect(collect).toHaveBeenCalledTimes(0)
    for (const times of [0, 1, 1]) {
      slow.finish()
      await settle()
      await settle()
      expect(collect).toHaveBeenCalledTimes(times)
    }
  } finally {
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
  }
})

test('drafts are written in the order of the commits: after those that wait, and before what these release', async () => {
  const slow = new SlowStore()
  start(slow)
  act(store({ large1: 'x' }), write('free'), store({ large2: 'x' }, [note('2')]), write('d'), jobInto(1, 'e'))
  act(
    jobInto(2, 'f'),
    { kind: 'cancel', id: 2 },
    jobInto(3, undefined),
    store({ b: 'x' }, [note('b')]),
    write('g'),
  )
  const before = ['commit large1', 'write free', 'job 3']
  expect(log).toEqual(before)
  slow.finish()
  await settle()
  const meanwhile = ['commit large2', 'write d', 'file e', 'job 1']
  expect(log).toEqual([...before, ...meanwhile])
  slow.finish()
  await host.stored()
  expect(log).toEqual([...before, ...meanwhile, '2', 'commit b', 'write g', 'b'])
  expect(given).toEqual([new Map(), new Map([['e', 'the file of e']])])
  expect(broken).toEqual([])
})

test('a draft that cannot be written breaks the host', async () => {
  const slow = new SlowStore()
  slow.write = () => {
    throw new Error('the disk is full')
  }
  start(slow)
  act(store({ large1: 'x' }), store({ large2: 'x' }, [note('2')]), write('d'))
  slow.finish()
  await settle()
  slow.fail(new Error('the disk is full'))
  await host.stored()
  expect(broken).toEqual([new Error('the disk is full')])
  start(slow)
  act(write('d'))
  expect(broken).toHaveLength(2)
})

test('a job gets the file of each draft that it reads, and of the one that it writes', () => {
  const dir = mkdtempSync(join(tmpdir(), 'medmesh-host-'))
  const real = openStore(join(dir, 'store.db'))
  try {
    start(real)
    act(write('read'), store({ record: 'four' }), jobInto(1, 'written', 'read', 'record', 'absent'))
    expect(given).toEqual([
      new Map<string, string | Uint8Array>([
        ['written', real.draftFile('written')],
        ['read', real.fileOf('read')!],
        ['record', bytes('four')],
      ]),
    ])
  } finally {
    real.close()
    rmSync(dir, { recursive: true })
  }
})

test('so is what drafts have taken', async () => {
  const collect = vi.fn()
  vi.stubGlobal('gc', collect)
  grow()
  try {
    start(new SlowStore())
    const data = new Uint8Array(40 << 20)
    for (const times of [0, 1, 1]) {
      act(
        { kind: 'write', draft: 'd', at: 0, data },
        { kind: 'store', puts: [['a', { sameAs: 'd' }]], deletes: [], release: [] },
      )
      await settle()
      expect(collect).toHaveBeenCalledTimes(times)
    }
  } finally {
    vi.unstubAllGlobals()
    vi.restoreAllMocks()
  }
})

test('a large commit that fails breaks the host, once, and nothing after it is done', async () => {
  const slow = new SlowStore()
  start(slow)
  act(store({ large1: 'x' }, [note('1')]), store({ a: 'x' }, [note('a')]), send(B, 'm'))
  const error = new Error('the disk is full')
  slow.fail(error)
  await host.stored()
  act(store({ b: 'x' }, [note('b')]))
  await settle()
  expect(log).toEqual(['commit large1'])
  expect(broken).toEqual([error])
})

test('so does a small one that waited, and an effect that waited', async () => {
  const slow = new SlowStore()
  start(slow)
  act(store({ large1: 'x' }, [note('1')]), store({ refused: 'x' }, [note('refused')]), store({ a: 'x' }))
  slow.finish()
  await host.stored()
  expect(log).toEqual(['commit large1', '1', 'commit refused'])
  expect(broken).toEqual([new Error('refused')])

  log = []
  start(slow, phase => {
    throw new Error(`told ${phase}`)
  })
  act(store({ large2: 'x' }, [note('2')]), store({ a: 'x' }, [note('a')]))
  slow.finish()
  await host.stored()
  expect(log).toEqual(['commit large2', '2'])
  expect(broken.slice(1)).toEqual([new Error('told 2')])
})

test.each(['resolves', 'rejects'])('after a stop nothing is called when the write %s', async how => {
  const slow = new SlowStore()
  start(slow)
  act(store({ large1: 'x' }, [note('1')]), store({ a: 'x' }, [note('a')]))
  host.stop()
  if (how === 'resolves') slow.finish()
  else slow.fail(new Error('closed'))
  await host.stored()
  expect(log).toEqual(['commit large1'])
  expect(broken).toEqual([])
})

test('a stop by what was released ends it', async () => {
  const slow = new SlowStore()
  start(slow, () => host.stop())
  act(store({ large1: 'x' }, [note('1'), store({ b: 'x' }, [note('b')])]), store({ a: 'x' }, [note('a')]))
  slow.finish()
  await host.stored()
  expect(log).toEqual(['commit large1', '1'])
})

test('a real store that is closed while it writes breaks nothing and keeps nothing', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'medmesh-host-'))
  try {
    const path = join(dir, 'store.db')
    const real = openStore(path)
    start(real)
    const large = 'x'.repeat(100_000)
    act(store({ one: large }, [note('one')]))
    await host.stored()
    expect(real.get('one')).toEqual(bytes(large))
    act(store({ two: large }, [note('two')]), store({ three: 'x' }, [note('three')]))
    const stored = host.stored()
    host.stop()
    real.close()
    await stored
    expect(log).toEqual(['one'])
    expect(broken).toEqual([])
    expect(readdirSync(`${path}.files`)).toHaveLength(1)
    const again = openStore(path)
    expect([...again.load().keys()]).toEqual(['one'])
    again.close()
  } finally {
    rmSync(dir, { recursive: true })
  }
})
