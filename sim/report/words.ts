/** A scenario in words: what was simulated, for people who do not read YAML. */
import { type Draw, type FaultSpec, hospitalsOf, type Link, type Scenario } from '../../config/scenario.ts'
import { protectionInWords } from '../../config/words.ts'
import { formatCount, formatDuration, formatShare, listed, plural } from './format.ts'

/** What each lie is; others are shown by their name. */
const LIES: Readonly<Record<string, string>> = {
  equivocatingProposer: 'proposes different entries to different hospitals',
  equivocatingVoter: 'votes for one thing here and another there',
  twoSurvivorSets: 'tries to have two sets of survivors certified',
  wrongShares: 'deals shares that do not open',
  withheldShares: 'deals no shares to some',
  wrongSum: 'claims a wrong sum of its shard',
  wrongTags: 'publishes wrong tags',
  lateInput: 'delivers its input as late as it can',
  replay: 'sends old messages again',
  garbage: 'sends malformed messages',
  flood: 'floods the others',
  twoInputs: 'commits to two inputs',
  twoModels: 'shows different models to different hospitals',
  eclipse: 'cuts one hospital off from the rest',
  vanish: 'goes silent in the middle of a round',
  falseReceipts: 'gives receipts for what it does not hold',
  falseAccusation: 'accuses the honest',
  wrongReveal: 'reveals wrong shares',
  zeroUpdate: 'trains nothing',
  scaledUpdate: 'sends its update many times too large',
  signFlipped: 'sends its update with the sign turned',
  labelFlipped: 'trains on turned labels',
  everything: 'does something else of all this in each attempt',
}

/** `10 ms`, `5 to 25 ms`, or the median of a heavy-tailed draw. */
export function drawInWords(draw: Draw): string {
  if (typeof draw === 'number') return formatDuration(draw)
  if ('from' in draw) return `${formatDuration(draw.from)} to ${formatDuration(draw.to)}`
  if (draw.jitter === 0) return formatDuration(draw.base)
  return `${drawShort(draw)}, at least ${formatDuration(draw.base)}, at times far more`
}

/** The same, of a heavy-tailed draw only the median. */
function drawShort(draw: Draw): string {
  if (typeof draw === 'number' || 'from' in draw || draw.jitter === 0) return drawInWords(draw)
  // The median of the jitter: 1 / sqrt(1 / 2) - 1.
  return `about ${formatDuration(draw.base + 0.414 * draw.jitter)}`
}

/** One row for each kind of site, with a header row. */
export function siteRows({ sites }: Scenario): string[][] {
  const mbps = (x: number) => `${x >= 1000 ? `${x / 1000} Gbit/s` : `${x} Mbit/s`}`
  return [
    ['site', 'hospitals', 'up', 'down', 'firewall', 'training', 'disk', 'clock'],
    ...sites.map(s => [
      s.name,
      formatCount(s.count),
      mbps(s.uplinkMbps),
      mbps(s.downlinkMbps),
      s.nat ? 'lets nobody in' : 'open',
      drawShort(s.trainingMs),
      s.diskMs === 0 ? 'at once' : drawShort(s.diskMs),
      s.clockOffsetMs === 0 && s.clockDriftPpm === 0
        ? 'right'
        : `off by ${formatDuration(Math.abs(s.clockOffsetMs))}, drifts ${s.clockDriftPpm} ppm`,
    ]),
  ]
}

/** Sentences about the links between hospitals. */
export function linksInWords({ links }: Scenario): string[] {
  return [
    `Between any two hospitals: ${linkInWords(links.default)}.`,
    ...(links.within ? [`Within a site: ${linkInWords(links.within)}.`] : []),
    ...links.between.map(b => `Between ${b.sites[0]} and ${b.sites[1]}: ${linkInWords(b)}.`),
  ]
}

/** A sentence for each kind of fault that the scenario injects. */
export function faultsInWords({ faults, healAtMs }: Scenario): string[] {
  const heals =
    healAtMs === undefined
      ? []
      : [`After ${formatDuration(healAtMs)} all of it ends, and the next rounds must close.`]
  return faults.length === 0 ? ['None.'] : [...faults.map(faultInWords), ...heals]
}

