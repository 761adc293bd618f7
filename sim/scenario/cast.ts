/** Who plays whom: which hospitals lie, drawn by the seed. */
import { type Behaviour, hospitalsOf, type Scenario, type Site } from '../../config/scenario.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { Random } from '../random.ts'

export interface Role {
  readonly id: MemberId
  readonly site: Site
  /** Undefined: honest. */
  readonly behaviour: Behaviour | undefined
}

/** Streams of one run's seed, so that no part of a run changes the chance of another. */
export const STREAM = { cast: 0x0ca57, study: 0x57d7, faults: 0xfa17, liars: 0x11a2 } as const

export function stream(seed: number, name: keyof typeof STREAM, index = 0): Random {
  return new Random((Math.imul(seed, 0x9e3779b1) ^ STREAM[name] ^ Math.imul(index + 1, 0x85ebca6b)) >>> 0)
}

/** All hospitals in the charter's order. */
export function castOf(scenario: Scenario, seed: number): Role[] {
  const random = stream(seed, 'cast')
  const hospitals = hospitalsOf(scenario)
  const behaviours = scenario.adversaries.flatMap(a => Array.from({ length: a.count }, () => a.behaviour))
  const liars = new Map(shuffled(hospitals, random).map((h, i) => [h.id, behaviours[i]]))
  return hospitals.map(h => ({ ...h, behaviour: liars.get(h.id) }))
}

/** A random order of `list` (Fisher and Yates), which stays as it is. */
export function shuffled<T>(list: readonly T[], random: Random): T[] {
  const out = [...list]
  for (let i = out.length - 1; i > 0; i--) {
    const j = random.below(i + 1)
    const kept = out[i]!
    out[i] = out[j]!
    out[j] = kept
  }
  return out
}
