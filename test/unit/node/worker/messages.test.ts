import { expect, test } from 'vitest'
import { detached, transferables } from '../../../../node/worker/messages.ts'
import type { Job, JobResult, VectorWork } from '../../../../protocol/ports.ts'

const LENGTH = 10_000
const inMemory = () => new Uint32Array(LENGTH)
const stored = { record: 'draft', from: 0, to: LENGTH }
const job = (work: VectorWork): Job => ({ kind: 'vector', work })

test('of the vectors of a job only those in memory are handed over or copied', () => {
  const words = inMemory()
  const check = job({ kind: 'check', words })
  expect(detached(check)).toBe(check)
  expect(transferables(check)).toEqual([words.buffer])
  expect(transferables(job({ kind: 'check', words: stored }))).toEqual([])
  const sums = [stored, words]
  const apply = job({ kind: 'apply', sums, step: undefined, into: 'draft' })
  const copy = detached(apply)
  expect(copy).toEqual(apply)
  expect(transferables(copy)).toHaveLength(1)
  expect(transferables(copy), 'the machine keeps its own').not.toContain(words.buffer)
})

test('and so it is with what comes back', () => {
  const masked = new Uint32Array(new ArrayBuffer(5 * LENGTH), 0, LENGTH)
  const mask = (vector: typeof masked | undefined): JobResult => ({
    kind: 'vector',
    output: { kind: 'mask', masked: vector, shardHashes: [] },
  })
  expect(transferables(mask(masked))).toEqual([masked.buffer])
  expect(transferables(mask(undefined))).toEqual([])
})
