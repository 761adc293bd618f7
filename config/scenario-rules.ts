/** What the schema of scenarios cannot say: how their fields must fit each other. Each rule has its own code. */
import { bitsMin, compressionProblem, LANE_MAX, lanesOf } from './lanes.ts'
import { type Path, type Problem, showPath } from './problem.ts'
import { hospitalIds, hospitalsOf, maliciousMaxOf, type Scenario } from './scenario.ts'
import { maliciousBorne, ROUND_FAILURE_MAX, roundFailure } from './tail.ts'

/** As the charter's schema has it: without committees everybody shares with everybody. */
const MEMBERS_MIN = 3
const MEMBERS_MAX = 255
const ID_MAX = 32

/** All rules that a scenario breaks; none: an empty list. */
export function scenarioProblems(scenario: Scenario): Problem[] {
  return [
    ...siteProblems(scenario),
    ...numberProblems(scenario),
    ...linkProblems(scenario),
    ...studyProblems(scenario),
    ...faultProblems(scenario),
    ...timeProblems(scenario),
    ...drawProblems(scenario, []),
  ]
}

function siteProblems({ sites }: Scenario): Problem[] {
  const problems: Problem[] = []
  const ids = new Map<string, number>()
  sites.forEach((site, i) => {
    const path: Path = ['sites', i, 'name']
    const twice = hospitalIds(site).find(id => ids.has(id))
    if (hospitalIds(site).some(id => id.length > ID_MAX)) {
      problems.push({
        code: 'SCENARIO_SITE_NAME',
        path,
        says: `must be short enough that ${hospitalIds(site)[0]} has at most ${ID_MAX} characters`,
        fix: 'shorten the name',
      })
    }
    if (twice !== undefined) {
      problems.push({
        code: 'SCENARIO_SITE_TWICE',
        path,
        says: `names ${twice}, which ${showPath(['sites', ids.get(twice)!])} is or has already`,
        fix: 'give each site its own name; hospitals that are alike are one site with a count',
      })
    }
    for (const id of hospitalIds(site)) if (!ids.has(id)) ids.set(id, i)
  })
  if (sites.every(site => site.nat)) {
    problems.push({
      code: 'SCENARIO_NAT',
      path: ['sites'],
      says: 'must have one without nat: two hospitals behind NAT cannot dial each other, and nobody relays for them',
      fix: 'take nat from one site',
    })
  }
  return problems
}

