import { consortium } from '../support/consortium.ts'
import { modelHashHex } from '../../protocol/peer.ts'
const n = Number(process.env.N ?? 60), size = Number(process.env.SIZE ?? 10), fc = Math.floor((size-1)/3), R = Number(process.env.R ?? 2)
const c = consortium({ n, f: Number(process.env.F ?? 3), rounds: R, keepJobs: false, edit: ch => ({ ...ch, ...(size ? { committees: { size, maliciousMax: fc } } : {}) }) })
const u0 = process.cpuUsage()
c.world.startAll()
const done = c.world.run(c.finished, 600_000)
const u = process.cpuUsage(u0)
const ms = (u.user + u.system) / 1000
const peers = [...c.world.hosts.values()].map(h => h.peer!)
console.log(done, 'virtual', c.world.now - 1_800_000_000_000, 'cpu', ms, 'per', ms / n / (R + 2), 'events', c.world.events, [...new Set(peers.map(p => p.state.height))], [...new Set(peers.map(p => p.model && modelHashHex(p.model).slice(0, 8)))])
