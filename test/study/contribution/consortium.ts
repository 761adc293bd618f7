/** Who takes part: hospitals of the stroke study by lot, honest ones that are unlike the others, and the four of the heart study. */

import type { Random } from '../../../node/attack/random.ts'
import type { Dataset } from '../../../node/training/dataset.ts'
import { openStudy } from '../heart.ts'
import type { Study } from '../models.ts'
import type { Hospital } from './play.ts'
import { rowsOf } from './riders.ts'

export type Network = 'logistic' | 'mlp'

const studyFile = (name: string) => new URL(`../../../config/studies/${name}`, import.meta.url).pathname

/** The stroke study as agreed, or with the network of the heart study's second charter on the stroke study's inputs. */
export async function openStroke(network: Network): Promise<Study> {
  const study = await openStudy(studyFile('ist-stroke/charter.yaml'))
  if (network === 'logistic') return study
  const { charter: other } = await openStudy(studyFile('heart-disease/charter-mlp.yaml'))
  const inputs = [...study.datasets.values()][0]!.d
  const model = JSON.parse(
    JSON.stringify(other.model)
      .replaceAll('[null,13]', `[null,${inputs}]`)
      .replaceAll('[13,16]', `[${inputs},16]`),
  )
  return { ...study, charter: { ...study.charter, model } }
}

export async function openHeart(network: Network): Promise<Study> {
  return await openStudy(
    studyFile(network === 'mlp' ? 'heart-disease/charter-mlp.yaml' : 'heart-disease/charter.yaml'),
  )
}

/** `n` of the study's hospitals, by lot. */
export function drawHospitals({ datasets }: Study, n: number, random: Random): Hospital[] {
  const lots = [...datasets].map(([id, data]) => ({ id, data, lot: random.uniform() }))
  return lots
    .sort((a, b) => a.lot - b.lot)
    .slice(0, n)
    .map(({ id, data }) => ({ id, data, declared: data.train.y.length }))
}

const SMALL = 8
const ELSEWHERE = 60

/** Places among the inputs of the stroke study, after one-hot encoding. */
const [AGE, DROWSY, UNCONSCIOUS] = [0, 7, 8]

/** Honest hospitals that are unlike the others. The patients of another population are real ones, of all hospitals. */
export const ODD: readonly {
  readonly name: string
  readonly of: (h: Hospital, study: Study, random: Random) => Omit<Hospital, 'id' | 'declared'>
}[] = [
  { name: `small: ${SMALL} patients`, of: h => ({ data: rowsOf(h.data, SMALL) }) },
  { name: 'all died or dependent', of: h => ({ data: chosen(h.data, (_, y) => y === 1) }) },
  { name: 'none died or dependent', of: h => ({ data: chosen(h.data, (_, y) => y === 0) }) },
  {
    name: 'drowsy or unconscious',
    of: (_, study, random) => ({
      data: elsewhere(study, random, x => x[DROWSY]! + x[UNCONSCIOUS]! > 0),
    }),
  },
  { name: 'under 55', of: (_, study, random) => ({ data: elsewhere(study, random, x => x[AGE]! < 55) }) },
  { name: 'slow: every other round', of: h => ({ data: h.data, presence: 0.5 }) },
]

/** The first of `hospitals` are made odd, one of each kind, as long as they last. */
export function withOdd(hospitals: readonly Hospital[], study: Study, random: Random): Hospital[] {
  return hospitals.map((h, i) => {
    const changed = { ...h, ...ODD[i]?.of(h, study, random) }
    return { ...changed, declared: changed.data.train.y.length }
  })
}

type Keep = (x: Float32Array, y: number) => boolean

function chosen(data: Dataset, keep: Keep): Dataset {
  const { d, train } = data
  const rows = [...train.y.keys()].filter(row =>
    keep(train.x.subarray(row * d, (row + 1) * d), train.y[row]!),
  )
  const x = new Float32Array(rows.length * d)
  for (const [i, row] of rows.entries()) x.set(train.x.subarray(row * d, (row + 1) * d), i * d)
  return { ...data, train: { x, y: Float32Array.from(rows, row => train.y[row]!) } }
}

/** Patients of all hospitals, by lot among those that are kept. */
function elsewhere({ datasets }: Study, random: Random, keep: Keep): Dataset {
  const all = [...datasets.values()].map(d => chosen(d, keep))
  const count = all.reduce((sum, d) => sum + d.train.y.length, 0)
  const share = (1.5 * ELSEWHERE) / count
  const some = all.map(d => chosen(d, () => random.uniform() < share))
  const [first] = some
  const x = Float32Array.from(some.flatMap(d => [...d.train.x]))
  const y = Float32Array.from(some.flatMap(d => [...d.train.y]))
  return rowsOf({ ...first!, train: { x, y } }, Math.min(ELSEWHERE, y.length))
}
