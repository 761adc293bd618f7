import { decode as cborDecode } from 'cborg'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CommitteePeer } from '../../../../protocol/committees/peer.ts'
import type { PeerConfig } from '../../../../protocol/peer.ts'
import type { Effect, Input, Machine, Millis, Output } from '../../../../protocol/ports.ts'
import { runVectorWork } from '../../../../protocol/sum/kernels.ts'
import { encode } from '../../../../protocol/wire/codec.ts'
import { openEnvelope, plainEnvelope, sealEnvelope } from '../../../../protocol/wire/envelope.ts'
import { Random } from '../../../../sim/random.ts'
import { committees, firstDraw } from '../../../support/committees.ts'
import { memberName, seedOf } from '../../../support/consortium.ts'

interface Heard {
  readonly input: Input
  readonly now: Millis
}

/** All that one decider's machine was given in a sound study. */
function recorded(): { config: PeerConfig; heard: Heard[] } {
  const setting = { n: 16, f: 1, size: 4, faulty: 1, rounds: 1 }
  const first = firstDraw(committees(setting)).deciders[0]!
  const heard: Heard[] = []
  class Recorder implements Machine {
    readonly #peer: CommitteePeer
    constructor(config: PeerConfig) {
      this.#peer = new CommitteePeer(config)
    }
    handle(input: Input, now: Millis): Output {
      heard.push({ input, now })
      return this.#peer.handle(input, now)
    }
  }
  const c = committees({
    ...setting,
    machine: id => (id === first ? config => new Recorder(config) : undefined),
  })
  c.world.startAll()
  expect(c.world.run(c.finished, 60_000)).toBe(true)
  return { config: c.configs.get(first)!, heard }
}

/** Another value in some place of a decoded message; byte strings that hold messages are opened. */
function mutated(value: unknown, r: Random): unknown {
  if (value instanceof Uint8Array) {
    if (r.chance(0.5)) {
      try {
        return encode(mutated(cborDecode(value), r))
      } catch {
        // Not a message: changed below.
      }
    }
    if (r.chance(0.2)) return value.slice(0, r.below(value.length + 1))
    if (r.chance(0.2)) return []
    const out = value.slice()
    if (out.length > 0) out[r.below(out.length)]! ^= 1 << r.below(8)
    return out
  }
  if (Array.isArray(value)) {
    if (value.length === 0 || r.chance(0.1)) return [...value, ...value.slice(0, 1)]
    if (r.chance(0.1)) return value.slice(1)
    const i = r.below(value.length)
    return value.map((x, k) => (k === i ? mutated(x, r) : x))
  }
  if (typeof value === 'object' && value !== null) {
    const keys = Object.keys(value)
    const key = keys[r.below(keys.length)]
    return key === undefined
      ? value
      : { ...value, [key]: mutated((value as Record<string, unknown>)[key], r) }
  }
  if (typeof value === 'number') {
    return [0, 1, value + 1, Math.max(0, value - 1), 3, 255, 512, 100_001, 0.5][r.below(9)]
  }
  if (typeof value === 'string') return r.chance(0.5) ? memberName(r.below(17)) : 'committeeSum'
  return r.chance(0.5) ? null : new Uint8Array(32)
}

/** A message changed somewhere and, where it bears one, signed anew by its author. */
function forged(bytes: Uint8Array, network: Uint8Array, r: Random): Uint8Array {
  const raw = openEnvelope(bytes)
  const any = (): Uint8Array => {
    const out = mutated(bytes, r)
    return out instanceof Uint8Array ? out : new Uint8Array(3)
  }
  if (!raw.ok || r.chance(0.2)) return any()
  const { type, from, sig } = raw.value
  let body: Uint8Array
  try {
    body = encode(mutated(cborDecode(raw.value.body), r))
  } catch {
    return any()
  }
  if (sig.length === 0) return plainEnvelope(type, from, body)
  const author = Number(from.slice(-3))
  return sealEnvelope({ network, type, from, seed: seedOf(author) }, body)
}

/** Local work that a machine asked for, done at once. */
function worked(effects: readonly Effect[]): Input[] {
  return effects.flatMap((e): Input[] => {
    if (e.kind === 'store') return worked(e.release)
    if (e.kind !== 'job' || e.job.kind !== 'vector') return []
    return [{ kind: 'jobDone', id: e.id, result: { kind: 'vector', output: runVectorWork(e.job.work) } }]
  })
}

describe('a member of committees', () => {
  const { config, heard } = recorded()

  it('throws at no message, whatever is changed in it, whoever sends it, whenever it comes', () => {
    let refused = 0
    let judged = 0
    fc.assert(
      fc.property(fc.nat(4_294_967_295), seed => {
        const r = new Random(seed)
        const peer = new CommitteePeer(config)
        const feed = (input: Input, now: Millis) => {
          const output = peer.handle(input, now)
          for (const next of worked(output.effects)) peer.handle(next, now)
          return output
        }
        const until = 1 + r.below(heard.length)
        for (const { input, now } of heard.slice(0, until)) {
          // Its own jobs have other numbers in this life.
          if (input.kind === 'jobDone' && input.result.kind === 'vector') continue
          if (input.kind !== 'message' || r.chance(0.8)) feed(input, now)
          if (input.kind !== 'message' || !r.chance(0.15)) continue
          const bytes = forged(input.bytes, config.network, r)
          const from = r.chance(0.7) ? input.from : memberName(r.below(16))
          if (from === config.self) continue
          const { verdict } = feed({ kind: 'message', from, via: 'stream', bytes }, now)
          judged++
          if (verdict === 'reject') refused++
        }
      }),
      { numRuns: 60 },
    )
    expect(judged).toBeGreaterThan(100)
    expect(refused).toBeGreaterThan(judged / 4)
  }, 120_000)

  it('refuses what comes by gossip: nothing of such a study goes to all', () => {
    const peer = new CommitteePeer(config)
    for (const { input, now } of heard.slice(0, 100)) peer.handle(input, now)
    const message = heard.find(h => h.input.kind === 'message')!.input as Input & { kind: 'message' }
    expect(peer.handle({ ...message, via: 'gossip' }, heard[100]!.now).verdict).toBe('reject')
  })
})
