/** The model that a study starts from: the same bits on every machine, from the charter alone. */
import { type Charter, parameterCount, type Weight } from '../../config/charter.ts'
import { ascii, u32be } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { CHUNK_WORDS, keyStream } from '../crypto/keystream.ts'
import type { ModelState } from '../ports.ts'
import { blankState } from './state.ts'

/** Initial parameters by the charter's initialisers and seed; no normalisation yet. */
export function initialState(charter: Charter): ModelState {
  const none = new Float64Array(0)
  const state = blankState(parameterCount(charter), { mean: none, deviation: none })
  const { parameters } = state
  let from = 0
  charter.model.weights.forEach((weight, index) => {
    const length = weight.shape.reduce((a, b) => a * b, 1)
    fill(
      parameters.subarray(from, from + length),
      weight,
      sha256(ascii('medmesh/1 initial'), u32be(charter.model.seed, index)),
    )
    from += length
  })
  return state
}

function fill(out: Float32Array, weight: Weight, key: Uint8Array): void {
  switch (weight.initialiser) {
    case 'zeros':
      return
    case 'ones':
      out.fill(1)
      return
    case 'glorotUniform': {
      // Glorot and Bengio 2010, equation 16: uniform in +-sqrt(6 / (fan in + fan out)).
      const [fanIn, fanOut] = fans(weight.shape)
      const limit = Math.sqrt(6 / (fanIn + fanOut))
      const stream = keyStream(key)
      let words = stream.take(CHUNK_WORDS)
      for (let i = 0; i < out.length; i++) {
        if (i > 0 && i % CHUNK_WORDS === 0) words = stream.take(CHUNK_WORDS)
        out[i] = Math.fround((2 * (words[i % CHUNK_WORDS]! / 4_294_967_296) - 1) * limit)
      }
    }
  }
}

/** Inputs and outputs of one unit, as Keras counts them: a convolution's receptive field multiplies both. */
function fans(shape: readonly number[]): [number, number] {
  if (shape.length === 1) return [shape[0]!, shape[0]!]
  const field = shape.slice(0, -2).reduce((a, b) => a * b, 1)
  return [field * shape[shape.length - 2]!, field * shape[shape.length - 1]!]
}
