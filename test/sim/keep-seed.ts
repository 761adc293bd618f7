/**
 * Keeps a random scenario whose seed has found a bug, so that seeds.test.ts plays it for ever:
 *
 *   node test/sim/keep-seed.ts 4711 votes-before-durable durability 'Votes answered a status before they were durable.'
 */
import { writeFileSync } from 'node:fs'
import { randomScenario } from '../../sim/swarm.ts'

const [seed, name, checker, bug] = process.argv.slice(2)
const kept = { seed: Number(seed), bug, checker, scenario: randomScenario(Number(seed)) }
writeFileSync(new URL(`../seeds/${name}.json`, import.meta.url), `${JSON.stringify(kept, null, 2)}\n`)
