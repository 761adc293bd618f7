/**
 * How fast the simulator is: simulated hospital-rounds for each CPU second at 10, 100 and 1,000 hospitals, and how the cost
 * grows, with real and with ideal cryptography; a thousand hospitals for ten rounds; and the stroke study.
 *
 *   node test/bench/sim.bench.ts [--json FILE] [--quick]
 *
 * Each case is a process of its own, so that none finds the engine warm or the memory full. Ratios tell more than seconds,
 * which are this machine's.
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { COLLECTOR } from '../../node/cli/commands/sim.ts'

interface Case {
  readonly name: string
  readonly crypto: 'real' | 'ideal'
  readonly hospitals: number
  readonly rounds: number
  readonly kind: 'synthetic' | 'stroke'
}

export interface Measured extends Case {
  readonly cpuSeconds: number
  readonly events: number
  /** Statistics and evaluation rounds count too. */
  readonly peerRoundsPerCpuSecond: number
  readonly cpuMsPerPeerRound: number
  /** Stroke study: AUC of the federated model less that of the pooled one. */
  readonly aucDifference?: number
}

const ALL: readonly Case[] = [
  { name: '10 hospitals', crypto: 'ideal', hospitals: 10, rounds: 20, kind: 'synthetic' },
  { name: '10 hospitals', crypto: 'real', hospitals: 10, rounds: 10, kind: 'synthetic' },
  { name: '100 hospitals', crypto: 'ideal', hospitals: 100, rounds: 3, kind: 'synthetic' },
  { name: '100 hospitals', crypto: 'real', hospitals: 100, rounds: 1, kind: 'synthetic' },
  { name: '1,000 in committees', crypto: 'ideal', hospitals: 1000, rounds: 10, kind: 'synthetic' },
  { name: '98 stroke, committees', crypto: 'ideal', hospitals: 98, rounds: 20, kind: 'stroke' },
]
const QUICK: readonly Case[] = ALL.slice(0, 2)

/** One case in this process; its figures as JSON on standard output. */
async function one(c: Case): Promise<void> {
  const from = process.cpuUsage()
  const { events, aucDifference } = c.kind === 'synthetic' ? await synthetic(c) : await stroke(c)
  const { user, system } = process.cpuUsage(from)
  const cpuSeconds = (user + system) / 1e6
  const peerRounds = c.hospitals * (c.rounds + 2)
  const measured: Measured = {
    ...c,
    cpuSeconds,
    events,
    peerRoundsPerCpuSecond: peerRounds / cpuSeconds,
    cpuMsPerPeerRound: (1000 * cpuSeconds) / peerRounds,
    ...(aucDifference !== undefined && { aucDifference }),
  }
  process.stdout.write(JSON.stringify(measured))
}

async function synthetic(c: Case): Promise<{ events: number; aucDifference?: number }> {
  const { checkScenario } = await import('../../config/scenario-parse.ts')
  const { readScenario } = await import('../../sim/cli/scenario-file.ts')
  const { runScenario } = await import('../../sim/run.ts')
  const whole = readScenario('thousand')
  const [site] = whole.sites
  const { committees, ...flat } = whole
  const scenario = checkScenario({
    ...flat,
    ...(c.hospitals > 100 && { committees }),
    sites: [{ ...site, count: c.hospitals }],
    study: { ...whole.study, rounds: c.rounds },
  })
  const result = runScenario(scenario, { seed: 1, checkers: false })
  if (!result.finished) throw new Error(`${c.name}: the study did not finish`)
  return { events: result.events }
}

async function stroke(c: Case): Promise<{ events: number; aucDifference: number }> {
  const { strokeStudy } = await import('../study/stroke.ts')
  const { hospitals, rounds } = c
  const { result, federatedAuc, pooledAuc } = await strokeStudy({
    seed: 1,
    hospitals,
    rounds,
    checkers: false,
    committees: true,
  })
  return { events: result.events, aucDifference: federatedAuc - pooledAuc }
}

function measure(c: Case): Measured {
  const file = fileURLToPath(import.meta.url)
  const register = new URL('../../sim/ideal/register.ts', import.meta.url).href
  const args = [
    ...COLLECTOR,
    ...(c.crypto === 'ideal' ? ['--import', register] : []),
    file,
    '--one',
    JSON.stringify(c),
  ]
  const done = spawnSync(process.execPath, args, { encoding: 'utf8', maxBuffer: 1 << 26 })
  if (done.status !== 0)
    throw new Error(`${c.name}, ${c.crypto}: ended with ${done.status ?? done.signal}\n${done.stderr}`)
  return JSON.parse(done.stdout) as Measured
}

/** Costs relative to ten hospitals with the same cryptography. */
function row(m: Measured, base: Measured | undefined): string {
  const growth = base ? (m.cpuMsPerPeerRound / base.cpuMsPerPeerRound).toFixed(1) : '-'
  const auc = m.aucDifference === undefined ? '' : `  AUC ${m.aucDifference.toFixed(4)} from pooled`
  return [
    m.name.padEnd(22),
    m.crypto.padEnd(7),
    String(m.rounds).padStart(6),
    m.cpuSeconds.toFixed(1).padStart(8),
    m.peerRoundsPerCpuSecond.toFixed(1).padStart(14),
    m.cpuMsPerPeerRound.toFixed(1).padStart(8),
    `${growth.padStart(8)}${auc}`,
  ].join(' ')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { json: { type: 'string' }, quick: { type: 'boolean' }, one: { type: 'string' } },
  })
  if (values.one !== undefined) return await one(JSON.parse(values.one) as Case)
  console.log('what                   crypto  rounds    CPU s  peer-rounds/s  ms each    x ten')
  const all: Measured[] = []
  for (const c of values.quick ? QUICK : ALL) {
    const measured = measure(c)
    all.push(measured)
    console.log(
      row(
        measured,
        all.find(m => m.hospitals === 10 && m.crypto === measured.crypto),
      ),
    )
  }
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, null, 2)}\n`)
}

await main()
