/**
 * The real learner for simulated hospitals: what a node trains, on real data. All share one model of the charter's, since
 * each job sets its weights: a hundred of them in one process would only cost memory and time.
 */
import type { Charter } from '../../config/charter.ts'
import { chooseBackend } from '../../node/training/backend.ts'
import type { Dataset } from '../../node/training/dataset.ts'
import { learnOn } from '../../node/training/learner.ts'
import { buildModel } from '../../node/training/model.ts'
import type { MemberId } from '../../protocol/ports.ts'
import type { Learner } from '../host.ts'
import type { Study } from '../run.ts'

export interface RealStudy extends Study {
  readonly datasets: ReadonlyMap<MemberId, Dataset>
}

/**
 * A study on `datasets`, one for each member of the charter. Chooses tfjs' backend of this thread. Throws MedmeshError
 * (BACKEND_ and MODEL_ codes); its learners throw RangeError for who has no data, and as a node's learner does.
 */
export async function tfjsStudy(
  charter: Charter,
  datasets: ReadonlyMap<MemberId, Dataset>,
): Promise<RealStudy> {
  await chooseBackend()
  const model = await buildModel(charter)
  return {
    charter,
    datasets,
    samples: id => datasets.get(id)?.train.y.length ?? 0,
    learner: (id): Learner => {
      const dataset = datasets.get(id)
      if (!dataset) throw new RangeError(`${id} has no data`)
      return job => learnOn(model, charter, dataset, job)
    },
  }
}
