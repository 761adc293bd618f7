import { consortium } from '../support/consortium.ts'
import { decode as cb } from 'cborg'
const n = 60, size = 20, R = 1
const count: Record<string, [number, number]> = {}
const c = consortium({ n, f: 2, rounds: R, keepJobs: false, edit: ch => ({ ...ch, committees: { size, maliciousMax: 6 } }), world: { observers: [{ onHop: ({ bytes }) => { const e = cb(bytes) as any; let t = e[1]; if (t === 'committee') { const i = cb((cb(e[3]) as any).message) as any; t = 'inner ' + i[1] } const x = count[t] ??= [0, 0]; x[0]++; x[1] += bytes.length } }] } })
c.world.startAll()
c.world.run(c.finished, 600_000)
for (const [t, [k, b]] of Object.entries(count).sort((a, b) => b[1][0] - a[1][0])) console.log(t.padEnd(24), (k / n / 3).toFixed(2), 'per hospital and round', (b / k) | 0, 'bytes each')
