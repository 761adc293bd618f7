/** A peer of `vectors.ts` in a process of its own, to be killed: it tells its parent all that the parent's own peers tell it. */
import { type FromPeer, type PeerPlan, vectorPeer } from './vectors.ts'

const plan = JSON.parse(process.argv[2]!) as PeerPlan
const tell = (message: FromPeer) => void process.send!(message)
const node = vectorPeer(plan, tell)
process.on('message', () => node.begin())
// Its parent has ended without a word.
process.once('disconnect', () => process.exit())
await node.listen()
tell({ kind: 'listens' })
