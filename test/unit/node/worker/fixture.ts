/** A data file of made-up patients for the workers' tests, and the vectors that they work on. */
import { writeFileSync } from 'node:fs'
import type { Job, VectorWork } from '../../../../protocol/ports.ts'
import { layoutFor } from '../../../../protocol/sum/layout.ts'
import { charterFor, trained } from '../../../support/learned.ts'

export function writeData(file: string, rows = 40): void {
  const lines = Array.from({ length: rows }, (_, i) => {
    const age = 18 + ((i * 37) % 80)
    return `${age},${i % 2},${'abc'[i % 3]},${(i * 7) % 5 < 2 ? 'yes' : 'no'},${i % 4 === 3 ? 'test' : 'train'}`
  })
  writeFileSync(file, `age,smoker,site,ill,set\n${lines.join('\n')}\n`)
}

const key = (byte: number) => new Uint8Array(32).fill(byte)

export function maskWork(length: number): Extract<VectorWork, { kind: 'mask' }> {
  const charter = charterFor(4, length)
  return {
    kind: 'mask',
    charter,
    task: 'train',
    sections: layoutFor(charter, 'train', 4),
    learned: trained(
      charter,
      Float32Array.from({ length }, (_, i) => Math.sin(i)),
    ),
    publicSeed: key(4),
    roundingKey: key(1),
    selfKey: key(2),
    pairs: [{ key: key(3), sign: 1 }],
    shards: 3,
  }
}

export function sumJob(length: number, inputs = 3): Extract<Job, { kind: 'vector' }> {
  const vectors = Array.from({ length: inputs }, (_, k) =>
    Uint32Array.from({ length }, (_, i) => i * (k + 1)),
  )
  return { kind: 'vector', work: { kind: 'sum', inputs: vectors } }
}
