import { decode as cborDecode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Peer, type PeerConfig } from '../../../protocol/peer.ts'
import type { Effect, Input, Job, Machine, Millis, Output } from '../../../protocol/ports.ts'
import { runVectorWork } from '../../../protocol/sum/kernels.ts'
import { encode } from '../../../protocol/wire/codec.ts'
import { openEnvelope, plainEnvelope, sealEnvelope } from '../../../protocol/wire/envelope.ts'
import { Disk } from '../../../sim/disk.ts'
import { Random } from '../../../sim/random.ts'
import { consortium, memberName, seedOf } from '../../support/consortium.ts'

interface Heard {
  readonly input: Input
  readonly now: Millis
}

/** All that one hospital's machine was given in a sound study. */
function recorded(gossipBytesMax: number): { config: PeerConfig; heard: Heard[] } {
  const heard: Heard[] = []
  class Recorder implements Machine {
    readonly #peer: Peer
    constructor(config: PeerConfig) {
      this.#peer = new Peer(config)
    }
    handle(input: Input, now: Millis): Output {
      heard.push({ input, now })
      return this.#peer.handle(input, now)
    }
  }
  const first = memberName(0)
  const c = consortium({
    n: 4,
    f: 1,
    rounds: 1,
    gossipBytesMax,
    machine: id => (id === first ? config => new Recorder(config) : undefined),
  })
  c.world.startAll()
  expect(c.world.run(() => c.finished(), 60_000)).toBe(true)
  // The recorder is none of those that are waited for: it hears of the end too.
  c.world.run(() => false, 2000)
  return { config: c.configs.get(first)!, heard }
}

/** A value of the same kind or of another one, in some place of a decoded message. */
function mutated(value: unknown, r: Random): unknown {
  if (value instanceof Uint8Array) return mutatedBytes(value, r)
  if (Array.isArray(value)) {
    if (value.length === 0 || r.chance(0.2)) return [...value, ...value.slice(0, 1)]
    if (r.chance(0.2)) return value.slice(1)
    const i = r.below(value.length)
    return value.map((x, k) => (k === i ? mutated(x, r) : x))
  }
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value)
    const key = keys[r.below(keys.length)]
    if (key === undefined) return value
    return { ...value, [key]: mutated((value as Record<string, unknown>)[key], r) }
  }
  if (typeof value === 'number') {
    const others = [0, 1, value + 1, Math.max(0, value - 1), 3, 255, 999, 4_294_967_295, 0.5]
    return others[r.below(others.length)]
  }
  if (typeof value === 'string') return r.chance(0.5) ? memberName(r.below(5)) : 'RoundAborted'
  return r.chance(0.5) ? null : new Uint8Array(32)
}

function mutatedBytes(value: Uint8Array, r: Random): Uint8Array {
  const inner = r.chance(0.3) ? decoded(value) : undefined
  // A proposal or a record carries an entry as bytes.
  if (inner !== undefined && typeof inner === 'object') return encode(mutated(inner, r))
  switch (r.below(5)) {
    case 0:
      return value.slice(0, r.below(value.length + 1))
    case 1:
      return new Uint8Array([...value, 7])
    case 2:
      return new Uint8Array(value.length).fill(255)
    case 3:
      return new Uint8Array(value.length)
    default: {
      const out = value.slice()
      if (out.length > 0) out[r.below(out.length)]! ^= 1 << r.below(8)
      return out
    }
  }
}

function decoded(bytes: Uint8Array): unknown {
  try {
    return cborDecode(bytes)
  } catch {
    return undefined
  }
}

