/** The study in parts that need nothing of each other: each has streams of its own, so figures do not depend on who does what when. */
import { buildModel } from '../../node/training/model.ts'
import { openStudy } from '../study/heart.ts'
import { type CanaryRow, measureCanary } from './canary.ts'
import { measureInversion, TARGETS } from './inversion.ts'
import type { InversionRow } from './judge.ts'
import { AS_AGREED, BY_HEART, type MembershipRow, measureMembership } from './membership.ts'
import { type Random, randomOf } from './random.ts'
import { openSubjects, type Subject } from './subjects.ts'

/** Places in SUBJECTS, TARGETS, TRAININGS, NOISE_MULTIPLIERS. */
export type Job =
  | { readonly kind: 'inversion'; readonly subject: number; readonly target: number }
  | { readonly kind: 'membership'; readonly training: number }
  | { readonly kind: 'canaries' }

export type JobRows =
  | { readonly kind: 'inversion'; readonly rows: readonly InversionRow[] }
  | { readonly kind: 'membership'; readonly rows: readonly MembershipRow[] }
  | { readonly kind: 'canaries'; readonly rows: readonly CanaryRow[] }

const SUBJECTS = 3
const MLP = 1
const TRAININGS = [AS_AGREED, BY_HEART]
/** 0 is the sum as it is today. */
const NOISE_MULTIPLIERS = [0, 0.5, 1, 2]
const STEPS = { table: 300, image: 250 }
const SHADOWS = 16
const CANARY_SUMS = 20_000
/** An image costs as much as many patients: but for masked inputs, where chance is to be told from nothing, fewer are enough. */
const FEWER = 4

/** In the order in which their rows are printed. */
export const JOBS: readonly Job[] = [
  ...Array.from({ length: SUBJECTS }, (_, subject) =>
    TARGETS.map((_, target) => ({ kind: 'inversion', subject, target }) as const),
  ).flat(),
  ...TRAININGS.map((_, training) => ({ kind: 'membership', training }) as const),
  { kind: 'canaries' },
]

/** Opens the study and gives what does its jobs. tfjs has its backend afterwards. */
export async function opened(seed: number, trials: number): Promise<(job: Job) => Promise<JobRows>> {
  const random = randomOf(seed)
  const subjects = await openSubjects(random)
  return async job => {
    switch (job.kind) {
      case 'inversion':
        return { kind: job.kind, rows: await inversion(subjects[job.subject]!, job.target, trials, random) }
      case 'membership':
        return { kind: job.kind, rows: [await membership(subjects[MLP]!, job.training, random)] }
      case 'canaries':
        return { kind: job.kind, rows: await canaries(subjects[MLP]!, random) }
    }
  }
}

function inversion(subject: Subject, place: number, trials: number, random: Random): Promise<InversionRow[]> {
  const target = TARGETS[place]!
  const isFewer = subject.kind === 'image' && target.target.name !== 'masked input'
  const effort = { trials: Math.ceil(trials / (isFewer ? FEWER : 1)), steps: STEPS[subject.kind] }
  return measureInversion(subject, effort, random, [target])
}

async function membership({ model }: Subject, place: number, random: Random): Promise<MembershipRow> {
  const file = new URL('../../config/studies/heart-disease/charter-mlp.yaml', import.meta.url).pathname
  const training = TRAININGS[place]!
  return measureMembership(await openStudy(file), model, training, SHADOWS, random.fork(training.name))
}

async function canaries(subject: Subject, random: Random): Promise<CanaryRow[]> {
  const trained = await buildModel(subject.charter)
  const rows = NOISE_MULTIPLIERS.map(noiseMultiplier =>
    measureCanary(subject, trained, { noiseMultiplier }, CANARY_SUMS, random.fork('canary', noiseMultiplier)),
  )
  trained.dispose()
  return rows
}
