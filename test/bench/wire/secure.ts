/** One node with everything but data: its learner has its update at once. With `unmasked.ts` loaded its masks are zeros. */
import { once } from 'node:events'
import { BroadcastChannel } from 'node:worker_threads'
import { Lane } from '../../../node/worker/lane.ts'
import { dataless, madeUpUpdate, storedUpdate } from '../../support/dataless.ts'
import { type ChildPlan, charterOf, type Measured, meter, type Reach } from './plan.ts'
import { type Breakdown, PROFILE_CHANNEL, type Sampling, sample } from './profile.ts'

const LOOK_MS = 20

export async function secure(plan: ChildPlan, reach: Reach): Promise<Measured> {
  const { index, ports, peers, dir, way, rounds, streamed, watched } = plan
  const charter = charterOf(plan)
  const addresses = ports.map(port => `/ip4/127.0.0.1/tcp/${port}`)
  const profile = way === 'profiled' ? new Profile() : undefined
  const vectors = new Lane(() => undefined, profile?.worker)
  if ((await masksAreZeros(vectors)) !== (way === 'open'))
    throw new Error('masked where it must not be, or not where it must')
  const peaks = watched ? new Peaks() : undefined
  const met = Promise.withResolvers<void>()
  let bytesBefore = 0
  let measured = meter()
  return new Promise((resolve, reject) => {
    const node = dataless({
      charter,
      index,
      listen: addresses[index]!,
      addresses,
      dir,
      vectors,
      update: (round, store) => {
        const update = streamed
          ? storedUpdate(charter, index, round, store)
          : madeUpUpdate(charter, index, round)
        peaks?.begin(round)
        if (round === rounds) {
          bytesBefore = node.net.bytesSent()
          measured = meter()
          profile?.start()
        }
        return update
      },
      onEvent: event => {
        if (event.kind === 'jobFailed') reject(new Error(event.reason))
        if (event.kind === 'roundAborted') reject(new Error(`round ${event.round} given up: ${event.reason}`))
        if (event.kind !== 'roundClosed' || event.round !== rounds) return
        const of = {
          ...measured(node.net.bytesSent() - bytesBefore),
          ...(peaks && { roundPeaks: peaks.end() }),
        }
        if (profile) profile.stop().then(breakdown => resolve({ ...of, breakdown }), reject)
        else resolve(of)
      },
      onBroken: reject,
    })
    node.net.onConnected(() => {
      if (node.net.connected().length === peers - 1) met.resolve()
    })
    const begin = async () => {
      await node.listen()
      await reach('listening')
      await met.promise
      await reach('connected')
      node.begin()
    }
    begin().catch(reject)
  })
}

/** Looks at the process's memory now and then. */
class Peaks {
  readonly #peaks: number[] = []
  #timer: NodeJS.Timeout | undefined

  /** `round`: from 1 on, one after the other; when one begins whose update is in memory, the one before it is over. */
  begin(round: number): void {
    this.#peaks[round - 1] = process.memoryUsage.rss()
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS)
  }

  #look(): void {
    const last = this.#peaks.length - 1
    this.#peaks[last] = Math.max(this.#peaks[last]!, process.memoryUsage.rss())
  }

  end(): readonly number[] {
    clearInterval(this.#timer)
    this.#look()
    return this.#peaks
  }
}

/** Of this thread, which answers the network, and of the worker for vectors. */
class Profile {
  readonly worker = new URL('./profiled-worker.ts', import.meta.url)
  readonly #channel = new BroadcastChannel(PROFILE_CHANNEL)
  #sampling: Promise<Sampling> | undefined

  start(): void {
    this.#sampling = sample()
    this.#channel.postMessage('start')
  }

  async stop(): Promise<NonNullable<Measured['breakdown']>> {
    const ofWorker = once(this.#channel, 'message')
    this.#channel.postMessage('stop')
    const main = await (await this.#sampling!).stop()
    const [message] = (await ofWorker) as [{ data: Breakdown }]
    this.#channel.close()
    return { main, worker: message.data }
  }
}

/** Whether the worker thread of `lane` takes masks for zeros. */
async function masksAreZeros(lane: Lane): Promise<boolean> {
  const work = {
    kind: 'sum',
    inputs: [new Uint32Array(4)],
    masked: { from: 0, masks: [{ key: new Uint8Array(32), sign: 1 }] },
  } as const
  const result = await lane.run(0, { kind: 'vector', work })
  if (result.kind !== 'vector' || result.output.kind !== 'sum') throw new Error('a sum expected')
  return result.output.sum!.every(word => word === 0)
}
