/** The node's worker, which samples itself while the peer says so. */
import { BroadcastChannel } from 'node:worker_threads'
import { PROFILE_CHANNEL, type Sampling, sample } from './profile.ts'

const channel = new BroadcastChannel(PROFILE_CHANNEL)
channel.unref()
let sampling: Promise<Sampling> | undefined
channel.onmessage = ({ data }) => {
  if (data === 'start') sampling = sample()
  else if (data === 'stop') void sampling?.then(async s => channel.postMessage(await s.stop()))
}
await import('../../../node/worker/worker.ts')
