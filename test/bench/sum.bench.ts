/**
 * Nanoseconds for each element of the vector kernels, on one core: `node test/bench/sum.bench.ts [elements]`.
 * Large new buffers cost as much as the arithmetic on some machines (first touch of their pages), so that the kernels that
 * allocate are shown beside the loops that do not.
 */
import { sha256 } from '../../protocol/crypto/hash.ts'
import { CHUNK_WORDS, keyStream, release } from '../../protocol/crypto/keystream.ts'
import type { VectorWork } from '../../protocol/ports.ts'
import { addInto, areResidues, P, residueBytes } from '../../protocol/sum/field.ts'
import { runVectorWork } from '../../protocol/sum/kernels.ts'
import { layoutFor } from '../../protocol/sum/layout.ts'
import { masksInto } from '../../protocol/sum/mask.ts'
import { quantiseInto } from '../../protocol/sum/quantise.ts'
import { rotated } from '../../protocol/sum/rotation.ts'
import { tagger } from '../../protocol/sum/tag.ts'
import { charterFor, trained } from '../support/learned.ts'

const elements = Number(process.argv[2] ?? 4_000_000)
const key = (byte: number) => new Uint8Array(32).fill(byte)
const delta = Float32Array.from({ length: elements }, (_, i) => Math.sin(i))
const vector = Uint32Array.from({ length: elements }, (_, i) => (i * 1_000_003) % P)
const other = vector.toReversed()
const pairs = Array.from({ length: 8 }, (_, i) => ({
  key: key(i + 9),
  sign: i % 2 ? (1 as const) : (-1 as const),
}))
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

function measure(name: string, work: () => unknown, passes = 1): void {
  work()
  const runs = [0, 1, 2].map(() => {
    const from = performance.now()
    work()
    return ((performance.now() - from) * 1e6) / elements / passes
  })
  console.log(
    `${name.padEnd(38)} ${Math.min(...runs)
      .toFixed(2)
      .padStart(8)}`,
  )
}

console.log(`${elements} elements; ns each, best of three`)
measure('key stream', () => {
  const stream = keyStream(key(1))
  for (let i = 0; i < elements; i += CHUNK_WORDS) release(stream.take(CHUNK_WORDS))
})
measure('mask, one of eight', () => masksInto(vector, pairs), pairs.length)
measure('quantise', () =>
  quantiseInto(other, delta, 1, { scale: 2 ** 20, bound: 1, lanes: 1 }, keyStream(key(1))),
)
measure('rotate', () => rotated(delta, 1, key(1)))
measure('add', () => addInto(vector, other))
measure('check residues', () => areResidues(vector))
measure('hash', () => sha256(residueBytes(vector)))
measure('tag, both repetitions', () => tagger(key(1), 0)(vector))
measure('job: mask, eight pairs', () => runVectorWork(mask))
measure('job: sum of four', () => runVectorWork({ kind: 'sum', inputs: [vector, other, vector, other] }))
measure('job: unmask, eight', () =>
  runVectorWork({ kind: 'unmask', sums: [vector], selfKeys: [], pairs, apply: undefined }),
)
