/** Every inversion on every target: what comes out of an update, a masked input, a sum, a noised sum. */
import { buildModel } from '../../node/training/model.ts'
import { keepWithin } from './adam.ts'
import { invertFirstLayer } from './analytic.ts'
import { type InversionRow, type Limit, nearest, rowOf, type Trial } from './judge.ts'
import { optimise } from './optimise.ts'
import type { Random } from './random.ts'
import { normalised, type Subject } from './subjects.ts'
import { type Seen, see, type Target } from './targets.ts'

export const ATTACKS = ['first layer', 'DLG', 'iDLG', 'inverting gradients'] as const
export type Attack = (typeof ATTACKS)[number]

const HOSPITALS = 4

/** What is tried, and what each must show. Nothing is promised of a bare sum: what it gives is only told. */
export const TARGETS: readonly { readonly target: Target; readonly limit: Limit }[] = [
  { target: { name: 'plain update', hospitals: HOSPITALS }, limit: 'succeeds' },
  { target: { name: 'masked input', hospitals: HOSPITALS }, limit: 'tells nothing' },
  { target: { name: 'sum', hospitals: HOSPITALS }, limit: 'none' },
  {
    target: { name: 'noised sum', hospitals: HOSPITALS, noiseMultiplier: 1 },
    limit: 'no better than the prior',
  },
]

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
  targets: typeof TARGETS = TARGETS,
  attacks: readonly Attack[] = ATTACKS,
): Promise<InversionRow[]> {
  const trained = await buildModel(subject.charter)
  const rows: InversionRow[] = []
  for (const { target, limit } of targets) {
    const own = random.fork(subject.name, target.name)
    const seen = Array.from({ length: trials }, (_, t) => see(subject, trained, target, own.fork('trial', t)))
    for (const attack of attacks) {
      const found = reconstruct(subject, attack, seen, steps, own.fork(attack))
      const all = seen.map((s, t) => trialOf(subject, s, found[t]!, own.fork('guess', t)))
      const { name, kind } = subject
      rows.push(rowOf({ subject: name, kind, target: nameOf(target), attack, limit }, all))
    }
  }
  trained.dispose()
  return rows
}

function nameOf({ name, hospitals, noiseMultiplier }: Target): string {
  if (name === 'sum') return `sum of ${hospitals}`
  return noiseMultiplier === undefined ? name : `sum of ${hospitals}, noise ${noiseMultiplier}`
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
  const other = () => normalised(subject, subject.drawPrior(random))
  const own = persons.map(p => normalised(subject, p))
  const guesses = candidates.map((_, i) => (i === 0 ? subject.expected : other()))
  return {
    attack: nearest(candidates, own),
    guess: nearest(guesses, own),
    strangers: nearest(
      candidates,
      own.map(() => other()),
    ),
  }
}
