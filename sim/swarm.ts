/**
 * Random scenarios in the manner of swarm testing (Groce et al., ISSTA 2012): each kind of trouble is switched on or off at
 * random, so that runs differ in kind and not only in degree. Faults may be more than the protocol tolerates while they
 * last: nothing may be broken by them. Then the network heals, and the study must go on.
 */
import { BITS_PER_VALUE } from '../config/lanes.ts'
import {
  BEHAVIOURS,
  type Draw,
  type FaultSpec,
  type Link,
  type Scenario,
  type ScenarioInput,
  type When,
  type Who,
} from '../config/scenario.ts'
import { checkScenario } from '../config/scenario-parse.ts'
import { maliciousBorne } from '../config/tail.ts'
import { Random } from './random.ts'

/** Sets the stream that makes a scenario apart from the one that plays it. */
const SCENARIO_STREAM = 0x5ce9a210

/** And that of the seeds whose hospitals sum in committees. */
const COMMITTEES_STREAM = 0x7d1c6a3b

/** And that of the seeds whose updates are compressed. */
const COMPRESSION_STREAM = 0x1b30f94d
const COMPRESSION_SHARE = 0.15

/** And that of the seeds whose sums carry noise, of those without either. */
const NOISE_STREAM = 0x3a8e51c7
const NOISE_SHARE = 0.12

/** And that of the seeds whose contributions are audited, of those without any of these. */
const AUDIT_STREAM = 0x62d4c81b
const AUDIT_SHARE = 0.3

/** How many of all seeds. */
const COMMITTEES_SHARE = 0.08
const COMMITTEES = [
  { n: 8, size: 4, maliciousMax: 1 },
  { n: 11, size: 4, maliciousMax: 1 },
  { n: 14, size: 7, maliciousMax: 2 },
]

/** Numbers of hospitals, the common ones more often. */
const SIZES = [3, 4, 4, 4, 4, 4, 4, 4, 5, 5, 5, 6, 6, 7, 7, 7, 8, 9, 10, 13]

/** The scenario of a seed; played with the same seed it is one course of events. */
export function randomScenario(seed: number): Scenario {
  const d = new Dice(new Random((seed ^ SCENARIO_STREAM) >>> 0))
  const lot = new Dice(new Random((seed ^ COMMITTEES_STREAM) >>> 0))
  const parted = lot.chance(COMMITTEES_SHARE) ? lot.of(COMMITTEES) : undefined
  const pack = new Dice(new Random((seed ^ COMPRESSION_STREAM) >>> 0))
  const compression = pack.chance(COMPRESSION_SHARE)
    ? { bitsPerValue: pack.of(BITS_PER_VALUE), rotation: pack.chance(0.5) }
    : undefined
  const quiet = new Dice(new Random((seed ^ NOISE_STREAM) >>> 0))
  const privacy = !parted && !compression && quiet.chance(NOISE_SHARE) ? noise(quiet) : undefined
  const together = d.of(SIZES)
  const n = parted?.n ?? together
  const most = parted ? maliciousBorne(n, parted.size, parted.maliciousMax) : Math.floor((n - 1) / 3)
  const drawn = d.chance(0.75) ? most : d.below(most + 1)
  const look = new Dice(new Random((seed ^ AUDIT_STREAM) >>> 0))
  // Two groups in which nobody is exposed are left when all malicious ones are out.
  const bears = Math.floor((n - 4) / 3)
  const isAudited = !parted && !compression && !privacy && n >= 6 && look.chance(AUDIT_SHARE)
  const f = isAudited ? Math.min(drawn, bears) : drawn
  const contribution = isAudited && { audit: { oneIn: look.of([1, 2]), groupSize: Math.max(3, f + 2) } }
  const liars = d.chance(0.35) ? 0 : d.below(f + 1)
  const rounds = 1 + d.below(2)
  const trainingMs = d.of([10, 300, 1500])
  const skewMs = d.of([2000, 10_000, 60_000])
  const deadlines = {
    joinDeadlineMs: d.between(500, 3000),
    inputDeadlineMs: d.between(5000, 12_000),
    openDeadlineMs: d.between(2000, 6000),
    viewTimeoutMs: d.between(200, 1500),
  }
  // About as long as the study takes when nothing happens: trouble must come within it.
  const calmMs = (rounds + 2) * (700 + trainingMs)
  const healAtMs = Math.round(calmMs * d.of([0.5, 1, 2, 4]) * (0.5 + d.unit()))
  return checkScenario({
    format: 'medmesh-scenario/1',
    title: `Swarm ${seed}`,
    description: `Random scenario of seed ${seed}`,
    sites: sites(d, n, skewMs, trainingMs),
    links: { default: link(d), between: between(d, n) },
    maliciousMax: f,
    ...(parted && { committees: { size: parted.size, maliciousMax: parted.maliciousMax } }),
    ...(privacy && { privacy }),
    ...(contribution && { contribution }),
    study: { rounds, features: 2 + d.below(7) },
    secureSum: {
      delivery: d.chance(0.5) || contribution ? 'gossip' : 'shards',
      ...deadlines,
      clockSkewMaxMs: skewMs,
      ...(compression && { compression }),
    },
    faults: d.chance(0.1) ? [] : faults(d, n, calmMs, healAtMs),
    adversaries: adversaries(d, liars),
    healAtMs,
    limitMs: healAtMs + LIVE_MS,
  } satisfies ScenarioInput)
}

