/**
 * What an audit costs: a training round whose groups' sums are opened beside a plain one, by real machines with real cryptography in the
 * simulator, with the model of the stroke study.
 *
 *   node test/bench/audit.bench.ts [--json FILE] [--hospitals 8,20,50]
 *
 * Each case is a process of its own. Bytes are those on the wire that a hospital sends in a round, CPU time is a hospital's for a round,
 * training included; the ratios tell more than the seconds, which are this machine's.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { checkScenario } from '../../config/scenario-parse.ts'
import { table } from '../../node/cli/format.ts'
import { readScenario } from '../../sim/cli/scenario-file.ts'
import { studyOf } from '../../sim/cli/study.ts'
import type { Observer } from '../../sim/observer.ts'
import { runScenario } from '../../sim/run.ts'
import type { World } from '../../sim/world.ts'

/** Of a plain round: what an audited one may cost, in bytes and in time. */
const LIMIT = 1.5
/** The round of statistics and the first of training warm up. */
const FROM = 1
const TO = 5

interface Case {
  readonly hospitals: number
  readonly isAudited: boolean
}

/** Of a hospital, in a round. */
interface Cost {
  readonly bytes: number
  readonly cpuMs: number
}

async function measure({ hospitals, isAudited }: Case): Promise<Cost> {
  const whole = readScenario('stroke')
  const [site] = whole.sites
  const maliciousMax = Math.max(1, Math.floor(hospitals / 5) - 1)
  const scenario = checkScenario({
    ...whole,
    sites: [{ ...site, count: hospitals }],
    maliciousMax,
    study: { ...whole.study, rounds: TO },
    // No group has fewer than two honest hospitals.
    ...(isAudited && { contribution: { audit: { oneIn: 1, groupSize: Math.max(3, maliciousMax + 2) } } }),
  })
  const study = await studyOf(scenario, 1)
  let world: World | undefined
  const spent = new Map<number, Cost>()
  let audits = 0
  const watch: Observer = {
    onWorld: made => {
      world = made
    },
    onEvent: (_, event) => {
      if (event.kind === 'phase' && event.phase === 'audited') audits++
      if (event.kind !== 'roundClosed' || spent.has(event.round)) return
      const { user, system } = process.cpuUsage()
      const sent = [...world!.hosts.keys()].reduce((sum, id) => sum + world!.traffic(id).bytesSent, 0)
      spent.set(event.round, { bytes: sent, cpuMs: (user + system) / 1000 })
    },
  }
  const { finished } = runScenario(scenario, {
    seed: 1,
    checkers: false,
    observers: [watch],
    ...(study && { study }),
  })
  const [from, to] = [spent.get(FROM), spent.get(TO)]
  if (!finished || !from || !to) throw new Error('the study did not finish')
  if (audits > 0 !== isAudited) throw new Error(`${audits} times somebody audited`)
  const each = hospitals * (TO - FROM)
  return { bytes: (to.bytes - from.bytes) / each, cpuMs: (to.cpuMs - from.cpuMs) / each }
}

function inProcess(c: Case): Cost {
  const args = [fileURLToPath(import.meta.url), '--one', JSON.stringify(c)]
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (done.status !== 0)
    throw new Error(`${c.hospitals} hospitals: ended with ${done.status ?? done.signal}\n${done.stderr}`)
  return JSON.parse(done.stdout) as Cost
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      hospitals: { type: 'string', default: '8,20,50' },
      one: { type: 'string' },
    },
  })
  if (values.one !== undefined) {
    process.stdout.write(JSON.stringify(await measure(JSON.parse(values.one) as Case)))
    return
  }
  const rows = values.hospitals.split(',').map(n => {
    const hospitals = Number(n)
    const plain = inProcess({ hospitals, isAudited: false })
    const audited = inProcess({ hospitals, isAudited: true })
    const ratios = { bytesRatio: audited.bytes / plain.bytes, cpuRatio: audited.cpuMs / plain.cpuMs }
    return { hospitals, plain, audited, ...ratios, limit: LIMIT }
  })
  const lines = rows.map(r => [
    String(r.hospitals),
    ...[r.plain.bytes, r.audited.bytes].map(b => (b / 1000).toFixed(0)),
    r.bytesRatio.toFixed(2),
    ...[r.plain.cpuMs, r.audited.cpuMs].map(ms => ms.toFixed(0)),
    r.cpuRatio.toFixed(2),
    LIMIT.toFixed(2),
  ])
  const head = ['hospitals', 'plain kB', 'audited kB', 'ratio', 'plain CPU ms', 'audited', 'ratio', 'limit']
  console.log('a hospital, a training round')
  console.log(table([head, ...lines], [0, 1, 2, 3, 4, 5, 6, 7]).join('\n'))
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, null, 2)}\n`)
}

await main()
