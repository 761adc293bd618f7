/**
 * How far can the simulator be believed? The same scenario on real nodes in network namespaces and in the simulator, side
 * by side: `npm run e2e:netns`, as root. Ends with 1 where times or bytes differ by more than a quarter, and with 0 where
 * they do not, or where this machine cannot do it.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { hospitalsOf, type Scenario } from '../../../config/scenario.ts'
import { parseScenario } from '../../../config/scenario-parse.ts'
import { scenarioCharter } from '../../../sim/scenario/charter.ts'
import { type Figures, figuresOf, medianFigures } from './course.ts'
import { whyNot } from './namespaces.ts'
import { playReal, type RealOptions, type RealRun } from './real.ts'
import { playSimulated } from './simulated.ts'
import { compare, explain, type Parts, TOLERANCE } from './table.ts'

const FILE = new URL('../../../config/scenarios/partition.yaml', import.meta.url)
const SEEDS = [1, 2, 3] as const
const LIMIT_MS = 330_000

/** What of the scenario a real network is set up with. Throws where it asks for more than that. */
export function plan(scenario: Scenario): Omit<RealOptions, 'charter' | 'limitMs' | 'say' | 'signal'> {
  const { default: link, within, between } = scenario.links
  const [fault, ...rest] = scenario.faults
  const hospitals = hospitalsOf(scenario)
  const names = fault?.kind === 'partition' && Array.isArray(fault.who) ? fault.who : []
  const cutOff = hospitals.flatMap((h, i) => (names.includes(h.id) || names.includes(h.site.name) ? [i] : []))
  if (
    typeof link.latencyMs !== 'number' ||
    within !== undefined ||
    between.length + rest.length > 0 ||
    fault?.kind !== 'partition' ||
    fault.direction !== 'both' ||
    !('atMs' in fault.when) ||
    typeof fault.forMs !== 'number' ||
    cutOff.length === 0
  ) {
    throw new Error('a real network is made for one constant latency and one partition of named sites, once')
  }
  return {
    delayMs: link.latencyMs,
    lossRate: link.lossRate,
    cutOff,
    cutAtMs: fault.when.atMs,
    cutForMs: fault.forMs,
  }
}

/** `json`: file for what the real nodes did. */
async function main(json: string | undefined): Promise<number> {
  const reason = whyNot()
  if (reason !== undefined) {
    say(`skipped: ${reason}`)
    return 0
  }
  const scenario = parseScenario(readFileSync(FILE, 'utf8'))
  say(`${scenario.title}\n\nReal nodes, each in a network namespace:`)
  const real = await interruptible(signal => playRealOf(scenario, signal))
  const figures = figuresOf(real.course)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify({ real, figures }, null, 1)}\n`)
  describeReal(real, figures)
  return judge(scenario, real, figures)
}

function playRealOf(scenario: Scenario, signal: AbortSignal): Promise<RealRun> {
  const began = Date.now()
  return playReal({
    ...plan(scenario),
    charter: scenarioCharter(scenario),
    limitMs: LIMIT_MS,
    say: text => say(`  ${((Date.now() - began) / 1000).toFixed(1).padStart(6)} s  ${text}`),
    signal,
  })
}

/** While `act` runs, a signal to stop lets it clear up after itself. */
async function interruptible<T>(act: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController()
  const onSignal = (name: NodeJS.Signals) => stop.abort(new Error(`stopped by ${name}`))
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of names) process.on(name, onSignal)
  try {
    return await act(stop.signal)
  } finally {
    for (const name of names) process.off(name, onSignal)
  }
}

function describeReal(real: RealRun, { roundMs }: Figures): void {
  const { packets, acks, lost, cut, latestMs, lateShare, load, idleLoad } = real
  say(`
  ${packets} packets, ${percent(acks / packets)} of them bare acknowledgements; ${percent(lost / packets)} lost, ${cut} cut off
  the line itself was late by more than 5 ms in ${percent(lateShare)} of the tenths of a second, by ${latestMs.toFixed(0)} ms at most
  in a round each hospital worked for ${(load.work * roundMs).toFixed(0)} ms and waited ${(load.wait * roundMs).toFixed(0)} ms for a processor
  (as long without rounds: ${(idleLoad.work * roundMs).toFixed(0)} and ${(idleLoad.wait * roundMs).toFixed(0)} ms)
`)
}

function judge(scenario: Scenario, real: RealRun, figures: Figures): number {
  say(`Simulated with seeds ${SEEDS.join(', ')}:`)
  const [first] = SEEDS
  const idle = playSimulated(scenario, first)
  const messages = idle.messages / hospitalsOf(scenario).length / idle.course.rounds.length
  // What a round's messages make a hospital do, spread over them; what it does anyhow is none of it.
  const { load, idleLoad } = real
  const workMs = ((load.work - idleLoad.work) * figures.roundMs) / messages
  const busyMs = workMs + ((load.wait - idleLoad.wait) * figures.roundMs) / messages
  say(
    `  ${messages.toFixed(0)} messages for each hospital and round; one keeps it busy for ${busyMs.toFixed(1)} ms, as all`,
  )
  say(`  share one machine; with a machine of its own it would be ${workMs.toFixed(1)} ms (last column)\n`)
  const each = SEEDS.map(seed => figuresOf(playSimulated(busy(scenario, busyMs), seed).course))
  const apart = figuresOf(playSimulated(busy(scenario, workMs), first).course)
  const { agree, lines } = compare(figures, medianFigures(each), each, apart)
  const parts: Parts = {
    bare: figuresOf(playSimulated(lossless(scenario), first).course).roundMs,
    lossy: figuresOf(idle.course).roundMs,
    working: apart.roundMs,
    waiting: each[0]!.roundMs,
  }
  say([...lines, '', ...explain(parts, real), ''].join('\n'))
  say(agree ? 'They agree within a quarter.' : `They differ by more than ${percent(TOLERANCE)}.`)
  return agree ? 0 : 1
}

function busy(scenario: Scenario, messageMs: number): Scenario {
  return { ...scenario, sites: scenario.sites.map(site => ({ ...site, messageMs })) }
}

function lossless(scenario: Scenario): Scenario {
  const { links } = scenario
  return { ...scenario, links: { ...links, default: { ...links.default, lossRate: 0 } } }
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`
}

function say(text: string): void {
  process.stdout.write(`${text}\n`)
}

if (import.meta.main) {
  const { values } = parseArgs({ options: { json: { type: 'string' } } })
  try {
    process.exitCode = await main(values.json)
  } catch (error) {
    process.stderr.write(`e2e:netns: ${error instanceof Error ? error.message : String(error)}\n`)
    process.exitCode = 2
  }
}
