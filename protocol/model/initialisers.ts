/** The parameters that a study starts from, any stretch of them: the same bits on every machine, from the charter alone. */
import type { Charter, Weight } from '../../config/charter.ts'
import { ascii, u32be } from '../bytes.ts'
import { sha256 } from '../crypto/hash.ts'
import { CHUNK_WORDS, keyStream } from '../crypto/keystream.ts'

/** Those from `from` on, as many as `out` takes, by the charter's initialisers and seed. */
export function readInitial({ weights, seed }: Charter['model'], out: Float32Array, from: number): void {
  let start = 0
  for (const [index, weight] of weights.entries()) {
    const end = start + weight.shape.reduce((a, b) => a * b, 1)
    const [a, b] = [Math.max(from, start), Math.min(from + out.length, end)]
    if (a < b) {
      const key = sha256(ascii('medmesh/1 initial'), u32be(seed, index))
      fill(out.subarray(a - from, b - from), weight, key, a - start)
    }
    start = end
  }
}

/** `at`: of the tensor's values the first that is wanted. */
function fill(out: Float32Array, weight: Weight, key: Uint8Array, at: number): void {
  switch (weight.initialiser) {
    case 'zeros':
      out.fill(0)
      return
    case 'ones':
      out.fill(1)
      return
    case 'glorotUniform': {
      // Glorot and Bengio 2010, equation 16: uniform in +-sqrt(6 / (fan in + fan out)).
      const [fanIn, fanOut] = fans(weight.shape)
      const limit = Math.sqrt(6 / (fanIn + fanOut))
      const stream = keyStream(key, at)
      for (let i = 0; i < out.length; i += CHUNK_WORDS) {
        const words = stream.take(Math.min(CHUNK_WORDS, out.length - i))
        for (let j = 0; j < words.length; j++)
          out[i + j] = Math.fround((2 * (words[j]! / 4_294_967_296) - 1) * limit)
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
