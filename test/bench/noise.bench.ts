/**
 * CPU nanoseconds for each element of noise, and milliseconds until a table is made.
 *
 *   node test/bench/noise.bench.ts [--json FILE] [--elements 2000000]
 *
 * What counts is the ratio to the key stream and to the expansion of one mask, which take turns with the samplers in one run: noise
 * takes one word for each element, as a mask does.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { table } from '../../node/cli/format.ts'
import { CHUNK_WORDS, keyStream, release } from '../../protocol/crypto/keystream.ts'
import { discreteGaussianNoise } from '../../protocol/privacy/discrete-gaussian.ts'
import type { NoiseSampler } from '../../protocol/privacy/noise.ts'
import { type Rational, rational } from '../../protocol/privacy/rational.ts'
import { skellamNoise } from '../../protocol/privacy/skellam.ts'
import { masker } from '../../protocol/sum/mask.ts'
import { PIECE } from '../../protocol/sum/pieces.ts'

const RUNS = 7
const SIGMAS: readonly (readonly [sigma: string, variance: Rational])[] = [
  ['0.5', rational(1, 4)],
  ...[1, 4, 100, 2000, 5000].map(s => [`${s}`, rational(s * s)] as const),
]
/** The slow one gets a part of the elements. */
const SLOW_PART = 40
/** CPU nanoseconds that a draw of Skellam noise may take. */
const SKELLAM_LIMIT_NS = 15

interface Kernel {
  readonly what: string
  readonly work: () => void
  readonly elements: number
  readonly buildMs?: number
  readonly limit?: number
}

const key = new Uint8Array(32).fill(1)

function cpuNs(work: () => void): number {
  const from = process.cpuUsage()
  work()
  const { user, system } = process.cpuUsage(from)
  return (user + system) * 1000
}

/** Piece by piece, as vectors are masked. */
function draws(sampler: NoiseSampler, elements: number): () => void {
  const piece = new Int32Array(PIECE)
  return () => {
    const draw = sampler.drawer(key)
    for (let i = 0; i < elements; i += PIECE) draw(piece.subarray(0, Math.min(PIECE, elements - i)))
  }
}

function kernels(elements: number): Kernel[] {
  const piece = new Uint32Array(PIECE)
  const stream = () => {
    const words = keyStream(key)
    for (let i = 0; i < elements; i += CHUNK_WORDS) release(words.take(Math.min(CHUNK_WORDS, elements - i)))
  }
  const mask = () => {
    const add = masker([{ key, sign: 1 }])
    for (let i = 0; i < elements; i += PIECE) add(piece.subarray(0, Math.min(PIECE, elements - i)))
  }
  const few = Math.ceil(elements / SLOW_PART)
  return [
    { what: 'key stream', work: stream, elements },
    { what: 'mask', work: mask, elements },
    ...SIGMAS.map(([sigma, variance]) => {
      let sampler: NoiseSampler | undefined
      const buildMs = cpuNs(() => (sampler = skellamNoise(variance))) / 1e6
      const work = draws(sampler!, elements)
      return { what: `Skellam, sigma ${sigma}`, work, elements, buildMs, limit: SKELLAM_LIMIT_NS }
    }),
    ...SIGMAS.map(([sigma, variance]) => ({
      what: `discrete Gaussian, sigma ${sigma}`,
      work: draws(discreteGaussianNoise(variance), few),
      elements: few,
    })),
  ]
}

const { values } = parseArgs({
  options: { json: { type: 'string' }, elements: { type: 'string', default: '2000000' } },
})
const all = kernels(Number(values.elements))
const ns = all.map(() => Number.POSITIVE_INFINITY)
// The first run warms up. They take turns, so that a busy moment is none's alone.
for (let run = 0; run <= RUNS; run++) {
  all.forEach(({ work, elements }, k) => {
    const took = cpuNs(work) / elements
    if (run > 0) ns[k] = Math.min(ns[k]!, took)
  })
}
const rows = all.map(({ what, buildMs, limit }, k) => ({
  what,
  ns: ns[k]!,
  toStream: ns[k]! / ns[0]!,
  toMask: ns[k]! / ns[1]!,
  buildMs,
  limit,
}))
const lines = rows.map(r => [
  r.what,
  r.ns.toFixed(2),
  r.toStream.toFixed(2),
  r.toMask.toFixed(2),
  r.buildMs?.toFixed(1) ?? '',
  r.limit?.toFixed(0) ?? '',
])
console.log('CPU ns for each element')
console.log(
  table(
    [['noise', 'ns', 'to key stream', 'to mask', 'table ms', 'limit ns'], ...lines],
    [1, 2, 3, 4, 5],
  ).join('\n'),
)
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
