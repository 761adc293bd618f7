import { committees } from '../support/committees.ts'
import { Random } from '../../sim/random.ts'
const SMALL = { n: 16, f: 1, size: 4, faulty: 1, rounds: 1 } as const
for (const seed of (process.env.SEEDS ?? '1,2,3').split(',').map(Number)) {
    const random = new Random(seed)
    let left = 30
    const crashes: string[] = []
    const c = committees({
      ...SMALL, rounds: 3,
      seed,
      site: () => ({ diskMs: r => 3 * r.unit() }),
      onStep: s => {
        const { host } = s
        const down = [...c.world.hosts.values()].filter(h => !h.up).length
        if (left === 0 || down > 0 || !random.chance(0.004)) return false
        left--
        crashes.push(`${c.world.now - 1.8e12} ${host.id} ${s.when} ${s.what} ${s.detail}`)
        c.world.at(400, () => c.world.start(host.id))
        return true
      },
    })
    c.world.startAll()
    const ok = c.world.run(() => left === 0 || c.finished(), 300_000) && c.world.run(() => [...c.world.hosts.values()].every(h => h.up) && c.finished(), 300_000)
    const eq = c.faults.filter(f => ['equivocation', 'badSum'].includes(f.fault.code))
    console.log(seed, ok, left, c.world.now - 1.8e12, eq.map(f => `${f.host} ${f.peer} ${f.fault.code} ${f.fault.detail}`), eq.length ? crashes : '')
}
