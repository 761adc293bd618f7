/**
 * CPU nanoseconds for each element of the vector kernels.
 *
 *   node test/bench/sum.bench.ts [--json FILE] [--elements 1000000,10000000]
 *
 * Large new buffers cost as much as the arithmetic on some machines (first touch of their pages), so that the kernels that
 * allocate are shown beside the loops that do not. The limit of a mask is relative to the cipher alone: AES-256 in counter
 * mode as fast as node:crypto can be made to give it, over as many zeros, and nothing done with what comes out.
 */
import { createCipheriv } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { table } from '../../node/cli/format.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { CHUNK_WORDS, keyStream, release } from '../../protocol/crypto/keystream.ts'
import { longVector } from '../../protocol/memory.ts'
import type { VectorWork } from '../../protocol/ports.ts'
import { areResidues, P, residueBytes } from '../../protocol/sum/field.ts'
import { runVectorWork } from '../../protocol/sum/kernels.ts'
import { layoutFor } from '../../protocol/sum/layout.ts'
import { masker } from '../../protocol/sum/mask.ts'
import { PIECE } from '../../protocol/sum/pieces.ts'
import { quantiseInto } from '../../protocol/sum/quantise.ts'
import { rotated } from '../../protocol/sum/rotation.ts'
import { tagger } from '../../protocol/sum/tag.ts'
import { charterFor, trained } from '../support/learned.ts'

/** Of the cipher's time: what a mask may cost. */
const MASK_LIMIT = 1.5

interface Row {
  readonly elements: number
  readonly what: string
  /** CPU nanoseconds for each element, the least of some runs. */
  readonly ns: number
  /** Relative to the cipher alone, in the same run. */
  readonly toCipher?: number
  readonly limit?: number
}

type Kernel = readonly [what: string, work: () => unknown, passes?: number]

const key = (byte: number) => new Uint8Array(32).fill(byte)

/** Least CPU nanoseconds for each element of each; they take turns, so that a busy moment is none's alone. */
function least(elements: number, kernels: readonly Kernel[], runs: number): number[] {
  const ns = kernels.map(() => Number.POSITIVE_INFINITY)
  for (let run = 0; run <= runs; run++) {
    kernels.forEach(([, work, passes = 1], k) => {
      const from = process.cpuUsage()
      work()
      const { user, system } = process.cpuUsage(from)
      const took = ((user + system) * 1000) / elements / passes
      // The first warms up.
      if (run > 0) ns[k] = Math.min(ns[k]!, took)
    })
  }
  return ns
}

function bench(elements: number): Row[] {
  const delta = Float32Array.from({ length: elements }, (_, i) => Math.sin(i))
  // Shared between threads, as a node's are.
  const vector = longVector(elements)
  for (let i = 0; i < elements; i++) vector[i] = (i * 1_000_003) % P
  const other = longVector(elements)
  other.set(vector.toReversed())
  const pairsOf = (count: number) =>
    Array.from({ length: count }, (_, i) => ({ key: key(i + 9), sign: i % 2 ? (1 as const) : (-1 as const) }))
  const pairs = pairsOf(8)
  const charter = charterFor(4, elements)
  const mask: VectorWork = {
    kind: 'mask',
    charter,
    task: 'train',
    sections: layoutFor(charter, 'train', 4),
    learned: trained(charter, delta),
    publicSeed: key(4),
    roundingKey: key(1),
    selfKey: key(2),
    pairs,
    shards: 4,
  }
  const zeros = new Uint8Array(4 * CHUNK_WORDS)
  const cipher = () => {
    const stream = createCipheriv('aes-256-ctr', key(1), new Uint8Array(16))
    for (let left = elements; left > 0; left -= CHUNK_WORDS) {
      const { buffer } = stream.update(left < CHUNK_WORDS ? zeros.subarray(0, 4 * left) : zeros)
      // Memory that is left to the collector would cost more than the cipher.
      if (buffer.byteLength === zeros.length) (buffer as ArrayBuffer).transfer(0)
    }
  }
  // As in a job: a piece is masked where it was quantised, and the next takes its memory.
  const piece = new Uint32Array(PIECE)
  const maskBy = (count: number) => {
    const mask = masker(pairsOf(count))
    for (let i = 0; i < elements; i += PIECE) mask(piece.subarray(0, Math.min(PIECE, elements - i)))
  }
  const masks: readonly Kernel[] = [
    ['cipher alone', cipher],
    ['mask, one alone', () => maskBy(1)],
    ['mask, one of four', () => maskBy(4), 4],
    ['mask, one of eight', () => maskBy(8), 8],
  ]
  const others: readonly Kernel[] = [
    [
      'key stream',
      () => {
        const stream = keyStream(key(1))
        for (let i = 0; i < elements; i += CHUNK_WORDS) release(stream.take(CHUNK_WORDS))
      },
    ],
    [
      'quantise',
      () => quantiseInto(other, delta, 1, { scale: 2 ** 20, bound: 1, lanes: 1 }, keyStream(key(1))),
    ],
    ['rotate', () => rotated(delta, 1, key(1))],
    ['check residues', () => areResidues(vector)],
    ['hash', () => sha256(residueBytes(vector))],
    ['tag, both repetitions', () => tagger(key(1))(vector)],
    ['job: mask, eight pairs', () => runVectorWork(mask)],
    ['job: sum of four', () => runVectorWork({ kind: 'sum', inputs: [vector, other, vector, other] })],
    [
      'job: sum of four without four masks',
      () =>
        runVectorWork({
          kind: 'sum',
          inputs: [vector, other, vector, other],
          masked: { from: 0, masks: pairsOf(4) },
        }),
    ],
  ]
  const [alone, ...masked] = least(elements, masks, 15)
  return [
    { elements, what: 'cipher alone', ns: alone! },
    // A hospital has a self mask and three others at least: the vector comes and goes once for all of them.
    ...masked.map((ns, k) => ({
      elements,
      what: masks[k + 1]![0],
      ns,
      toCipher: ns / alone!,
      ...(k > 0 && { limit: MASK_LIMIT }),
    })),
    ...others.map(kernel => ({ elements, what: kernel[0], ns: least(elements, [kernel], 3)[0]! })),
  ]
}

const { values } = parseArgs({
  options: { json: { type: 'string' }, elements: { type: 'string', default: '1000000,10000000' } },
})
const rows = values.elements.split(',').flatMap(elements => bench(Number(elements)))
const lines = rows.map(r => [
  r.elements.toLocaleString('en'),
  r.what,
  r.ns.toFixed(2),
  r.toCipher?.toFixed(2) ?? '',
  r.limit?.toFixed(2) ?? '',
])
console.log('CPU ns for each element')
console.log(table([['elements', 'kernel', 'ns', 'to cipher', 'limit'], ...lines], [0, 2, 3, 4]).join('\n'))
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
