/** Every inversion on every target: what comes out of an update, a masked input, a sum, a noised sum. */

import type { Charter } from '../../config/charter.ts'
import { buildModel } from '../training/model.ts'
import { keepWithin } from './adam.ts'
import { invertFirstLayer } from './analytic.ts'
import { type InversionRow, type Limit, nearest, rowOf, type Trial } from './judge.ts'
import { optimise } from './optimise.ts'
import type { Random } from './random.ts'
import { normalised, type Subject } from './subject.ts'
import { type Seen, see, type Target } from './targets.ts'

export const ATTACKS = ['first layer', 'DLG', 'iDLG', 'inverting gradients'] as const
export type Attack = (typeof ATTACKS)[number]

export interface Aim {
  readonly target: Target
  readonly limit: Limit
}

/**
 * What is tried on a subject, and what each must show. Nothing is promised of a bare sum: what it gives is only told. `noised`: charters of
 * the same model with noise, and what they are called.
 */
export function aimsAt(
  { charter }: Pick<Subject, 'charter'>,
  noised: readonly { readonly label: string; readonly charter: Charter }[],
): Aim[] {
  const sum = `sum of ${charter.members.length}`
  const noise = noised.map(({ label, charter }) => {
    const target: Target = { name: 'noised sum', label: `${sum}, ${label}`, charter }
    return { target, limit: 'no better than the prior' } as const
  })
  return [
    { target: { name: 'plain update', label: 'plain update', charter }, limit: 'succeeds' },
    { target: { name: 'masked input', label: 'masked input', charter }, limit: 'tells nothing' },
    { target: { name: 'sum', label: sum, charter }, limit: 'none' },
    ...noise,
  ]
}

export interface Effort {
  /** Persons, or cohorts, that are attacked. */
  readonly trials: number
  /** Of each optimisation. */
  readonly steps: number
}

/** The rows of one subject, each target under each attack. tfjs must have a backend. */
export async function measureInversion(
  subject: Subject,
  { trials, steps }: Effort,
  random: Random,
  aims: readonly Aim[],
  attacks: readonly Attack[] = ATTACKS,
): Promise<InversionRow[]> {
  const trained = await buildModel(subject.charter)
  const rows: InversionRow[] = []
  for (const { target, limit } of aims) {
    const own = random.fork(subject.name, target.label)
    const seen = Array.from({ length: trials }, (_, t) => see(subject, trained, target, own.fork('trial', t)))
    for (const attack of attacks) {
      const found = reconstruct(subject, attack, seen, steps, own.fork(attack))
      const all = seen.map((s, t) => trialOf(subject, s, found[t]!, own.fork('guess', t)))
      const { name, kind } = subject
      rows.push(rowOf({ subject: name, kind, target: target.label, attack, limit }, all))
    }
  }
  trained.dispose()
  return rows
}

/** Of each trial the candidates, normalised and within the limits of the charter; at least one. */
function reconstruct(
  subject: Subject,
  attack: Attack,
  seen: readonly Seen[],
  steps: number,
  random: Random,
): Float32Array[][] {
  const { charter, limits, expected } = subject
  const found =
    attack === 'first layer'
      ? seen.map(s => invertFirstLayer(charter, s.gradient, s.persons.length))
      : optimise(subject, attack, seen, steps, random)
  for (const candidate of found.flat()) keepWithin(candidate, limits)
  return found.map(candidates => (candidates.length === 0 ? [expected] : candidates))
}

/** The guess has as many candidates as the attack: the expected person, and such as the prior has. */
function trialOf(
  subject: Subject,
  { persons }: Seen,
  candidates: readonly Float32Array[],
  random: Random,
): Trial {
  const others = (count: number) => subject.drawPrior(random, count).map(p => normalised(subject, p))
  const own = persons.map(p => normalised(subject, p))
  return {
    attack: nearest(candidates, own),
    guess: nearest([subject.expected, ...others(candidates.length - 1)], own),
    strangers: nearest(candidates, others(own.length)),
  }
}
