/**
 * One hospital's part of a round, in the clear: feature sums, local training, evaluation. Everything that comes out
 * of here is masked before it leaves. Each task is a function of the job alone: a repeated job gives the same bits on
 * the same machine.
 */
import * as tf from '@tensorflow/tfjs-core'
import { type Charter, patientPrivacy } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import type { Evaluation, LearnJob as JobOf, Learned, ModelState } from '../../protocol/ports.ts'
import type { Backend } from './backend.ts'
import type { Dataset, Rows } from './dataset.ts'
import { evaluate } from './evaluate.ts'
import { minibatches } from './minibatch.ts'
import { buildModel, logitsOf, type TrainedModel } from './model.ts'
import { checkRows, patientNotices, patientStep, trainPatients } from './patients.ts'
import type { Batch } from './per-example.ts'
import { normalise, sumFeatures } from './statistics.ts'

export type LearnJob = JobOf<ModelState>

export interface Learner {
  /** What a person should know of how it trains but need not mend; one line each. */
  readonly notices: readonly string[]
  /**
   * Does the job. `cancelled` is asked before each minibatch. Where the charter protects patients it trains by DP-SGD (patients.ts).
   *
   * Throws MedmeshError LEARN_NOT_FINITE (training diverged: nothing may be sent), LEARN_MODEL (the state does
   * not fit the charter) or LEARN_CANCELLED.
   */
  learn(job: LearnJob, cancelled?: () => boolean): Learned
  dispose(): void
}

/**
 * The learner of one hospital. `backend` is what `chooseBackend` made tfjs' own on this thread.
 * Throws MedmeshError: MODEL_ codes when the charter's model cannot be trained, PRIVACY_ROWS as `checkRows` does.
 */
export async function createLearner(charter: Charter, dataset: Dataset, backend: Backend): Promise<Learner> {
  const native = backend.name === 'node' || backend.name === 'node-gpu'
  if (tf.getBackend() !== (native ? 'tensorflow' : backend.name)) {
    throw new Error(`tfjs runs on ${tf.getBackend()}, not on ${backend.name}`)
  }
  checkRows(charter, dataset)
  const model = await buildModel(charter)
  return {
    notices: patientNotices(model, charter),
    learn: (job, cancelled = () => false) => learnOn(model, charter, dataset, job, cancelled),
    dispose: () => model.dispose(),
  }
}

/**
 * One job on a hospital's data by a model of the charter's, whose weights are set by each job: a simulation's hospitals
 * share one. Throws as `Learner.learn` does.
 */
export function learnOn(
  model: TrainedModel,
  charter: Charter,
  dataset: Dataset,
  job: LearnJob,
  cancelled: () => boolean = () => false,
): Learned {
  if (job.task === 'statistics') return statistics(charter, dataset)
  checkState(job.model, dataset.d)
  model.set(job.model.parameters)
  const samples = dataset.train.y.length
  // Nothing is measured in training that is protected.
  if (job.task === 'train' && patientPrivacy(charter))
    return { samples, delta: train(model, charter, job, dataset, cancelled) }
  const evaluation = evaluateOn(model, charter, job.model, dataset)
  if (job.task === 'evaluate') return { samples: 0, evaluation }
  return { samples, delta: train(model, charter, job, dataset, cancelled), evaluation }
}

function statistics(charter: Charter, { train }: Dataset): Learned {
  return { samples: train.y.length, featureSums: sumFeatures(charter, train) }
}

function checkState({ mean, deviation }: ModelState, d: number): void {
  if (mean.length === d && deviation.length === d) return
  throw new MedmeshError(
    'LEARN_MODEL',
    `the model's state has ${mean.length} means and ${deviation.length} deviations for ${d} inputs`,
    'a statistics round under the same charter goes before training',
  )
}

function evaluateOn(model: TrainedModel, charter: Charter, state: ModelState, dataset: Dataset): Evaluation {
  const rows = Math.min(dataset.test.y.length, charter.evaluation.rowsMax)
  const x = normalise(dataset.test.x.subarray(0, rows * dataset.d), state)
  const logits = logitsOf(model, x, dataset.d)
  return evaluate(logits, dataset.test.y.subarray(0, rows), charter.evaluation)
}

/** Trains from the parameters that `model` holds; returns what was added to them. */
function train(
  model: TrainedModel,
  charter: Charter,
  job: LearnJob,
  { train, d }: Dataset,
  cancelled: () => boolean,
): Float32Array {
  const { localUpdates, batchSize, optimizer: kind, learningRate } = charter.training
  const rows: Rows = { x: normalise(train.x, job.model), y: train.y }
  const privacy = patientPrivacy(charter)
  const own = { rows: rows.y.length, seed: job.seed }
  if (privacy?.noise === 'sum')
    return patientStep(model, charter, privacy, own, drawn => batchOf(rows, drawn, d))
  const optimizer = kind === 'sgd' ? tf.train.sgd(learningRate) : tf.train.adam(learningRate)
  const goesOn = () => {
    if (cancelled())
      throw new MedmeshError('LEARN_CANCELLED', 'the round no longer needs it', 'nothing to do')
  }
  try {
    if (privacy !== undefined) {
      trainPatients(model, optimizer, charter, privacy, own, drawn => batchOf(rows, drawn, d), goesOn)
    } else {
      const next = minibatches(job.seed, rows.y.length, batchSize)
      for (let update = 0; update < localUpdates; update++) {
        goesOn()
        step(model, optimizer, batchOf(rows, next(), d), d)
      }
    }
  } finally {
    optimizer.dispose()
  }
  return difference(model.get(), job.model.parameters)
}

function batchOf(rows: Rows, drawn: Uint32Array, d: number): Batch {
  const x = new Float32Array(drawn.length * d)
  const y = new Float32Array(drawn.length)
  drawn.forEach((row, i) => {
    x.set(rows.x.subarray(row * d, (row + 1) * d), i * d)
    y[i] = rows.y[row]!
  })
  return { x, y }
}

/**
 * One update by the mean binary cross-entropy of a minibatch, as softplus(z) - y z of the logits z: its gradient is
 * sigmoid(z) - y everywhere, also at z = 0, where all rows are when the weights start as zeros.
 */
function step(model: TrainedModel, optimizer: tf.Optimizer, { x, y }: Batch, d: number): void {
  tf.tidy(() => {
    const inputs = tf.tensor2d(x, [y.length, d])
    const labels = tf.tensor1d(y)
    const loss = () => {
      const z = model.logits(inputs, true)
      return tf.mean(tf.sub(tf.softplus(z), tf.mul(labels, z))) as tf.Scalar
    }
    optimizer.minimize(loss, false, model.variables)
  })
}

function difference(trained: Float32Array, start: Float32Array): Float32Array {
  for (let i = 0; i < trained.length; i++) {
    trained[i] = trained[i]! - start[i]!
    if (!Number.isFinite(trained[i])) {
      throw new MedmeshError(
        'LEARN_NOT_FINITE',
        'training diverged: the model is no longer made of finite numbers; nothing was sent',
        "agree on a smaller training.learningRate in the charter's next version",
      )
    }
  }
  return trained
}
