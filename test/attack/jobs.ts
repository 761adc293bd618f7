/** The study in parts that need nothing of each other: each has streams of its own, so figures do not depend on who does what when. */
import { type Aim, aimsAt, measureInversion } from '../../node/attack/inversion.ts'
import type { InversionRow } from '../../node/attack/judge.ts'
import {
  AS_AGREED,
  byHeart,
  type MembershipRow,
  measureMembership,
  rowsOf,
} from '../../node/attack/membership.ts'
import { type Random, randomOf, shuffled } from '../../node/attack/random.ts'
import type { Subject } from '../../node/attack/subject.ts'
import { joinRows } from '../../node/evaluation.ts'
import type { Rows } from '../../node/training/dataset.ts'
import { buildModel } from '../../node/training/model.ts'
import { openStudy } from '../study/heart.ts'
import { type Canary, type CanaryRow, measureCanary } from './canary.ts'
import { hospitalsNoised, patientsNoised } from './noised.ts'
import { openSubjects } from './subjects.ts'

/** Places in SUBJECTS, `aimsOf` and so on. */
export type Job =
  | { readonly kind: 'inversion'; readonly subject: number; readonly aim: number }
  | { readonly kind: 'membership'; readonly training: 'as agreed' | 'by heart' }
  | { readonly kind: 'canary'; readonly canary: number }

export type JobRows =
  | { readonly kind: 'inversion'; readonly rows: readonly InversionRow[] }
  | { readonly kind: 'membership'; readonly rows: readonly MembershipRow[] }
  | { readonly kind: 'canary'; readonly rows: readonly CanaryRow[] }

const SUBJECTS = 3
const AIMS = 5
const STEPS = { table: 300, image: 250 }
const SHADOWS = 16
const BY_HEART = { people: 100, updates: 600 }
const CANARY_SUMS = 20_000
/** An image costs as much as many patients: but for masked inputs, where chance is to be told from nothing, fewer are enough. */
const FEWER = 4

/** What a subject is attacked in. Noise is as large as what a hospital, or a patient, can change. */
export function aimsOf(subject: Pick<Subject, 'charter'>): Aim[] {
  const { charter } = subject
  return aimsAt(subject, [
    { label: 'noise 1 (patients)', charter: patientsNoised(charter, 1, 1) },
    { label: 'noise 1 (hospitals)', charter: hospitalsNoised(charter, 1) },
  ])
}

/** The last one is a control: its noise is a tenth of what is stated. */
export function canariesOf({ charter }: Pick<Subject, 'charter'>): Canary[] {
  const hospitals = [0.5, 1, 2].map(noise => hospitalsNoised(charter, noise))
  const patients = [1, 0.5].map(samplingRate => patientsNoised(charter, 1, samplingRate))
  return [
    ...[charter, ...hospitals, ...patients].map(one => ({ charter: one, stated: one })),
    { charter: hospitalsNoised(charter, 0.1), stated: hospitalsNoised(charter, 1) },
  ]
}
const CANARIES = 7

/** In the order in which their rows are printed. */
export const JOBS: readonly Job[] = [
  ...Array.from({ length: SUBJECTS }, (_, subject) =>
    Array.from({ length: AIMS }, (_, aim) => ({ kind: 'inversion', subject, aim }) as const),
  ).flat(),
  { kind: 'membership', training: 'as agreed' },
  { kind: 'membership', training: 'by heart' },
  ...Array.from({ length: CANARIES }, (_, canary) => ({ kind: 'canary', canary }) as const),
]

/** Opens the study and gives what does its jobs. tfjs has its backend afterwards. */
export async function opened(seed: number, trials: number): Promise<(job: Job) => Promise<JobRows>> {
  const random = randomOf(seed)
  const [logistic, mlp, images] = await openSubjects(random)
  return async job => {
    switch (job.kind) {
      case 'inversion': {
        const subject = [logistic, mlp, images][job.subject]!
        return { kind: job.kind, rows: await inversion(subject, job.aim, trials, random) }
      }
      case 'membership':
        return { kind: job.kind, rows: [await membership(mlp, job.training, random)] }
      case 'canary':
        return { kind: job.kind, rows: [await canary(logistic, job.canary, random)] }
    }
  }
}

function inversion(subject: Subject, place: number, trials: number, random: Random): Promise<InversionRow[]> {
  const aim = aimsOf(subject)[place]!
  const isFewer = subject.kind === 'image' && aim.target.name !== 'masked input'
  const effort = { trials: Math.ceil(trials / (isFewer ? FEWER : 1)), steps: STEPS[subject.kind] }
  return measureInversion(subject, effort, random, [aim])
}

/** The study of the network with all its people. */
export async function openMembership() {
  const file = new URL('../../config/studies/heart-disease/charter-mlp.yaml', import.meta.url).pathname
  const { charter, datasets } = await openStudy(file)
  return { charter, people: joinRows([...datasets.values()].flatMap(d => [d.train, d.test])) }
}

/** Some of them, by lot. */
export function fewOf(people: Rows, count: number, random: Random): Rows {
  return rowsOf(people, shuffled(people.y.length, random).slice(0, count))
}

async function membership(
  { model }: Subject,
  training: 'as agreed' | 'by heart',
  random: Random,
): Promise<MembershipRow> {
  const { charter, people } = await openMembership()
  const own = random.fork('membership', training)
  if (training === 'as agreed') return measureMembership(charter, people, AS_AGREED, SHADOWS, own)
  const few = fewOf(people, BY_HEART.people, own.fork('people'))
  return measureMembership(charter, few, byHeart(model, BY_HEART.updates), SHADOWS, own)
}

async function canary(subject: Subject, place: number, random: Random): Promise<CanaryRow> {
  const trained = await buildModel(subject.charter)
  const own = random.fork('canary', place)
  const row = measureCanary(subject, trained, canariesOf(subject)[place]!, CANARY_SUMS, own)
  trained.dispose()
  return row
}
