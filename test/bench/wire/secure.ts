/** One node with everything but data: its learner has its update at once. With `unmasked.ts` loaded its masks are zeros. */
import { join } from 'node:path'
import { NodeHost } from '../../../node/host.ts'
import { createNet } from '../../../node/net/net.ts'
import { openStore } from '../../../node/store/store.ts'
import { Lane } from '../../../node/worker/lane.ts'
import type { Job, JobResult, Learned } from '../../../protocol/ports.ts'
import { peerConfigs } from '../../../sim/charter.ts'
import { type ChildPlan, charterOf, type Measured, meter, privateKeyOf, type Reach, ROUNDS } from './plan.ts'

export async function secure(plan: ChildPlan, reach: Reach): Promise<Measured> {
  const { index, ports, peers, parameters, way } = plan
  const charter = charterOf(plan)
  const config = peerConfigs(charter)[index]!
  const net = createNet({
    privateKey: privateKeyOf(index),
    self: config.self,
    members: charter.members.map((m, i) => ({
      id: m.id,
      publicKeyHex: m.publicKey,
      addresses: [`/ip4/127.0.0.1/tcp/${ports[i]}`],
    })),
    listen: [`/ip4/127.0.0.1/tcp/${ports[index]}`],
    networkId: config.network,
  })
  const vectors = new Lane(() => undefined)
  if ((await masksAreZeros(vectors)) !== (way === 'open'))
    throw new Error('masked where it must not be, or not where it must')
  const counts = () => new Float64Array(charter.evaluation.bins)
  const learned = (job: Job & { kind: 'learn' }, update: Float32Array): Learned => {
    const evaluation = { positives: counts(), negatives: counts(), correct: 0, lossSum: 0 }
    if (job.task === 'evaluate') return { samples: 0, evaluation }
    if (job.task === 'train') return { samples: 100, delta: update, evaluation }
    const sums = new Float64Array(charter.data.features.length)
    return { samples: 100, featureSums: { first: sums, second: sums } }
  }
  const met = Promise.withResolvers<void>()
  let bytesBefore = 0
  let measured = meter()
  return new Promise((resolve, reject) => {
    const host = new NodeHost({
      config,
      net,
      store: openStore(join(plan.dir, 'store.db')),
      jobs: {
        run: async (id, job, records): Promise<JobResult> => {
          if (job.kind === 'vector') return vectors.run(id, job, records)
          // The node hands it over to its worker: each round has its own.
          const update = new Float32Array(job.task === 'train' ? parameters : 0)
          for (let i = 0; i < update.length; i++) update[i] = (((i + index) % 2001) - 1000) / 1e6
          if (job.task === 'train' && job.round === ROUNDS) {
            bytesBefore = net.bytesSent()
            measured = meter()
          }
          return { kind: 'learn', learned: learned(job, update) }
        },
        cancel: id => vectors.cancel(id),
      },
      onEvent: event => {
        if (event.kind === 'jobFailed') reject(new Error(event.reason))
        if (event.kind === 'roundAborted') reject(new Error(`round ${event.round} given up: ${event.reason}`))
        if (event.kind !== 'roundClosed' || event.round !== ROUNDS) return
        resolve(measured(net.bytesSent() - bytesBefore))
      },
      onFault: () => {},
      onBroken: reject,
    })
    net.onMessage((peer, via, bytes) => host.message(peer, via, bytes))
    net.onConnected(peer => {
      host.input({ kind: 'connected', peer })
      if (net.connected().length === peers - 1) met.resolve()
    })
    net.onDisconnected(peer => void host.input({ kind: 'disconnected', peer }))
    const begin = async () => {
      await net.start()
      await reach('listening')
      await met.promise
      await reach('connected')
      host.start(net.connected())
    }
    begin().catch(reject)
  })
}

/** Whether the worker thread of `lane` takes masks for zeros. */
async function masksAreZeros(lane: Lane): Promise<boolean> {
  const work = {
    kind: 'unmask',
    sums: [new Uint32Array(4)],
    selfKeys: [new Uint8Array(32)],
    pairs: [],
    apply: undefined,
  } as const
  const result = await lane.run(0, { kind: 'vector', work })
  if (result.kind !== 'vector' || result.output.kind !== 'unmask') throw new Error('unmasked words expected')
  return result.output.sum.every(word => word === 0)
}
