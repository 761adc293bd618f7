/**
 * Do the checkers of random runs find what they are for? Plants each defect of `defects.ts`, runs random scenarios until
 * a checker speaks, and prints which one and after how many seeds: `npm run sim:planted`. Exit code 1 when one is not
 * found, or when the unchanged protocol is held to be at fault.
 *
 *   node sim/cli/planted.ts [--seeds 2000] [--from 1] [--only NAME,NAME] [--workers 2] [--json FILE]
 */
import { fork } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { table } from '../../node/cli/format.ts'
import { DEFECTS } from '../planted/defects.ts'
import { plant } from '../planted/hook.ts'

interface Found {
  readonly name: string
  /** Seeds that were run, the finding one included. */
  readonly seeds: number
  readonly seed: number | undefined
  readonly checker: string | undefined
  readonly says: string | undefined
  readonly seconds: number
}

/** Seeds that the unchanged protocol must pass: a checker that always speaks finds everything. */
const CONTROL = 'none'
const CONTROL_SEEDS = 50

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '2000' },
    from: { type: 'string', default: '1' },
    only: { type: 'string' },
    workers: { type: 'string', default: '2' },
    json: { type: 'string' },
    child: { type: 'string' },
  },
})

/** In a process of its own, as a planted defect cannot be taken out again. */
async function search(name: string, from: number, seeds: number): Promise<Found> {
  const defect = DEFECTS.find(d => d.name === name)
  const planted = defect && plant(defect)
  const { randomScenario } = await import('../swarm.ts')
  const { runScenario } = await import('../run.ts')
  const unread = planted?.unread() ?? []
  if (unread.length > 0) throw new Error(`${name}: ${unread.join(', ')} was never read`)
  const start = performance.now()
  const done = (n: number, seed?: number, checker?: string, says?: string): Found => ({
    name,
    seeds: n,
    seed,
    checker,
    says,
    seconds: (performance.now() - start) / 1000,
  })
  for (let i = 0; i < seeds; i++) {
    const result = runScenario(randomScenario(from + i), { seed: from + i })
    const [first] = result.violations
    if (first) return done(i + 1, from + i, first.checker, first.says)
    if (!result.ok) return done(i + 1, from + i, 'unfinished', 'the study was not finished')
  }
  return done(seeds)
}

function searchApart(name: string, from: number, seeds: number): Promise<Found> {
  const args = ['--child', name, '--from', String(from), '--seeds', String(seeds)]
  return new Promise((resolve, reject) => {
    const child = fork(fileURLToPath(import.meta.url), args, {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    })
    let found: Found | undefined
    child.on('message', message => {
      found = message as Found
    })
    child.on('exit', code => {
      if (found) resolve(found)
      else reject(new Error(`${name}: the search ended with exit code ${code}`))
    })
  })
}

async function main(): Promise<void> {
  const names = [CONTROL, ...DEFECTS.map(d => d.name)]
  const only = values.only?.split(',')
  const unknown = only?.filter(name => !names.includes(name)) ?? []
  if (unknown.length > 0) {
    console.error(`--only: there is no defect ${unknown.join(', ')}; there are ${names.join(', ')}`)
    process.exitCode = 2
    return
  }
  const queue = names.filter(name => !only || only.includes(name))
  const found: Found[] = []
  const from = Number(values.from)
  console.log(`${queue.length} searches of at most ${values.seeds} random scenarios each, from seed ${from}`)
  const worker = async () => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      const seeds = name === CONTROL ? Math.min(CONTROL_SEEDS, Number(values.seeds)) : Number(values.seeds)
      const one = await searchApart(name, from, seeds)
      found.push(one)
      console.log(
        `${name}: ${one.checker ? `${one.checker}, seed ${one.seed}: ${one.says}` : `nothing in ${one.seeds} seeds`}`,
      )
    }
  }
  await Promise.all(Array.from({ length: Number(values.workers) }, worker))
  found.sort((a, b) => names.indexOf(a.name) - names.indexOf(b.name))
  const rows = found.map(f => [
    f.name,
    f.checker ?? (f.name === CONTROL ? 'nothing, as it must' : 'NOT FOUND'),
    String(f.seeds),
    f.seconds.toFixed(1),
    DEFECTS.find(d => d.name === f.name)?.says ?? 'the protocol as it is',
  ])
  console.log(
    `\n${table([['defect', 'found by', 'seeds', 'seconds', 'what was planted'], ...rows], [2, 3]).join('\n')}`,
  )
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify({ from, found }, null, 2)}\n`)
  const wrong = found.filter(f => (f.checker === undefined) !== (f.name === CONTROL))
  if (wrong.length > 0) {
    console.error(`\nnot as it must be: ${wrong.map(f => f.name).join(', ')}`)
    process.exitCode = 1
  }
}

if (values.child === undefined) await main()
else process.send!(await search(values.child, Number(values.from), Number(values.seeds)))
