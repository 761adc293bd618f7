import { describe, expect, it } from 'vitest'
import { Peer, type PeerConfig } from '../../protocol/peer.ts'
import type { Effect, Input, Machine, Millis, Output } from '../../protocol/ports.ts'
import { decodeSeed } from '../../protocol/round/join.ts'
import { masksInto } from '../../protocol/sum/mask.ts'
import { clearOf, type MaskWork } from '../../sim/checkers/inputs.ts'
import type { Learner } from '../../sim/host.ts'
import { type ConsortiumOptions, memberName } from '../support/consortium.ts'
import { findLeaks, record } from '../support/recording.ts'
import { Remasking } from '../support/remasking.ts'

/** The same large update in every round: what two maskings of it have in common is not chance. */
function constant(honest: Learner): Learner {
  let first: Float32Array | undefined
  return job => {
    const learned = honest(job)
    if (!learned.delta) return learned
    first ??= learned.delta
    return { ...learned, delta: first }
  }
}

const options: ConsortiumOptions = {
  n: 4,
  f: 1,
  features: 600,
  rounds: 2,
  learner: (_id, honest) => constant(honest),
}

const quantised = (work: MaskWork) => clearOf(work)!.residues.slice()

/** Says its attempt's seed, inside of some other bytes. */
class Telling implements Machine {
  readonly #peer: Peer

  constructor(config: PeerConfig) {
    this.#peer = new Peer(config)
  }

  handle(input: Input, now: Millis): Output {
    const output = this.#peer.handle(input, now)
    const told = output.effects.flatMap((e): Effect[] => {
      const put = e.kind === 'store' ? e.puts.find(([key]) => key === 'attempt/seed') : undefined
      const seed = put?.[1] instanceof Uint8Array ? decodeSeed(put[1])?.seed : undefined
      return seed ? [{ kind: 'publish', bytes: Uint8Array.of(1, 2, ...seed, 3) }] : []
    })
    return { ...output, effects: [...output.effects, ...told] }
  }
}

describe('what leaves a hospital', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    const mode = gossipBytesMax > 0 ? 'gossip' : 'shards'

    it(`is no update, no secret, and no mask twice (${mode})`, () => {
      const r = record({ ...options, gossipBytesMax })
      expect(r.c.finished()).toBe(true)
      expect(r.inputs.length).toBe(16)
      expect(r.secrets.size).toBeGreaterThan(100)
      expect(findLeaks(r)).toEqual([])
    })

    it(`is none in a round that is tried again either (${mode})`, () => {
      let crashed = false
      const r = record({
        ...options,
        gossipBytesMax,
        rounds: 1,
        // All reveals of the first attempt are lost: it is given up, and the same updates are masked anew.
        world: { network: { loses: (_random, _from, _to, bytes) => !crashed && isReveal(bytes) } },
        onEvent: (_host, event) => {
          if (event.kind === 'roundAborted') crashed = true
        },
      })
      expect(r.c.events.some(e => e.event.kind === 'roundAborted')).toBe(true)
      expect(r.c.finished()).toBe(true)
      expect(findLeaks(r)).toEqual([])
    })

    const MUTANTS: readonly [string, (work: MaskWork) => Uint32Array, RegExp][] = [
      ['no masks', quantised, /in the clear/],
      ['one mask for all rounds', work => masked(work, new Uint8Array(32)), /one mask twice/],
      [
        'masks of few bits',
        work => quantised(work).map(x => (x + 7 * (x & 1023)) % 2_147_483_647),
        /uniform/,
      ],
    ]
    for (const [name, mask, leak] of MUTANTS) {
      it(`a machine with ${name} is found out (${mode})`, () => {
        const r = record(
          {
            ...options,
            gossipBytesMax,
            machine: id => (id === memberName(1) ? config => new Remasking(config, mask) : undefined),
          },
          20_000,
        )
        const leaks = findLeaks(r)
        expect(leaks.some(l => leak.test(l) && l.includes(memberName(1)))).toBe(true)
      })
    }

    it(`a machine that tells a seed is found out (${mode})`, () => {
      const machine: ConsortiumOptions['machine'] = id =>
        id === memberName(2) ? config => new Telling(config) : undefined
      expect(findLeaks(record({ ...options, gossipBytesMax, machine }, 5_000))).toContain(
        `attempt seed of ${memberName(2)} left`,
      )
    })
  }
})

function masked(work: MaskWork, key: Uint8Array): Uint32Array {
  const out = quantised(work)
  masksInto(out, [{ key, sign: 1 }])
  return out
}

function isReveal(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 16)).includes('reveal')
}
