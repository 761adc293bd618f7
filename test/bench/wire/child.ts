/** One peer of `wire.bench.ts`, in a process of its own. */
import { bare } from './bare.ts'
import type { ChildPlan, FromChild, Reach } from './plan.ts'
import { secure } from './secure.ts'

const plan = JSON.parse(process.argv[2]!) as ChildPlan
const tell = (message: FromChild) => void process.send!(message)
const reach: Reach = stage => {
  tell({ kind: 'reached', stage })
  return new Promise(resolve => void process.once('message', () => resolve()))
}
// Until the parent ends it: others may still need this peer.
process.once('disconnect', () => process.exit())
try {
  const way = plan.way === 'bare' ? bare : secure
  tell({ kind: 'done', measured: await way(plan, reach) })
} catch (error) {
  tell({ kind: 'failed', why: (error as Error).message })
}