/** Who lies, and how. */
export function adversariesInWords({ adversaries }: Scenario): string[] {
  if (adversaries.length === 0) return ['Nobody lies.']
  return adversaries.map(a => `${plural(a.count, 'hospital')}: ${lieInWords(a.behaviour)}.`)
}

/** What a hospital of this behaviour does. */
export function lieInWords(behaviour: string): string {
  return LIES[behaviour] ?? behaviour
}

/** The consortium in one sentence. */
export function consortiumInWords(scenario: Scenario): string {
  const n = hospitalsOf(scenario).length
  const nat = scenario.sites.reduce((sum, s) => sum + (s.nat ? s.count : 0), 0)
  const { study, secureSum, committees } = scenario
  const learner = study.learner === 'tfjs' ? `real training on ${study.data ?? 'data'}` : 'synthetic training'
  const behind = nat === 0 ? '' : `, ${nat} of them behind firewalls that let nobody in`
  const delivery =
    secureSum.delivery === 'gossip' ? 'small inputs by gossip' : 'inputs in shards over streams'
  const { compression } = secureSum
  const bits = compression
    ? `, ${compression.rotation ? 'rotated, ' : ''}${compression.bitsPerValue} bits for each value${compression.oneIn ? `, one value in ${compression.oneIn} each round` : ''}${compression.rank ? `, factors of rank ${compression.rank}` : ''}`
    : ''
  const tree = committees ? `, in committees of ${committees.size}` : ''
  const audit = scenario.contribution?.audit
  const looks = audit ? `, one round in ${audit.oneIn} audited in groups of ${audit.groupSize}` : ''
  return `${plural(n, 'hospital')}${behind}${tree}; ${plural(study.rounds, 'training round')}, ${learner}, ${delivery}${bits}${looks}. In its sums: ${protectionInWords({ privacy: scenario.privacy ?? { unit: 'none' } })}.`
}

function linkInWords(l: Link): string {
  const parts = [drawInWords(l.latencyMs)]
  if (l.lossRate > 0) parts.push(`${formatShare(l.lossRate)} of packets lost`)
  if (l.duplicateRate > 0) parts.push(`${formatShare(l.duplicateRate)} of gossip arrives twice`)
  if (l.reorderRate > 0) parts.push(`${formatShare(l.reorderRate)} of messages overtaken`)
  return parts.join('; ')
}

const STRIKES: Readonly<Record<FaultSpec['kind'], string>> = {
  crash: 'Process killed and started again',
  outage: 'Line down',
  partition: 'Cut off from the others',
  linkdown: 'Link to one other hospital cut',
  clog: 'Links clogged',
  pause: 'Process stands still',
  slow: 'Jobs and disk slow',
}

function faultInWords(fault: FaultSpec): string {
  const { kind, who, when, forMs } = fault
  return `${STRIKES[kind]}${extraInWords(fault)}: ${whoInWords(who)}, ${whenInWords(when)}, for ${drawInWords(forMs)}.`
}

function extraInWords(fault: FaultSpec): string {
  switch (fault.kind) {
    case 'crash':
      return [
        fault.what === 'machine' ? ', its whole machine silent at once' : '',
        fault.moment === 'now'
          ? ''
          : fault.moment === 'write'
            ? ', at its next write'
            : ', in the middle of its work',
        fault.disk === 'torn' ? ', its last write torn' : '',
      ].join('')
    case 'clog':
      return `, ${drawInWords(fault.delayMs)} more for each message`
    case 'slow':
      return `, ${fault.factor} times slower`
    case 'partition':
      return { both: '', in: ', only what comes in', out: ', only what goes out' }[fault.direction]
    default:
      return ''
  }
}

function whoInWords(who: FaultSpec['who']): string {
  if (who === 'any') return 'one hospital at random'
  if (who === 'turn') return 'one hospital after the other'
  if (who === 'all') return 'all hospitals'
  if ('count' in who) return `${plural(who.count, 'hospital')} at random`
  if ('share' in who) return `${formatShare(who.share)} of the hospitals at random`
  return listed(who)
}

function whenInWords(when: FaultSpec['when']): string {
  if ('atMs' in when) return `once, after ${formatDuration(when.atMs)}`
  if ('perHour' in when) return `${when.perHour} times an hour on average`
  const first = when.firstMs === undefined ? '' : `, first after ${formatDuration(when.firstMs)}`
  return `every ${formatDuration(when.everyMs)}${first}`
}
