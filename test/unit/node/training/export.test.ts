import { readFileSync } from 'node:fs'
import * as tf from '@tensorflow/tfjs-core'
import { loadLayersModel } from '@tensorflow/tfjs-layers'
import fc from 'fast-check'
import { beforeAll, describe, expect, test } from 'vitest'
import { chooseBackend } from '../../../../node/training/backend.ts'
import { exportLayersModel, exportSafetensors, inputNames } from '../../../../node/training/export.ts'
import { buildModel, logitsOf } from '../../../../node/training/model.ts'
import { decodeSafetensors, encodeSafetensors, type Tensor } from '../../../../node/training/safetensors.ts'
import { normalise } from '../../../../node/training/statistics.ts'
import { charterOf, mlp, rowsOf, stateOf } from './fixture.ts'

const CHARTER = charterOf(mlp('relu'))
const STATE = stateOf(19)
const PROVENANCE = { study: 'test', charter: 'c0', round: 15, model: 'a0' }

beforeAll(async () => {
  await chooseBackend('wasm', {})
})

describe('layers model', () => {
  test('tfjs loads it, and it scores rows as the study does', async () => {
    const { json, weights } = exportLayersModel(CHARTER, STATE, PROVENANCE)
    const { modelTopology, weightsManifest, userDefinedMetadata } = JSON.parse(json)
    const loaded = await loadLayersModel({
      load: async () => ({
        modelTopology,
        weightSpecs: weightsManifest[0].weights,
        weightData: weights.slice().buffer,
      }),
    })
    const { mean, deviation } = userDefinedMetadata
    const x = normalise(rowsOf(10).x, {
      mean: Float64Array.from(mean),
      deviation: Float64Array.from(deviation),
    })
    const scores = (loaded.predict(tf.tensor2d(x, [10, 4])) as tf.Tensor).dataSync()
    const model = await buildModel(CHARTER)
    model.set(STATE.parameters)
    const logits = logitsOf(model, normalise(rowsOf(10).x, STATE), 4)
    scores.forEach((score, i) => {
      expect(score).toBeCloseTo(1 / (1 + Math.exp(-logits[i]!)), 6)
    })
    expect(userDefinedMetadata).toMatchObject({ ...PROVENANCE, positive: 'yes' })
  })

  test('inputs are named in their order', () => {
    expect(inputNames(CHARTER)).toEqual(['age', 'smoker', 'site=b', 'site=c'])
  })

  test('a state of another charter is refused', () => {
    expect(() => exportLayersModel(CHARTER, stateOf(20), PROVENANCE)).toThrow('not of this charter')
  })
})

describe('safetensors', () => {
  const known = JSON.parse(
    readFileSync(new URL('../../../vectors/safetensors.json', import.meta.url), 'utf8'),
  ) as { hex: string }
  const KNOWN_BYTES = new Uint8Array(Buffer.from(known.hex, 'hex'))
  const KNOWN = {
    tensors: new Map<string, Tensor>([
      ['output/kernel', { shape: [3, 1], data: Float32Array.of(1.5, -2.25, 0.125) }],
      ['output/bias', { shape: [1], data: Float32Array.of(0.5) }],
      ['normalisation/mean', { shape: [3], data: Float64Array.of(54, 0.1, 1e-300) }],
    ]),
    metadata: { format: 'medmesh-model/1' },
  }

  test("writes the reference library's bytes", () => {
    expect(Buffer.from(encodeSafetensors(KNOWN)).toString('hex')).toBe(known.hex)
  })

  test("reads the reference library's bytes, also from the middle of a buffer", () => {
    expect(decodeSafetensors(KNOWN_BYTES)).toEqual(KNOWN)
    const shifted = new Uint8Array([7, 7, 7, ...KNOWN_BYTES]).subarray(3)
    expect(decodeSafetensors(shifted)).toEqual(KNOWN)
  })

  test('weights and normalisation come back as they were', () => {
    const { tensors, metadata } = decodeSafetensors(exportSafetensors(CHARTER, STATE, PROVENANCE))
    const weights = CHARTER.model.weights.map(({ name, shape }) => {
      expect(tensors.get(name)!.shape).toEqual(shape)
      return [...tensors.get(name)!.data]
    })
    expect(weights.flat()).toEqual([...STATE.parameters])
    expect(tensors.get('normalisation/mean')!.data).toEqual(STATE.mean)
    expect(tensors.get('normalisation/deviation')!.data).toEqual(STATE.deviation)
    expect(JSON.parse(metadata.inputs!)).toEqual(inputNames(CHARTER))
    expect(metadata).toMatchObject({ study: 'test', round: '15', model: 'a0' })
  })

  test('a shape that does not fit the data is not written', () => {
    const tensors = new Map([['t', { shape: [2], data: Float32Array.of(1) }]])
    expect(() => encodeSafetensors({ tensors, metadata: {} })).toThrow('does not fit')
  })

  const file = (header: string, body = 8) => {
    const json = new TextEncoder().encode(header)
    const bytes = new Uint8Array(8 + json.length + body)
    new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true)
    bytes.set(json, 8)
    return bytes
  }
  const tensor = (name: string, from: number, to: number, shape = [(to - from) / 4], dtype = 'F32') =>
    `"${name}":${JSON.stringify({ dtype, shape, data_offsets: [from, to] })}`

  test.each([
    ['nothing', new Uint8Array(0)],
    ['half a length', new Uint8Array(7)],
    ['a header longer than the file', KNOWN_BYTES.slice(0, 100)],
    ['an enormous header', new Uint8Array(16).fill(255)],
    ['no JSON', file('{')],
    ['a list', file('[]', 0)],
    ['a byte too few', KNOWN_BYTES.slice(0, -1)],
    ['a byte too many', new Uint8Array([...KNOWN_BYTES, 0])],
    ['another type', file(`{${tensor('a', 0, 8, [1], 'I64')}}`)],
    ['a shape that does not fit', file(`{${tensor('a', 0, 8, [3])}}`)],
    ['a negative shape', file(`{${tensor('a', 0, 8, [-1, -2])}}`)],
    ['a range that overlaps', file(`{${tensor('a', 0, 8)},${tensor('b', 4, 8)}}`)],
    ['a hole', file(`{${tensor('a', 4, 8)}}`)],
    ['an end before its start', file(`{${tensor('a', 8, 0, [0])}}`)],
    ['a range outside', file(`{${tensor('a', 0, 12)}}`)],
    ['numbers as metadata', file(`{"__metadata__":{"a":1},${tensor('a', 0, 8)}}`)],
  ])('refuses %s', (_, bytes) => {
    expect(() => decodeSafetensors(bytes)).toThrow(expect.objectContaining({ code: 'SAFETENSORS_INVALID' }))
  })

  test('whatever bytes come, it reads them or says SAFETENSORS_INVALID', () => {
    const mutated = fc
      .tuple(fc.nat(KNOWN_BYTES.length - 1), fc.nat(255))
      .map(([at, byte]) => KNOWN_BYTES.with(at, byte))
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 64 }), mutated), bytes => {
        try {
          decodeSafetensors(bytes)
        } catch (error) {
          expect(error).toMatchObject({ code: 'SAFETENSORS_INVALID' })
        }
      }),
      { numRuns: 500 },
    )
  })
})
