import { describe, expect, it } from 'vitest'
import { Driver, type HostPorts } from '../../../protocol/driver.ts'
import type { Effect, Input, Machine } from '../../../protocol/ports.ts'

const bytes = (n: number) => Uint8Array.of(n)
const publish = (n: number): Effect => ({ kind: 'publish', bytes: bytes(n) })
const send = (n: number): Effect => ({ kind: 'send', to: 'other', bytes: bytes(n) })
const store = (key: string, release: readonly Effect[]): Effect => {
  return { kind: 'store', puts: [[key, bytes(0)]], deletes: [], release }
}

/** A driver of a machine whose inputs give these effects in turn, on a disk that is done when the test says so. */
function driven(...outputs: readonly (readonly Effect[])[]) {
  const done: string[] = []
  const disk: (() => void)[] = []
  const queue = [...outputs]
  const machine: Machine = {
    handle: () => ({ effects: queue.shift() ?? [], wakeAt: undefined, verdict: undefined }),
  }
  const ports: HostPorts = {
    publish: b => void done.push(`publish ${b[0]}`),
    send: (_to, b) => void done.push(`send ${b[0]}`),
    commit: (puts, _deletes, durable) => {
      done.push(`commit ${puts[0]![0]}`)
      disk.push(durable)
    },
    write: (draft, at) => void done.push(`write ${draft} ${at}`),
    read: () => undefined,
    readBytes: (key, from, end) => (key === 'gone' ? undefined : Uint8Array.of(from, end)),
    startJob: id => void done.push(`job ${id}`),
    cancelJob: id => void done.push(`cancel ${id}`),
    fault: () => {},
    shutOut: () => {},
    event: e => void done.push(e.kind),
    wakeAt: () => {},
  }
  const driver = new Driver(machine, 'self', ports)
  const tick: Input = { kind: 'tick' }
  return { done, input: () => driver.input(tick, 0), durable: () => disk.shift()!() }
}

describe('store before release', () => {
  it('what a commit releases leaves when it is durable', () => {
    const d = driven([publish(1), store('a', [publish(2), { kind: 'event', event: { kind: 'settled' } }])])
    d.input()
    expect(d.done).toEqual(['publish 1', 'commit a'])
    d.durable()
    expect(d.done).toEqual(['publish 1', 'commit a', 'publish 2', 'settled'])
  })

  it('messages of later inputs wait for it, as they may be made of what it stores', () => {
    const d = driven([store('a', [publish(1)]), send(2)], [send(3), publish(4)])
    d.input()
    d.input()
    expect(d.done).toEqual(['commit a'])
    d.durable()
    expect(d.done).toEqual(['commit a', 'publish 1', 'send 2', 'send 3', 'publish 4'])
  })

  it('they wait for the commits before them and for no other', () => {
    const d = driven([store('a', [publish(1)]), send(2), store('b', [publish(3)]), send(4)])
    d.input()
    expect(d.done).toEqual(['commit a', 'commit b'])
    d.durable()
    expect(d.done).toEqual(['commit a', 'commit b', 'publish 1', 'send 2'])
    d.durable()
    expect(d.done.slice(4)).toEqual(['publish 3', 'send 4'])
  })

  it('what follows a record inside of what another releases waits for both', () => {
    const d = driven([store('a', [publish(1), store('b', [publish(2)]), send(3)]), send(4)], [store('c', [])])
    d.input()
    d.input()
    d.durable()
    expect(d.done).toEqual(['commit a', 'commit c', 'publish 1', 'commit b'])
    d.durable()
    expect(d.done.slice(4)).toEqual([])
    d.durable()
    expect(d.done.slice(4)).toEqual(['publish 2', 'send 3', 'send 4'])
  })

  it('work does not wait', () => {
    const job = { kind: 'vector', work: { kind: 'sum', inputs: [] } } as const
    const d = driven([store('a', []), { kind: 'job', id: 7, job }, { kind: 'cancel', id: 7 }])
    d.input()
    expect(d.done).toEqual(['commit a', 'job 7', 'cancel 7'])
  })
})
