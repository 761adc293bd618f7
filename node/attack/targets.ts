/**
 * What the attacker gets hold of, made by the project's own learner, clipping, quantisation, noise and masks: one hospital's
 * update in the clear (the control), its masked input, the opened sum of a cohort, and such a sum with a charter's noise.
 */
import type { Charter } from '../../config/charter.ts'
import type { Learned, Mask, Section } from '../../protocol/ports.ts'
import { noisyCohort } from '../../protocol/privacy/layout.ts'
import { addingMin, upTo } from '../../protocol/privacy/shares.ts'
import { addInto } from '../../protocol/sum/field.ts'
import { quantisedInput, runVectorWork } from '../../protocol/sum/kernels.ts'
import { layoutFor, sectionRange, vectorLength } from '../../protocol/sum/layout.ts'
import { pairSign } from '../../protocol/sum/pairs.ts'
import { centre } from '../../protocol/sum/quantise.ts'
import { learnOn } from '../training/learner.ts'
import type { TrainedModel } from '../training/model.ts'
import type { Random } from './random.ts'
import type { Person, Subject } from './subject.ts'

export interface Target {
  readonly name: 'plain update' | 'masked input' | 'sum' | 'noised sum'
  /** As people read it. */
  readonly label: string
  /** What every hospital of the cohort does, each with one person. */
  readonly charter: Charter
}

/** What the attacker has. `gradient`: P numbers, the mean loss gradient of `persons` as far as the target shows it. */
export interface Seen {
  readonly gradient: Float32Array
  readonly persons: readonly Person[]
}

export function see(
  { model, draw }: Pick<Subject, 'model' | 'draw'>,
  trained: TrainedModel,
  { name, charter }: Target,
  random: Random,
): Seen {
  const isSum = name === 'sum' || name === 'noised sum'
  const persons = draw(random.fork('persons'), isSum ? charter.members.length : 1)
  const learned = persons.map((person, i) =>
    learnedBy(charter, model, trained, [person], random.fork('minibatches', i).key()),
  )
  const update =
    name === 'masked input'
      ? maskedUpdate(charter, learned[0]!, random)
      : openedUpdate(charter, learned, random.fork('rounding'))
  const step = gradientStep(charter, persons.length)
  return { gradient: update.map(v => v / step), persons }
}

/** What a hospital learns of its people, whom it trains on. `seed`: 32 bytes. */
export function learnedBy(
  charter: Charter,
  model: Subject['model'],
  trained: TrainedModel,
  persons: readonly Person[],
  seed: Uint8Array,
): Learned {
  const d = model.mean.length
  const x = new Float32Array(persons.length * d)
  for (const [i, person] of persons.entries()) x.set(person.x, i * d)
  const rows = { x, y: Float32Array.from(persons, person => person.y) }
  const dataset = { train: rows, test: rows, d, hash: '', notices: [] }
  return learnOn(trained, charter, dataset, { kind: 'learn', task: 'train', round: 1, model, seed })
}

/** By what the mean loss gradient of one row in each of `count` hospitals is multiplied in their sum, where nothing is clipped. */
function gradientStep({ training, members, privacy }: Charter, count: number): number {
  const steps = -count * training.learningRate * training.localUpdates
  if (privacy.unit !== 'patient') return steps
  // A row counts as often as it is drawn.
  const { samplingRate, patients, noise } = privacy
  return noise === 'sum' ? steps * samplingRate : (steps * members.length) / patients
}

/**
 * The update in the opened sum of what the first hospitals of a cohort learned, P numbers. Masks come off before it is opened, so there
 * are none; all survive, so that noise of the lowest level stays. Only so many hospitals add it as the charter counts on: that of the others
 * is missing, or the attacker knows it.
 */
export function openedUpdate(charter: Charter, all: readonly Learned[], random: Random): Float32Array {
  const sections = layoutFor(charter, 'train', charter.members.length).map(s => upTo(s, 0))
  const quiet = sections.map(s => ({ ...s, noise: undefined }))
  const sum = new Uint32Array(vectorLength(sections))
  for (const [i, learned] of all.entries()) {
    const own = i < noisyHospitals(charter) ? sections : quiet
    const work = { charter, task: 'train', sections: own, learned, roundingKey: random.key() } as const
    const input = quantisedInput(work)
    if (!input.ok) throw new Error(input.error)
    addInto(sum, input.value.residues)
  }
  return readUpdate(sections, sum)
}

/** Hospitals of a cohort that all survives on whose noise its charter counts. */
export function noisyHospitals(charter: Charter): number {
  return addingMin(noisyCohort(charter, charter.members.length), 0)
}

/** What a hospital sends, read as if it were no mask. */
function maskedUpdate(charter: Charter, learned: Learned, random: Random): Float32Array {
  const n = charter.members.length
  const sections = layoutFor(charter, 'train', n)
  const output = runVectorWork({
    kind: 'mask',
    charter,
    task: 'train',
    sections,
    learned,
    publicSeed: random.fork('public').key(),
    roundingKey: random.fork('rounding').key(),
    selfKey: random.fork('self').key(),
    pairs: Array.from({ length: n - 1 }, (_, i) => pairWith(i + 1, random)),
    shards: 1,
  })
  if (output.kind !== 'mask') throw new Error('no masked input')
  return readUpdate(sections, output.masked!)
}

/** Of the first hospital. */
function pairWith(peer: number, random: Random): Mask {
  return { key: random.fork('pair', peer).key(), sign: pairSign(0, peer) }
}

function readUpdate(sections: readonly Section[], residues: Uint32Array): Float32Array {
  const [from, to] = sectionRange(sections, 'update')
  const { scale } = sections.find(s => s.name === 'update')!
  return Float32Array.from(residues.subarray(from, to), r => centre(r) / scale)
}
