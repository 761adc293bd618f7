/**
 * The attacks that fit a hospital's charter, turned on that hospital's own rows: what could be read from one row's update, from its masked
 * input, from the sum of a cohort and from that sum with the charter's noise; and who was in the training data. What comes out
 * are shares and means over many trials, and nothing of any row.
 */
import { type Charter, protection } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import { joinRows } from '../evaluation.ts'
import type { Dataset } from '../training/dataset.ts'
import { buildModel } from '../training/model.ts'
import { checkRows } from '../training/patients.ts'
import { type Aim, aimsAt, measureInversion } from './inversion.ts'
import type { InversionRow } from './judge.ts'
import { AS_AGREED, byHeart, type MembershipRow, measureMembership, rowsOf } from './membership.ts'
import { activationsOf } from './network.ts'
import { type Random, randomOf, shuffled } from './random.ts'
import { cohortCharter, openly, type Subject, tableSubject } from './subject.ts'

export interface HospitalAttack {
  /** Hospitals in the cohort, each of which gives what one row makes of the model. */
  readonly cohort: number
  /** Rows whose updates are attacked; as many others are what the attacker knows of such people. */
  readonly rows: number
  readonly inversion: readonly InversionRow[]
  readonly membership: readonly MembershipRow[]
}

/** Half of a hospital's rows are attacked, the others are the attacker's. */
const ROWS_MIN = 32
/** Of each optimisation. */
const STEPS = 300
const SHADOWS = 8
/** More are drawn from: pairs of them are compared. */
const PEOPLE_MAX = 2000
/** Of the control of membership. */
const BY_HEART = { people: 100, updates: 300 }

/**
 * `told` hears how many parts are done of how many, and may stop it by throwing. tfjs must have a backend. Throws MedmeshError ATTACK_MODEL,
 * ATTACK_ROWS, and those of `checkRows`, `buildModel` and `learnOn`.
 */
export async function attackHospital(
  charter: Charter,
  dataset: Dataset,
  {
    trials,
    seed,
    steps = STEPS,
  }: { readonly trials: number; readonly seed: number; readonly steps?: number },
  told: (done: number, of: number) => Promise<void>,
): Promise<HospitalAttack> {
  activationsOf(charter)
  checkRows(charter, dataset)
  const random = randomOf(seed)
  const people = joinRows([dataset.train, dataset.test])
  if (people.y.length < ROWS_MIN) throw tooFew(people.y.length)
  const order = shuffled(people.y.length, random.fork('rows'))
  const half = Math.floor(order.length / 2)
  const subject = await subjectOf(charter, people, order, half, random.fork('normalisation'))
  const aims = aimsOf(charter, subject)
  const parts = aims.length + 2
  const inversion: InversionRow[] = []
  for (const [i, aim] of aims.entries()) {
    await told(i, parts)
    inversion.push(...(await measureInversion(subject, { trials, steps }, random, [aim])))
  }
  await told(aims.length, parts)
  const some = (count: number) => rowsOf(people, order.slice(0, count))
  const own = random.fork('membership')
  const agreed = cohortCharter(charter)
  const membership = [
    await measureMembership(agreed, some(PEOPLE_MAX), AS_AGREED, SHADOWS, own.fork('as agreed')),
  ]
  await told(aims.length + 1, parts)
  const training = byHeart(subject.model, BY_HEART.updates)
  membership.push(
    await measureMembership(agreed, some(BY_HEART.people), training, SHADOWS, own.fork('by heart')),
  )
  return { cohort: agreed.members.length, rows: half, inversion, membership }
}

function tooFew(rows: number): MedmeshError {
  return new MedmeshError(
    'ATTACK_ROWS',
    `this hospital has ${rows} rows, too few to tell what an attack finds from chance`,
    `run it with ${ROWS_MIN} rows or more`,
  )
}

/** The model of the first round of training, with the normalisation of this hospital's rows. */
async function subjectOf(
  charter: Charter,
  people: Dataset['train'],
  order: readonly number[],
  half: number,
  random: Random,
): Promise<Subject> {
  const plain = openly(charter)
  const untrained = { ...plain, training: { ...plain.training, rounds: 0 } }
  const trained = await buildModel(charter)
  const model = AS_AGREED.train(untrained, trained, people, random)
  trained.dispose()
  const [attacked, others] = [order.slice(0, half), order.slice(half, 2 * half)].map(o => rowsOf(people, o))
  return tableSubject('rows', charter, model, attacked!, others!)
}

function aimsOf(charter: Charter, subject: Subject): Aim[] {
  if (!protection(charter)) return aimsAt(subject, [])
  const { secureSum } = charter
  const noised = { ...cohortCharter(charter), secureSum: { ...secureSum, compression: undefined } }
  return aimsAt(subject, [{ label: "the charter's noise", charter: noised }])
}
