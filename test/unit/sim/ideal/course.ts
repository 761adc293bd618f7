/** Run in a process of its own, with or without the ideal primitives: prints what happens in a small study with faults. */
import { consortium } from '../../../support/consortium.ts'

const c = consortium({
  n: 5,
  f: 1,
  rounds: 3,
  seed: 11,
  world: {
    network: {
      loses: random => random.chance(0.02),
      links: () => ({
        latencyMs: { from: 5, to: 25 },
        lossRate: 0.02,
        duplicateRate: 0.05,
        reorderRate: 0.05,
      }),
    },
  },
})
c.world.startAll()
// Somebody misses a round, and a round its input.
c.world.at(400, () => c.world.crash('hospital-002'))
c.world.at(12_000, () => c.world.start('hospital-002'))
const done = c.world.run(() => c.finished(), 3_600_000)
const lines = c.events
  .filter(e => e.host === 'hospital-000')
  .map(({ event }) => {
    if (event.kind === 'roundOpened') return `${event.kind} ${event.round}.${event.attempt} ${event.cohort}`
    if (event.kind === 'survivorsFixed') return `${event.kind} ${event.round} ${event.survivors}`
    if (event.kind === 'roundClosed') return `${event.kind} ${event.round} ${event.metrics?.auc}`
    return event.kind
  })
  .filter(line => !line.startsWith('waiting'))
const signed = c.world.host('hospital-000').disk.get('ledger/000000000001')
process.stdout.write(JSON.stringify({ done, lines, faults: c.faults.length, signed: String(signed) }))
