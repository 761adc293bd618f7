/**
 * Prints the trace hashes of random scenarios, one line each: to compare two machines.
 *
 *   node test/sim/hashes.ts 3 28 31
 */
import { runScenario } from '../../sim/run.ts'
import { randomScenario } from '../../sim/swarm.ts'

for (const seed of process.argv.slice(2).map(Number)) {
  console.log(seed, runScenario(randomScenario(seed), { seed }).traceHash)
}