/** Long enough for any progress; who needs longer is stuck. */
const LIVE_MS = 1_800_000

const nameOf = (index: number) => `h${index + 1}`

function sites(d: Dice, n: number, skewMs: number, trainingMs: number): ScenarioInput['sites'] {
  const slowLines = d.chance(0.3)
  const clocks = d.chance(0.4)
  const disks = d.chance(0.5)
  const hidden = d.chance(0.3) ? 1 + d.below(Math.ceil(n / 3)) : 0
  return Array.from({ length: n }, (_, i) => ({
    name: nameOf(i),
    ...(slowLines && d.chance(0.5) && { uplinkMbps: d.of([1, 5, 20]), downlinkMbps: d.of([2, 10, 50]) }),
    nat: i < hidden,
    trainingMs: { base: trainingMs, jitter: d.chance(0.5) ? trainingMs : 0 },
    diskMs: disks ? disk(d) : 0,
    // Two honest clocks are never further apart than the charter allows.
    ...(clocks && {
      clockOffsetMs: Math.round(skewMs * 0.4 * (2 * d.unit() - 1)),
      clockDriftPpm: d.of([0, 0, 50, -50, 500]),
    }),
  }))
}

/** With a budget that lasts for any number of attempts. */
function noise(d: Dice): NonNullable<ScenarioInput['privacy']> {
  const z = d.of([0.5, 1, 8])
  const common = {
    noiseMultiplier: { statistics: z, training: z, evaluation: z },
    epsilonMax: 1000,
    delta: 1e-4,
  }
  if (d.chance(0.25)) return { unit: 'hospital', ...common }
  const noise = d.of(['sum', 'sum', 'hospital'] as const)
  return { unit: 'patient', noise, patients: 400, samplingRate: 0.2, clipNorm: 1, ...common }
}

function disk(d: Dice): Draw {
  return d.of<Draw>([0, 1, { from: 1, to: 10 }, { base: 2, jitter: 20 }, { from: 20, to: 200 }])
}

function link(d: Dice): Link {
  return {
    latencyMs: d.of<Draw>([
      1,
      20,
      { from: 1, to: 60 },
      { base: 10, jitter: 4 },
      { base: 40, jitter: 20 },
      { from: 5, to: 300 },
    ]),
    lossRate: d.chance(0.4) ? d.of([0.001, 0.01, 0.05, 0.2]) : 0,
    duplicateRate: d.chance(0.3) ? d.of([0.01, 0.1, 0.5]) : 0,
    reorderRate: d.chance(0.3) ? d.of([0.01, 0.1, 0.5]) : 0,
  }
}