/** n, f, committees and adversaries. */
function numberProblems(scenario: Scenario): Problem[] {
  const { committees, adversaries } = scenario
  const n = hospitalsOf(scenario).length
  const f = maliciousMaxOf(scenario)
  const problems: Problem[] = []
  const add = (code: string, path: Path, says: string, fix: string) =>
    void problems.push({ code, path, says, fix })
  if (n < MEMBERS_MIN) {
    add(
      'SCENARIO_HOSPITALS',
      ['sites'],
      `must have at least ${MEMBERS_MIN} hospitals together, not ${n}`,
      'add a site, or raise a count',
    )
  }
  if (n > MEMBERS_MAX && committees === undefined) {
    add(
      'SCENARIO_HOSPITALS',
      ['sites'],
      `may have at most ${MEMBERS_MAX} hospitals without committees, not ${n}`,
      'add committees, such as { size: 20, maliciousMax: 5 }, or lower a count',
    )
  }
  const most = Math.floor((n - 1) / 3)
  if (n >= MEMBERS_MIN && f > most) {
    add(
      'SCENARIO_AGREEMENT',
      ['maliciousMax'],
      `must be at most ${most}: agreement among ${n} hospitals needs n > 3f`,
      `set it to ${most} or less, or add hospitals`,
    )
  }
  const liars = adversaries.reduce((sum, a) => sum + a.count, 0)
  if (liars > f) {
    const why = f === most ? `the most that ${n} hospitals bear` : 'maliciousMax'
    add(
      'SCENARIO_ADVERSARIES',
      ['adversaries'],
      `must be at most ${f} ${f === 1 ? 'hospital' : 'hospitals'} together (${why}), not ${liars}`,
      f < most ? `lower their counts, or raise maliciousMax (to ${most} at most)` : 'lower their counts',
    )
  }
  const held = LANE_MAX[lanesOf(scenario.secureSum)]
  if (n > held) {
    add(
      'SCENARIO_COMPRESSION',
      ['secureSum', 'compression', 'bitsPerValue'],
      `must be more: with ${n} hospitals, it bears at most ${held}`,
      `set it to ${bitsMin(n)}, or leave compression out`,
    )
  }
  const { compression } = scenario.secureSum
  const useless = compressionProblem(compression)
  if (useless)
    add('SCENARIO_COMPRESSION', ['secureSum', 'compression', useless.field], useless.says, useless.fix)
  if (scenario.privacy?.unit === 'patient') {
    const fix = 'leave one of the two out'
    if (compression)
      add(
        'SCENARIO_PRIVACY',
        ['secureSum', 'compression'],
        'must be left out where patients are protected',
        fix,
      )
    if (scenario.committees)
      add('SCENARIO_PRIVACY', ['committees'], 'must be left out where patients are protected', fix)
    if (scenario.study.learner !== 'synthetic')
      add('SCENARIO_PRIVACY', ['privacy'], 'must be left out where real rows are learned from', fix)
  }
  if (scenario.contribution) {
    const add1 = (path: Problem['path'], says: string, fix: string) =>
      add('SCENARIO_CONTRIBUTION', path, says, fix)
    const either = 'leave one of the two out'
    if (compression) add1(['secureSum', 'compression'], 'must be left out with `contribution`', either)
    if (scenario.committees) add1(['committees'], 'must be left out with `contribution`', either)
    if (scenario.secureSum.delivery !== 'gossip')
      add1(['secureSum', 'delivery'], 'must be gossip with `contribution`', 'set it to gossip')
    const least = 2 * scenario.contribution.audit.groupSize
    if (n < least)
      add1(
        ['contribution', 'audit', 'groupSize'],
        `must be at most ${Math.floor(n / 2)}: ${n} hospitals make two groups at least`,
        'lower it',
      )
  }
  if (compression?.rank !== undefined && scenario.study.learner === 'synthetic')
    add(
      'SCENARIO_COMPRESSION',
      ['secureSum', 'compression', 'rank'],
      'must be left out: the synthetic model has no matrix',
      'leave it out, or set study.learner to tfjs and study.data to a study whose model has one',
    )
  return [...problems, ...committeeProblems(committees, n, f)]
}

/** As the charter's rules have them (rules-committees.ts), in the scenario's fields. */
function committeeProblems(committees: Scenario['committees'], n: number, f: number): Problem[] {
  if (committees === undefined) return []
  const { size, maliciousMax } = committees
  const problem = (path: Path, says: string, fix: string): Problem[] => [
    { code: 'SCENARIO_COMMITTEES', path, says, fix },
  ]
  const fits = Math.floor((size - 1) / 3)
  if (maliciousMax > fits) {
    const says = `must be at most ${fits}: agreement in a committee of ${size} needs size > 3 maliciousMax`
    return problem(['committees', 'maliciousMax'], says, `set it to ${fits} or less, or raise size`)
  }
  const most = Math.floor(n / 2)
  if (size > most) {
    const says = `must be at most ${most}: ${n} hospitals make at least two committees`
    return problem(['committees', 'size'], says, 'lower it, or leave committees out')
  }
  if (roundFailure(n, f, size, maliciousMax) <= ROUND_FAILURE_MAX) return []
  const borne = maliciousBorne(n, size, maliciousMax)
  const says = `must be at most ${borne}: of more, a lot draws too many into one committee too often`
  return problem(['maliciousMax'], says, `set it to ${borne} or less, or raise committees.maliciousMax`)
}

function linkProblems({ sites, links }: Scenario): Problem[] {
  const names = sites.map(s => s.name)
  const seen = new Map<string, number>()
  return links.between.flatMap(({ sites: pair }, i): Problem[] => {
    const problems = pair.flatMap((name, k) =>
      unknownName(name, names, ['links', 'between', i, 'sites', k], 'a site'),
    )
    const key = [...pair].sort().join(' ')
    const first = seen.get(key)
    if (first === undefined) seen.set(key, i)
    else
      problems.push({
        code: 'SCENARIO_LINK_TWICE',
        path: ['links', 'between', i, 'sites'],
        says: `are also those of ${showPath(['links', 'between', first])}`,
        fix: 'remove one of the two; an entry holds for both directions',
      })
    return problems
  })
}

