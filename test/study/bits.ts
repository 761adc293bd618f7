/**
 * What fewer bits for each value of an update cost, and fewer values or only factors of it in each round: the heart-disease and the
 * stroke study, with the protocol's own arithmetic, in each number of bits, as it is and rotated. `npm run study:bits`, or with --seeds N,
 * --study NAME, --json FILE. Fails where a study as agreed misses a limit.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type Charter, parameterCount } from '../../config/charter.ts'
import { BITS_PER_VALUE } from '../../config/lanes.ts'
import type { OnRound } from '../../node/attack/rounds.ts'
import { joinRows, scoreOn } from '../../node/evaluation.ts'
import type { Learner } from '../../node/training/learner.ts'
import { clipFactor, normOf } from '../../protocol/model/contribution.ts'
import type { Learned, ModelState } from '../../protocol/ports.ts'
import { factorsOf } from '../../protocol/sum/factors.ts'
import { elementsOf, layoutFor } from '../../protocol/sum/layout.ts'
import { mean, openStudy } from './heart.ts'
import { federateWith, learnersOf, type Study } from './models.ts'

/**
 * As agreed; and for comparison with another weightMax, nearer to the largest hospital's rows or far above them: the mean is the
 * same, but a step is a part of what a hospital of weightMax rows may give. Or with more room for what is owed of former updates,
 * where only a part of each is summed.
 */
export const STUDIES = [
  { name: 'heart-disease', file: 'heart-disease/charter.yaml' },
  { name: 'heart-disease, weightMax 256', file: 'heart-disease/charter.yaml', weightMax: 256 },
  { name: 'heart-disease MLP', file: 'heart-disease/charter-mlp.yaml' },
  { name: 'heart-disease MLP, clipNorm 4', file: 'heart-disease/charter-mlp.yaml', clipNorm: 4 },
  { name: 'ist-stroke', file: 'ist-stroke/charter.yaml' },
  { name: 'ist-stroke, weightMax 1000', file: 'ist-stroke/charter.yaml', weightMax: 1000 },
] as const

type Of = (typeof STUDIES)[number]

/** Whether it is a study as agreed, whose limits are promised. */
function isAgreed(of: Of): boolean {
  return !('weightMax' in of) && !('clipNorm' in of)
}

type Compression = Charter['secureSum']['compression']

export const SETTINGS: readonly Compression[] = [
  undefined,
  ...BITS_PER_VALUE.flatMap(bitsPerValue => [
    { bitsPerValue, rotation: false },
    { bitsPerValue, rotation: true },
  ]),
  { bitsPerValue: 32, rotation: false, oneIn: 2 },
  ...[2, 4].map(oneIn => ({ bitsPerValue: 16 as const, rotation: true, oneIn })),
  ...[4, 2, 1].map(rank => ({ bitsPerValue: 16 as const, rotation: false, rank })),
  { bitsPerValue: 16, rotation: true, rank: 2 },
]

export interface BitsRow {
  readonly study: string
  readonly hospitals: number
  readonly parameters: number
  readonly compression: Compression
  /** On the wire, of each parameter, padding included. */
  readonly bits: number
  /** Steps that one hospital's value may take to either side. */
  readonly steps: number
  /** Of a round's step of the model against the exact weighted mean of the clipped updates: |difference| / |mean|, averaged. */
  readonly error: number
  /** Area under the ROC curve of the last model on all test rows together; seed after seed. */
  readonly aucs: readonly number[]
  /** The same after each training round, the mean over the seeds. */
  readonly course: readonly number[]
}

/** What the step would be in real numbers. */
function exactMean({ training: { clipNorm, weightMax } }: Charter, all: readonly Learned[]): Float64Array {
  const sum = new Float64Array(all[0]!.delta!.length)
  let weights = 0
  for (const { samples, delta } of all) {
    const weight = Math.min(samples, weightMax) / weightMax
    const factor = weight * clipFactor(normOf(delta!), clipNorm)
    weights += weight
    delta!.forEach((x, i) => {
      sum[i]! += x * factor
    })
  }
  return sum.map(x => x / weights)
}

const norm = (xs: ArrayLike<number>) => Math.sqrt(Array.from(xs, x => x * x).reduce((a, b) => a + b, 0))

async function measure(
  study: Study,
  learners: readonly Learner[],
  compression: Compression,
  seeds: readonly number[],
): Promise<Omit<BitsRow, 'study'>> {
  const charter = { ...study.charter, secureSum: { ...study.charter.secureSum, compression } }
  const errors: number[] = []
  const states: ModelState[][] = []
  const onRound: OnRound = (all, before, after) => {
    const exact = exactMean(charter, all)
    states.at(-1)!.push(after)
    errors.push(norm(exact.map((x, i) => after.parameters[i]! - before.parameters[i]! - x)) / norm(exact))
  }
  for (const seed of seeds) {
    states.push([])
    federateWith(charter, learners, seed, onRound)
  }
  const test = joinRows([...study.datasets.values()].map(d => d.test))
  const courses = states.map(all => all.map(() => 0))
  for (const [s, all] of states.entries())
    for (const [r, state] of all.entries()) courses[s]![r] = (await scoreOn(charter, state, [test]))[0]!.auc!
  const course = courses[0]!.map((_, r) => mean(courses.map(c => c[r]!)))
  const aucs = courses.map(c => c.at(-1)!)
  // Of two rounds one after the other, where factors take turns.
  const sections = [1, 2].map(
    round => layoutFor(charter, 'train', learners.length, round).find(s => s.name === 'update')!,
  )
  const parameters = parameterCount(charter)
  const bits = (32 * mean(sections.map(elementsOf))) / parameters
  const steps = Math.round(sections[0]!.bound * sections[0]!.scale)
  return {
    hospitals: learners.length,
    parameters,
    compression,
    bits,
    steps,
    error: mean(errors),
    aucs,
    course,
  }
}

