/**
 * The model as files that other programs read: a tfjs layers model, and safetensors. Both say how inputs are to be
 * normalised, without which the weights are worth nothing. They come from certified sums alone.
 */
import type { io } from '@tensorflow/tfjs-core'
import type { Charter } from '../../config/charter.ts'
import type { ModelState } from '../../protocol/ports.ts'
import { encodeSafetensors, type Tensor } from './safetensors.ts'

/** What a reader needs beside the weights; texts, as safetensors allows nothing else. */
export interface Provenance {
  readonly study: string
  /** Hash of the charter, hex. */
  readonly charter: string
  /** Learning rounds that went into the model. */
  readonly round: number
  /** Hash of the model in the ledger, hex. */
  readonly model: string
}

const FORMAT = 'medmesh-model/1'

/** Names of the model's inputs in their order: a category gives one for each value but its first, as `cp=2`. */
export function inputNames(charter: Charter): string[] {
  return charter.data.features.flatMap(f =>
    f.type === 'category' ? f.values.slice(1).map(value => `${f.name}=${value}`) : [f.name],
  )
}

/** Each trainable weight, cut out of the state's parameters. */
function weightsOf(charter: Charter, { parameters }: ModelState): Map<string, Tensor> {
  const weights = new Map<string, Tensor>()
  let from = 0
  for (const { name, shape } of charter.model.weights) {
    const to = from + shape.reduce((a, b) => a * b, 1)
    weights.set(name, { shape, data: parameters.slice(from, to) })
    from = to
  }
  if (from !== parameters.length) throw new RangeError('the state is not of this charter')
  return weights
}

/**
 * `model.json` and `weights.bin` for `tf.loadLayersModel`. The model takes (x - mean) / deviation for each input, which
 * `userDefinedMetadata` of the JSON gives with the inputs' names.
 */
export function exportLayersModel(
  charter: Charter,
  state: ModelState,
  provenance: Provenance,
): { readonly json: string; readonly weights: Uint8Array } {
  const tensors = weightsOf(charter, state)
  const specs = [...tensors].map(([name, { shape }]) => ({
    name,
    shape: [...shape],
    dtype: 'float32' as const,
  }))
  const model: io.ModelJSON = {
    format: 'layers-model',
    generatedBy: 'medmesh',
    convertedBy: null,
    modelTopology: charter.model.keras,
    weightsManifest: [{ paths: ['weights.bin'], weights: specs }],
    userDefinedMetadata: {
      format: FORMAT,
      ...provenance,
      inputs: inputNames(charter),
      mean: [...state.mean],
      deviation: [...state.deviation],
      positive: charter.data.label.positive,
    },
  }
  const { buffer, byteOffset, byteLength } = state.parameters
  return {
    json: `${JSON.stringify(model, null, 2)}\n`,
    weights: new Uint8Array(buffer, byteOffset, byteLength).slice(),
  }
}

/** All weights, with `normalisation/mean` and `normalisation/deviation` (F64) as tensors beside them. */
export function exportSafetensors(charter: Charter, state: ModelState, provenance: Provenance): Uint8Array {
  const tensors = weightsOf(charter, state)
  const shape = [state.mean.length]
  tensors.set('normalisation/mean', { shape, data: state.mean })
  tensors.set('normalisation/deviation', { shape, data: state.deviation })
  const metadata = {
    format: FORMAT,
    ...provenance,
    round: String(provenance.round),
    inputs: JSON.stringify(inputNames(charter)),
    positive: charter.data.label.positive,
  }
  return encodeSafetensors({ tensors, metadata })
}
