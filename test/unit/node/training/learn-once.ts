/** One training job in a process of its own: prints the update's bytes in hex. */
import { chooseBackend } from '../../../../node/training/backend.ts'
import { createLearner } from '../../../../node/training/learner.ts'
import { charterOf, datasetOf, mlp, seedOf, stateOf } from './fixture.ts'

const backend = await chooseBackend('wasm', {})
const learner = await createLearner(charterOf(mlp('tanh'), { localUpdates: 20 }), datasetOf(), backend)
const { delta } = learner.learn({
  kind: 'learn',
  task: 'train',
  round: 1,
  model: stateOf(19),
  seed: seedOf(1),
})
process.stdout.write(Buffer.from(delta!.buffer).toString('hex'))