/** Rows of one study, the first of them uncompressed. */
export async function measureBits(
  of: Of,
  seeds: readonly number[],
  settings: readonly Compression[] = SETTINGS,
): Promise<BitsRow[]> {
  const agreed = await openStudy(new URL(`../../config/studies/${of.file}`, import.meta.url).pathname)
  const { training } = agreed.charter
  const weightMax = 'weightMax' in of ? of.weightMax : training.weightMax
  const clipNorm = 'clipNorm' in of ? of.clipNorm : training.clipNorm
  const study = { ...agreed, charter: { ...agreed.charter, training: { ...training, weightMax, clipNorm } } }
  const learners = await learnersOf(study)
  const rows: BitsRow[] = []
  for (const compression of settings) {
    const { model, secureSum } = study.charter
    const factors = factorsOf({ model, secureSum: { ...secureSum, compression } })
    // Of a model without matrices there is nothing to see.
    if (factors?.matrices.length === 0) continue
    rows.push({ study: of.name, ...(await measure(study, learners, compression, seeds)) })
  }
  for (const learner of learners) learner.dispose()
  return rows
}

/** AUC of a row less that of the uncompressed one: over the seeds, mean and the furthest. */
export function lossOf(row: BitsRow, whole: BitsRow): { readonly mean: number; readonly worst: number } {
  const differences = row.aucs.map((auc, i) => auc - whole.aucs[i]!)
  const worst = differences.reduce((a, b) => (Math.abs(b) > Math.abs(a) ? b : a))
  return { mean: mean(differences), worst }
}

/** Largest difference of AUC, to either side, that a setting may make in a study as agreed; undefined: none is promised. */
export function limitOf(compression: Compression): number | undefined {
  if (compression?.oneIn !== undefined || compression?.rank !== undefined) return undefined
  if (compression?.bitsPerValue === 16) return 0.005
  return compression?.bitsPerValue === 8 && compression.rotation ? 0.01 : undefined
}

function nameOf(c: Compression): string {
  if (!c) return 'all'
  return `${c.bitsPerValue}${c.rotation ? ' rotated' : ''}${c.oneIn ? `, one in ${c.oneIn}` : ''}${c.rank ? `, rank ${c.rank}` : ''}`
}

/** The first training round after which AUC is within .005 of what it is in the end with all bits; undefined: none. */
export function roundsOf({ course }: BitsRow, whole: BitsRow): number | undefined {
  const round = course.findIndex(auc => auc >= mean(whole.aucs) - 0.005)
  return round < 0 ? undefined : round + 1
}

/** A line for each limit that the rows of a study are under, and whether they keep it. */
export function judged(rows: readonly BitsRow[]): { readonly line: string; readonly isKept: boolean }[] {
  return rows.flatMap(row => {
    const limit = limitOf(row.compression)
    if (limit === undefined) return []
    const off = lossOf(row, rows[0]!).mean
    const isKept = Math.abs(off) <= limit
    const verdict = isKept ? 'kept' : 'MISSED'
    return [
      { line: `limit of ${nameOf(row.compression)}: ${limit}, is ${off.toFixed(4)}: ${verdict}`, isKept },
    ]
  })
}

function table(rows: readonly BitsRow[]): string {
  const lines = rows.map(row => {
    const { compression, bits, steps, error, aucs } = row
    const { mean: off, worst } = lossOf(row, rows[0]!)
    const setting = nameOf(compression)
    const cells = [bits.toFixed(1), String(steps), error.toPrecision(2), mean(aucs).toFixed(4)]
    const rounds = roundsOf(row, rows[0]!) ?? 'more'
    return [setting, ...cells, off.toFixed(4), worst.toFixed(4), String(rounds)]
  })
  const all = [['bits', 'on the wire', 'steps', 'error', 'AUC', 'difference', 'furthest', 'rounds'], ...lines]
  const width = all[0]!.map((_, i) => Math.max(...all.map(l => l[i]!.length)))
  return all.map(l => l.map((c, i) => c.padEnd(width[i]!)).join('  ')).join('\n')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '2' },
      study: { type: 'string', default: '' },
      json: { type: 'string' },
    },
  })
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i)
  const all: BitsRow[] = []
  let missed = 0
  for (const of of STUDIES.filter(s => s.name.includes(values.study))) {
    const rows = await measureBits(of, seeds)
    const { study, hospitals, parameters } = rows[0]!
    console.log(
      `${study}: ${hospitals} hospitals, ${parameters} parameters; seeds ${seeds.join(' ')}\n${table(rows)}\n`,
    )
    const limits = isAgreed(of) ? judged(rows) : []
    for (const { line } of limits) console.log(line)
    console.log(limits.length === 0 ? 'for comparison only: no limit\n' : '')
    missed += limits.filter(l => !l.isKept).length
    all.push(...rows)
  }
  console.log(
    'bits on the wire: of each parameter, each round. error: of a round’s step, relative to it. difference: of AUC, to all bits. ' +
      'rounds: until AUC is within .005 of where all bits end',
  )
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ seeds, rows: all }, null, 2)}\n`)
  if (missed > 0) {
    console.error(`${missed} limits missed`)
    process.exitCode = 1
  }
}

if (import.meta.main) await main()