/** The message with another body, signed anew by its author, or with any byte changed. */
function forged(bytes: Uint8Array, network: Uint8Array, r: Random): Uint8Array {
  const raw = openEnvelope(bytes)
  if (!raw.ok || r.chance(0.1)) return mutatedBytes(bytes, r)
  const { type, from, body, sig } = raw.value
  let next = body
  try {
    next = encode(mutated(decoded(body), r))
  } catch {
    return mutatedBytes(bytes, r)
  }
  if (sig.length === 0) return plainEnvelope(type, from, next)
  const author = r.chance(0.2) ? 1 + r.below(3) : [0, 1, 2, 3].find(i => memberName(i) === from)!
  return sealEnvelope({ network, type, from: memberName(author), seed: seedOf(author) }, next)
}

/** Gives the machine what it had heard, more or less, and forgeries between; does its jobs and keeps its disk. */
function replay(
  config: PeerConfig,
  heard: readonly Heard[],
  seed: number,
): { inputs: number; height: number } {
  const r = new Random(seed)
  // The same results as in the recording, so that its own input is the one that the others' messages speak of.
  const results = heard.flatMap(({ input }) =>
    input.kind === 'jobDone' && input.result.kind === 'learn' ? [input.result] : [],
  )
  const disk = new Disk()
  let peer = new Peer(config)
  let jobs: { readonly id: number; readonly job: Job }[] = []
  let inputs = 0
  const perform = (effects: readonly Effect[]): void => {
    for (const e of effects) {
      if (e.kind === 'job') jobs.push({ id: e.id, job: e.job })
      if (e.kind === 'write') disk.write(e.draft, e.at, e.data)
      if (e.kind !== 'store') continue
      disk.finish(disk.begin(e.puts, e.deletes))
      perform(e.release)
    }
  }
  const give = (input: Input, now: Millis): void => {
    inputs++
    perform(peer.handle(input, now).effects)
    for (let job = jobs.shift(); job; job = jobs.shift()) {
      const result =
        job.job.kind === 'learn'
          ? results[job.job.round]!
          : ({ kind: 'vector', output: runVectorWork(job.job.work, disk.access) } as const)
      perform(peer.handle({ kind: 'jobDone', id: job.id, result }, now).effects)
    }
  }
  const messages = heard.filter(h => h.input.kind === 'message')
  const start = heard.find(h => h.input.kind === 'start')!
  const chaos = r.unit() * 0.5
  const loss = r.chance(0.5) ? 0 : chaos / 4
  for (const h of heard) {
    if (h.input.kind === 'jobDone') continue
    if (!r.chance(loss)) give(h.input, h.now)
    while (r.chance(chaos)) {
      const near = messages[Math.min(messages.length - 1, r.below(messages.length))]!
      if (near.input.kind !== 'message') continue
      const bytes = r.chance(0.2) ? near.input.bytes : forged(near.input.bytes, config.network, r)
      give({ ...near.input, bytes, via: r.chance(0.1) ? 'stream' : near.input.via }, h.now)
    }
    if (r.chance(0.01)) give({ kind: 'jobFailed', id: r.below(20), reason: 'none' }, h.now)
    if (r.chance(0.01)) give({ kind: 'tick' }, h.now + r.below(60_000))
    if (r.chance(loss / 20) && start.input.kind === 'start') {
      peer = new Peer(config)
      jobs = []
      give({ ...start.input, durable: new Map(disk.records) }, h.now)
    }
  }
  return { inputs, height: peer.state.height }
}

describe('no sequence of inputs makes the machine throw', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it(`forged, repeated, reordered, left out (${gossipBytesMax > 0 ? 'gossip' : 'shards'})`, () => {
      const { config, heard } = recorded(gossipBytesMax)
      let inputs = 0
      const heights: number[] = []
      fc.assert(
        fc.property(fc.nat(), seed => {
          const r = replay(config, heard, seed)
          inputs += r.inputs
          heights.push(r.height)
        }),
        { numRuns: 40, seed: 31 },
      )
      expect(inputs).toBeGreaterThan(2_000)
      // Some courses come to the end of the last round, so that every step was forged at.
      expect(Math.max(...heights)).toBeGreaterThanOrEqual(9)
    })
  }
})