function unknownName(name: string, names: readonly string[], path: Path, what: string): Problem[] {
  if (names.includes(name)) return []
  const shown = names.slice(0, 12).join(', ')
  const more = names.length > 12 ? ` and ${names.length - 12} more` : ''
  return [
    {
      code: 'SCENARIO_SITE_UNKNOWN',
      path,
      says: `names ${name}, which is not ${what}; there are ${shown}${more}`,
      fix: 'correct the name, or add the site',
    },
  ]
}

function studyProblems({ study, secureSum }: Scenario): Problem[] {
  const problems: Problem[] = []
  if (study.learner === 'tfjs' && study.data === undefined) {
    problems.push({
      code: 'SCENARIO_DATA',
      path: ['study', 'data'],
      says: 'is missing; learner tfjs trains on the data of a study under config/studies, such as heart-disease',
      fix: 'name the study, or take learner synthetic',
    })
  }
  if (study.learner === 'synthetic' && study.data !== undefined) {
    problems.push({
      code: 'SCENARIO_DATA',
      path: ['study', 'data'],
      says: 'is for learner tfjs; learner synthetic makes its own data',
      fix: 'remove it, or take learner tfjs',
    })
  }
  for (const deadline of ['inputDeadlineMs', 'openDeadlineMs'] as const) {
    if (secureSum.viewTimeoutMs < secureSum[deadline]) continue
    problems.push({
      code: 'SCENARIO_DEADLINES',
      path: ['secureSum', 'viewTimeoutMs'],
      says: `must be less than ${deadline} (${secureSum[deadline]}), or the deadline passes before one view is over`,
      fix: 'shorten the view, or lengthen the deadline',
    })
  }
  return problems
}

function faultProblems(scenario: Scenario): Problem[] {
  const hospitals = hospitalsOf(scenario)
  const names = [...scenario.sites.map(s => s.name), ...hospitals.map(h => h.id)]
  return scenario.faults.flatMap(({ who }, i): Problem[] => {
    const path: Path = ['faults', i, 'who']
    if (Array.isArray(who))
      return who.flatMap((name, k) => unknownName(name, names, [...path, k], 'a site or a hospital'))
    if (typeof who === 'string' || !('count' in who) || who.count <= hospitals.length) return []
    return [
      {
        code: 'SCENARIO_WHO',
        path: [...path, 'count'],
        says: `must be at most ${hospitals.length}, the number of hospitals`,
        fix: 'lower it, or write all',
      },
    ]
  })
}

function timeProblems({ faults, healAtMs, limitMs }: Scenario): Problem[] {
  const problems: Problem[] = []
  if (healAtMs !== undefined && healAtMs >= limitMs) {
    problems.push({
      code: 'SCENARIO_HEAL',
      path: ['healAtMs'],
      says: `must be less than limitMs (${limitMs}), or the run ends before anything has healed`,
      fix: 'lower it, or raise limitMs',
    })
  }
  const end = Math.min(healAtMs ?? limitMs, limitMs)
  const endName = healAtMs === undefined || healAtMs > limitMs ? 'limitMs' : 'healAtMs'
  faults.forEach(({ when }, i) => {
    const key = 'atMs' in when ? 'atMs' : 'firstMs'
    const first = 'atMs' in when ? when.atMs : 'everyMs' in when ? when.firstMs : undefined
    if (first === undefined || first < end) return
    problems.push({
      code: 'SCENARIO_NEVER',
      path: ['faults', i, 'when', key],
      says: `must be less than ${endName} (${end}), or it never strikes`,
      fix: `lower it, or raise ${endName}`,
    })
  })
  return problems
}

/** Every { from, to } in the scenario, wherever a draw may stand. */
function drawProblems(value: unknown, path: Path): Problem[] {
  if (typeof value !== 'object' || value === null) return []
  const { from, to } = value as { readonly from?: unknown; readonly to?: unknown }
  if (typeof from === 'number' && typeof to === 'number') {
    if (from <= to) return []
    const says = `must be at least from (${from})`
    return [{ code: 'SCENARIO_DRAW', path: [...path, 'to'], says, fix: 'swap from and to' }]
  }
  const isList = Array.isArray(value)
  return Object.entries(value).flatMap(([key, inner]) =>
    drawProblems(inner, [...path, isList ? Number(key) : key]),
  )
}
