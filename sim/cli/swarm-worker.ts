/** One process of a swarm: plays the seeds that its parent sends, and tells it the figures of each. */
import { type Crypto, useCrypto } from './options.ts'
import type { Piece, WorkerSays } from './workers.ts'

await useCrypto(process.argv[2] as Crypto)
const { playSeed } = await import('../campaign.ts')

const say = (what: WorkerSays) => new Promise<void>(done => process.send!(what, () => done()))

process.on('message', async ({ from, to }: Piece) => {
  for (let seed = from; seed <= to; seed++) {
    const before = process.cpuUsage()
    const figures = playSeed(seed)
    const { user, system } = process.cpuUsage(before)
    await say({ kind: 'played', figures, cpuMs: (user + system) / 1000 })
  }
  await say({ kind: 'ready' })
})
await say({ kind: 'ready' })
