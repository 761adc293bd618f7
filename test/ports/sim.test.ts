/** The simulator's host under the compliance suite, with a disk that takes its time. */
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { World } from '../../sim/world.ts'
import { seedOf } from '../support/consortium.ts'
import { ALL, CHARTER, learn, type Rig, Script } from './rig.ts'
import { hostSuite } from './suite.ts'

function simRig(diskMs: number): Rig {
  const scripts = new Map(ALL.map(id => [id, new Script()]))
  const crashes = new Map<MemberId, 'before' | 'after'>()
  const hash = sha256(new Uint8Array(1))
  const world = new World({
    seed: 1,
    hosts: ALL.map((id, i) => ({
      id,
      config: { charter: CHARTER, charterHash: hash, network: hash, self: id, seed: seedOf(i) },
      learner: learn,
      machine: () => scripts.get(id)!.machine(),
      diskMs: () => diskMs,
    })),
    observers: [
      {
        onEvent: (host, what) => void rig.events.push({ host: host.id, what, disk: new Map(host.disk) }),
        onFault: (host, peer, fault) =>
          void rig.faults.push({ host: host.id, what: { peer, fault }, disk: new Map(host.disk) }),
      },
    ],
    onBroken: (host, error) => void rig.broken.push({ host: host.id, error }),
    onStep: ({ host, when, what }) =>
      what === 'commit' && crashes.get(host.id) === when && crashes.delete(host.id),
  })
  const rig: Rig = {
    scripts,
    events: [],
    faults: [],
    broken: [],
    now: () => world.now,
    start: async id => world.start(id),
    crash: async id => {
      if (world.host(id).up) world.crash(id)
    },
    crashAtCommit: (id, when) => void crashes.set(id, when),
    input: (id, input) => world.host(id).input(input),
    records: id => world.host(id).disk,
    until: async (what, condition) => {
      if (!world.run(condition, 60_000)) throw new Error(`not within a minute: ${what}`)
    },
    close: async () => {},
  }
  return rig
}

hostSuite('the simulator, a disk without delay', async () => simRig(0))
hostSuite('the simulator, a slow disk', async () => simRig(15))