/** Single links that are unlike the others. */
function between(d: Dice, n: number): NonNullable<ScenarioInput['links']>['between'] {
  if (!d.chance(0.3)) return []
  const from = d.below(n)
  const others = 1 + d.below(n - 1)
  return Array.from({ length: others }, (_, k) => ({
    sites: [nameOf(from), nameOf((from + k + 1) % n)],
    ...link(d),
  }))
}

function adversaries(d: Dice, liars: number): ScenarioInput['adversaries'] {
  return Array.from({ length: liars }, () => ({ behaviour: d.of(BEHAVIOURS) }))
}

const KINDS: readonly FaultSpec['kind'][] = [
  'crash',
  'crash',
  'outage',
  'partition',
  'linkdown',
  'clog',
  'pause',
  'slow',
]

function faults(d: Dice, n: number, calmMs: number, healAtMs: number): FaultSpec[] {
  // How much is switched on differs from run to run as well.
  const share = d.of([0.15, 0.3, 0.5])
  return KINDS.flatMap(kind => {
    if (!d.chance(share)) return []
    return Array.from({ length: 1 + d.below(2) }, () => fault(d, kind, n, Math.min(calmMs, healAtMs)))
  })
}

function fault(d: Dice, kind: FaultSpec['kind'], n: number, spanMs: number): FaultSpec {
  const struck = { who: who(d, n), when: when(d, spanMs), forMs: lasting(d, spanMs) }
  switch (kind) {
    case 'crash':
      return {
        kind,
        ...struck,
        disk: d.of(['lost', 'torn']),
        what: d.of(['process', 'process', 'machine']),
        moment: d.of(['now', 'write', 'effect']),
      }
    case 'partition':
      return { kind, ...struck, direction: d.of(['both', 'in', 'out']) }
    case 'clog':
      return { kind, ...struck, delayMs: d.of<Draw>([50, 500, { from: 100, to: 3000 }]) }
    case 'slow':
      return { kind, ...struck, factor: d.of([3, 10, 50]) }
    default:
      return { kind, ...struck }
  }
}

function who(d: Dice, n: number): Who {
  const kind = d.below(10)
  if (kind < 6) return 'any'
  if (kind < 7) return 'turn'
  if (kind < 8) return { count: 1 + d.below(n) }
  return kind < 9 ? { share: d.of([0.3, 0.5, 0.7]) } : 'all'
}

/** Some strikes within so many milliseconds. */
function when(d: Dice, spanMs: number): When {
  const kind = d.below(3)
  if (kind === 0) return { atMs: d.below(spanMs) }
  const strikes = d.of([1, 3, 10])
  if (kind === 1) return { everyMs: Math.max(1, Math.round(spanMs / strikes)), firstMs: d.below(spanMs) }
  return { perHour: (3_600_000 * strikes) / spanMs }
}

function lasting(d: Dice, spanMs: number): Draw {
  return d.of<Draw>([
    0,
    200,
    { from: 50, to: 1000 },
    { from: 0, to: spanMs / 4 },
    { base: spanMs / 20, jitter: spanMs / 10 },
    spanMs / 2,
    20_000,
  ])
}

/** Throws of one stream. */
class Dice {
  readonly #random: Random

  constructor(random: Random) {
    this.#random = random
  }

  unit(): number {
    return this.#random.unit()
  }

  chance(p: number): boolean {
    return this.#random.chance(p)
  }

  below(n: number): number {
    return this.#random.below(n)
  }

  /** A whole number, both ends included. */
  between(from: number, to: number): number {
    return from + this.#random.below(to - from + 1)
  }

  of<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!
  }
}
