/**
 * What the attacker gets hold of, made by the project's own learner, clipping, quantisation and masks: one hospital's
 * update in the clear (the control), its masked input, the opened sum of a cohort, and such a sum with noise.
 */
import type { Charter } from '../../config/charter.ts'
import { learnOn } from '../../node/training/learner.ts'
import type { TrainedModel } from '../../node/training/model.ts'
import type { Learned, Mask, VectorWork } from '../../protocol/ports.ts'
import { quantisedInput, runVectorWork } from '../../protocol/sum/kernels.ts'
import { layoutFor, sectionRange } from '../../protocol/sum/layout.ts'
import { pairSign } from '../../protocol/sum/pairs.ts'
import { centre } from '../../protocol/sum/quantise.ts'
import type { Random } from './random.ts'
import type { Person, Subject } from './subjects.ts'

export type TargetName = 'plain update' | 'masked input' | 'sum' | 'noised sum'
export interface Target {
  readonly name: TargetName
  /** Hospitals in the cohort, each with one person. */
  readonly hospitals: number
  /** Of a noised sum: standard deviation of its noise over the clipping norm. */
  readonly noiseMultiplier?: number
}

/** What the attacker has. `gradient`: P numbers, the mean loss gradient of `persons` as far as the target shows it. */
export interface Seen {
  readonly gradient: Float32Array
  readonly persons: readonly Person[]
}

/** A norm to which every update here is shortened: then all is in the sum that clipping ever lets into it. */
const CLIP_NOISED = 0.01

/** The work that masks one hospital's input; quantising takes the same. */
type Masking = Extract<VectorWork, { kind: 'mask' }>

export function see(subject: Subject, trained: TrainedModel, target: Target, random: Random): Seen {
  const { name, hospitals } = target
  const charter = charterFor(subject, target)
  const persons = Array.from({ length: hospitals }, (_, i) => subject.draw(random.fork('person', i)))
  const isSum = name === 'sum' || name === 'noised sum'
  const works = persons
    .slice(0, isSum ? hospitals : 1)
    .map((person, i) => maskingOf(subject, trained, charter, person, hospitals, i, random))
  const update = readUpdate(works[0]!, isSum ? openedSum(works) : one(works[0]!, name))
  const count = works.length
  const sigma = (target.noiseMultiplier ?? 0) * charter.training.clipNorm
  const noise = random.fork('noise')
  const gradient = update.map(
    v => -(v + (sigma > 0 ? sigma * noise.normal() : 0)) / count / charter.training.learningRate,
  )
  return { gradient, persons: persons.slice(0, count) }
}

function charterFor({ charter }: Subject, { name }: Target): Charter {
  if (name !== 'noised sum') return charter
  return { ...charter, training: { ...charter.training, clipNorm: CLIP_NOISED } }
}

function maskingOf(
  subject: Subject,
  trained: TrainedModel,
  charter: Charter,
  person: Person,
  n: number,
  own: number,
  random: Random,
): Masking {
  return {
    kind: 'mask',
    charter,
    task: 'train',
    sections: layoutFor(charter, 'train', n),
    learned: learnedBy({ ...subject, charter }, trained, person, random.fork('minibatches', own).key()),
    publicSeed: random.fork('public').key(),
    roundingKey: random.fork('rounding', own).key(),
    selfKey: random.fork('self', own).key(),
    pairs: pairsOf(n, own, random),
    shards: 1,
  }
}

/** What a hospital learns of its one person. `seed`: 32 bytes. */
export function learnedBy(
  { charter, model }: Pick<Subject, 'charter' | 'model'>,
  trained: TrainedModel,
  { x, y }: Person,
  seed: Uint8Array,
): Learned {
  const rows = { x, y: Float32Array.of(y) }
  const dataset = { train: rows, test: rows, d: x.length, hash: '', notices: [] }
  return learnOn(trained, charter, dataset, { kind: 'learn', task: 'train', round: 1, model, seed })
}

/** A mask with each other hospital, whose key both have. */
function pairsOf(n: number, own: number, random: Random): Mask[] {
  const others = Array.from({ length: n }, (_, i) => i).filter(i => i !== own)
  return others.map(peer => {
    const key = random.fork('pair', Math.min(own, peer), Math.max(own, peer)).key()
    return { key, sign: pairSign(own, peer) }
  })
}

/** Residues of one hospital, in the clear or masked. */
function one(work: Masking, name: TargetName): Uint32Array {
  if (name === 'masked input') return maskedInput(work)
  const input = quantisedInput(work)
  if (!input.ok) throw new Error(input.error)
  return input.value.residues
}

function maskedInput(work: Masking): Uint32Array {
  const output = runVectorWork(work)
  if (output.kind !== 'mask') throw new Error('no masked input')
  return output.masked!
}

/** The cohort's sum as it is opened: pair masks cancel, self masks come off. */
function openedSum(works: readonly Masking[]): Uint32Array {
  const masks = works.map(({ selfKey }) => ({ key: selfKey, sign: -1 as const }))
  const output = runVectorWork({ kind: 'sum', inputs: works.map(maskedInput), masked: { from: 0, masks } })
  if (output.kind !== 'sum') throw new Error('no sum')
  return output.sum!
}

function readUpdate({ sections }: Masking, residues: Uint32Array): Float32Array {
  const [from, to] = sectionRange(sections, 'update')
  const { scale } = sections.find(s => s.name === 'update')!
  return Float32Array.from(residues.subarray(from, to), r => centre(r) / scale)
}
