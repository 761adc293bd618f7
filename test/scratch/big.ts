import { consortium } from '../support/consortium.ts'
import { modelHashHex } from '../../protocol/peer.ts'
const n = Number(process.env.N ?? 200), size = Number(process.env.SIZE ?? 20), fc = Math.floor((size-1)/3), R = Number(process.env.R ?? 1)
const c = consortium({ n, f: Number(process.env.F ?? 3), rounds: R, keepJobs: false, edit: ch => ({ ...ch, committees: { size, maliciousMax: fc } }) })
const u0 = process.cpuUsage()
c.world.startAll()
const us = process.cpuUsage(u0)
console.log('start', (us.user + us.system) / 1000)
let h = -1
const done = c.world.run(() => { const x = c.world.host('hospital-000').peer!.state.height; if (x !== h) { h = x; const u = process.cpuUsage(u0); console.log('height', h, 'virtual', (c.world.now - 1.8e12) | 0, 'cpu', ((u.user + u.system) / 1000) | 0) }; return h >= R + 3 && c.finished() }, 600_000)
const u = process.cpuUsage(u0)
const ms = (u.user + u.system) / 1000
const peers = [...c.world.hosts.values()].map(h => h.peer!)
console.log(done, 'virtual', c.world.now - 1_800_000_000_000, 'cpu', ms, 'per', ms / n / (R + 2), 'events', c.world.events, c.world.events / n / (R + 2), [...new Set(peers.map(p => p.state.height))], [...new Set(peers.map(p => p.model && modelHashHex(p.model).slice(0, 8)))], process.memoryUsage().rss >> 20, 'MB', c.faults.length)
