/** The federated model by the real thing: production peers with real learners, in the simulator's virtual time. */
import { charterHash } from '../../config/canonical.ts'
import { createLearner } from '../../node/training/learner.ts'
import type { ModelState } from '../../protocol/ports.ts'
import { World } from '../../sim/world.ts'
import { keySeedOf } from './heart.ts'
import { type Federate, initialOf } from './models.ts'

/** Virtual time that a study may take. */
const LIMIT_MS = 3_600_000

/**
 * A whole study: keys, shares, masked inputs, consensus and ledger of every round. All peers must end with one model.
 * `seed` draws the network's delays and every hospital's entropy, and so its minibatches.
 */
export const federateByProtocol: Federate = async (
  { charter: agreed, datasets, backend },
  seed,
): Promise<ModelState> => {
  const charter = initialOf(agreed, seed)
  const hash = charterHash(charter)
  const learners = new Map(
    await Promise.all(
      [...datasets].map(
        async ([id, dataset]) => [id, await createLearner(charter, dataset, backend)] as const,
      ),
    ),
  )
  const world = new World({
    seed,
    hosts: charter.members.map(({ id }) => ({
      id,
      config: { charter, charterHash: hash, network: hash, self: id, seed: keySeedOf(id) },
      learner: job => learners.get(id)!.learn(job),
    })),
  })
  world.startAll()
  const peers = () => [...world.hosts.values()].map(h => h.peer!)
  const done = world.run(() => peers().every(p => p.state.phase.kind === 'finished' && p.model), LIMIT_MS)
  for (const learner of learners.values()) learner.dispose()
  if (!done) throw new Error(`seed ${seed}: the study did not finish`)
  const hashes = new Set(peers().map(p => p.state.modelHash.join()))
  if (hashes.size !== 1) throw new Error(`seed ${seed}: ${hashes.size} different models`)
  return [...world.hosts.values()][0]!.model!
}
