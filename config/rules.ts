/**
 * What the schema cannot say: how fields of a charter must fit each other. Each rule has its own code, so that a test,
 * the documentation and a person at a terminal speak of the same thing.
 */
import { ed25519 } from '@noble/curves/ed25519.js'
import { hexToBytes } from '@noble/hashes/utils.js'
import { type CharterDraft, quorum } from './charter.ts'
import { bitsMin, compressionProblem, LANE_MAX, lanesOf } from './lanes.ts'
import { isFactored } from './matrices.ts'
import { type Path, type Problem, showPath } from './problem.ts'
import { committeeProblems } from './rules-committees.ts'
import { contributionProblems } from './rules-contribution.ts'
import { modelProblems } from './rules-model.ts'
import { privacyProblems } from './rules-privacy.ts'

/** All rules that a charter, or a draft as far as it is filled in, breaks; none: an empty list. */
export function ruleProblems(charter: CharterDraft): Problem[] {
  return [
    ...chainProblems(charter),
    ...memberProblems(charter),
    ...keyProblems(charter),
    ...addressProblems(charter),
    ...numberProblems(charter),
    ...committeeProblems(charter),
    ...dataProblems(charter),
    ...modelProblems(charter),
    ...timeProblems(charter),
    ...quantisationProblems(charter),
    ...privacyProblems(charter),
    ...contributionProblems(charter),
  ]
}

/** Largest d with n > 3f + 2d: members that may be away while f others are malicious. Negative where n <= 3f. */
export function absentMax(n: number, f: number): number {
  return Math.ceil((n - 3 * f) / 2) - 1
}

function chainProblems(charter: CharterDraft): Problem[] {
  if ((charter.version === 1) === (charter.previous === null)) return []
  const says =
    charter.version === 1 ? 'must be null in version 1' : `must be the hash of version ${charter.version - 1}`
  return [
    {
      code: 'CHARTER_PREVIOUS',
      path: ['previous'],
      says,
      fix: 'see: medmesh charter show, of the version before',
    },
  ]
}

function memberProblems({ members }: CharterDraft): Problem[] {
  const fix = 'give each member its own; a hospital is a member once'
  return [
    ...repeats(members.map((m, i) => [m.id, ['members', i, 'id']])).map(r => ({
      code: 'CHARTER_MEMBER_TWICE',
      path: r.path,
      says: `is also ${r.first}`,
      fix,
    })),
    ...repeats(members.map((m, i) => [folded(m.name), ['members', i, 'name']])).map(r => ({
      code: 'CHARTER_NAME_TWICE',
      path: r.path,
      says: `reads like ${r.first}`,
      fix,
    })),
  ]
}

function keyProblems({ members }: CharterDraft): Problem[] {
  const keys = members.flatMap((m, i): Entry[] =>
    m.publicKey === undefined ? [] : [[m.publicKey, ['members', i, 'publicKey']]],
  )
  return [
    ...repeats(keys).map(r => ({
      code: 'CHARTER_KEY_TWICE',
      path: r.path,
      says: `is also ${r.first}`,
      fix: 'ask both hospitals for their keys again: medmesh init prints it',
    })),
    ...keys
      .filter(([key]) => !isUsableKey(key))
      .map(([, path]) => ({
        code: 'CHARTER_KEY_INVALID',
        path,
        says: 'is not a usable Ed25519 public key',
        fix: 'ask the hospital for its key again: medmesh init prints it',
      })),
  ]
}

/** A point of the curve, and not one of the few of small order, under which signatures prove nothing. */
function isUsableKey(hex: string): boolean {
  try {
    return !ed25519.Point.fromBytes(hexToBytes(hex), false).isSmallOrder()
  } catch {
    return false
  }
}

const ADDRESS = /^\/(?:ip4|ip6|dns|dns4|dns6)\/[0-9a-z.:-]+\/tcp\/([1-9]\d{0,4})$/i

function addressProblems({ members }: CharterDraft): Problem[] {
  const addresses = members.flatMap((m, i) =>
    (m.addresses ?? []).map((address, k): Entry => [folded(address), ['members', i, 'addresses', k]]),
  )
  const fix = 'write the address where its node listens, such as /dns4/node.hospital.example/tcp/4001'
  return [
    ...addresses
      .filter(([address]) => Number(ADDRESS.exec(address)?.[1] ?? 65_536) > 65_535)
      .map(([, path]) => ({
        code: 'CHARTER_ADDRESS_INVALID',
        path,
        says: 'must be a TCP multiaddr without /p2p, such as /ip4/192.0.2.7/tcp/4001',
        fix,
      })),
    ...repeats(addresses).map(r => ({
      code: 'CHARTER_ADDRESS_TWICE',
      path: r.path,
      says: `is also ${r.first}`,
      fix,
    })),
  ]
}

/** n, f, quorum, signatures and survivors (SPEC, quorums). */
function numberProblems(charter: CharterDraft): Problem[] {
  const n = charter.members.length
  const f = charter.maliciousMax
  const fits = Math.floor((n - 1) / 3)
  if (n <= 3 * f) {
    const says = `must be at most ${fits}: agreement among ${n} members needs n > 3f`
    return [
      { code: 'CHARTER_AGREEMENT', path: ['maliciousMax'], says, fix: `set it to ${fits}, or add members` },
    ]
  }
  const problems: Problem[] = []
  const q = quorum(n, f)
  if (charter.threshold < q || charter.threshold > n) {
    const says = `must be from ${q} (the quorum of ${n} members, ${f} of them malicious) to ${n} (all)`
    problems.push({ code: 'CHARTER_THRESHOLD', path: ['threshold'], says, fix: `set it to ${q} up to ${n}` })
  }
  // With committees a sum is one committee's, and f is the committee's.
  const { size, maliciousMax: faulty } = charter.committees ?? { size: n, maliciousMax: f }
  const least = Math.max(faulty, 1) + 2
  const { survivorsMin } = charter.secureSum
  if (survivorsMin < least || survivorsMin > size) {
    const why = `at least max(f, 1) + 2 = ${least}, so that two honest inputs stay mixed, and at most ${size} (all)`
    const fix = `set it to ${least}: then ${absentMax(size, faulty)} of ${size} may be away while ${faulty} are malicious`
    problems.push({
      code: 'CHARTER_SURVIVORS',
      path: ['secureSum', 'survivorsMin'],
      says: `must be ${why}`,
      fix,
    })
  }
  return problems
}

function dataProblems({ data }: CharterDraft): Problem[] {
  const columns: Entry[] = [
    ...data.features.map((f, i): Entry => [f.name, ['data', 'features', i, 'name']]),
    [data.label.name, ['data', 'label', 'name']],
    [data.split.name, ['data', 'split', 'name']],
  ]
  const distinct = 'give each column its own name and each value its own text'
  const problems: Problem[] = repeats(columns).map(r => ({
    code: 'CHARTER_COLUMN_TWICE',
    path: r.path,
    says: `is also ${r.first}`,
    fix: distinct,
  }))
  data.features.forEach((feature, i) => {
    const path: Path = ['data', 'features', i]
    if (
      feature.type === 'number' &&
      !(feature.min < feature.max && Number.isFinite(feature.max - feature.min))
    ) {
      problems.push({
        code: 'CHARTER_RANGE',
        path: [...path, 'max'],
        says: 'must be more than min, and their difference finite',
        fix: 'give the range that a plausible value lies in, in the unit named',
      })
    }
    if (feature.type !== 'category') return
    const values = feature.values.map((v, k): Entry => [v, [...path, 'values', k]])
    for (const r of repeats(values)) {
      problems.push({ code: 'CHARTER_VALUE_TWICE', path: r.path, says: `is also ${r.first}`, fix: distinct })
    }
  })
  const pairs: Entry[][] = [
    [
      [data.label.positive, ['data', 'label', 'positive']],
      [data.label.negative, ['data', 'label', 'negative']],
    ],
    [
      [data.split.train, ['data', 'split', 'train']],
      [data.split.test, ['data', 'split', 'test']],
    ],
  ]
  for (const r of pairs.flatMap(repeats)) {
    problems.push({ code: 'CHARTER_VALUE_TWICE', path: r.path, says: `is also ${r.first}`, fix: distinct })
  }
  return problems
}

function timeProblems({ study, secureSum }: CharterDraft): Problem[] {
  const problems: Problem[] = []
  // Days as ISO text sort as days.
  if (study.validFrom >= study.validUntil) {
    problems.push({
      code: 'CHARTER_VALIDITY',
      path: ['study', 'validUntil'],
      says: 'must be a later day than validFrom',
      fix: 'give the first and the last day on which the study may run',
    })
  }
  for (const deadline of ['inputDeadlineMs', 'openDeadlineMs'] as const) {
    if (secureSum.viewTimeoutMs < secureSum[deadline]) continue
    problems.push({
      code: 'CHARTER_DEADLINES',
      path: ['secureSum', 'viewTimeoutMs'],
      says: `must be less than ${deadline}, or the deadline passes before one view of consensus is over`,
      fix: 'shorten the view, or lengthen the deadline',
    })
  }
  return problems
}

/** Least quantisation: a weight of one row must keep 2^10 steps, sums of counts and losses at least two each. */
const WEIGHTS_MAX = 2 ** 20
const COUNTS_MAX = 2 ** 29

/**
 * The members' values together must fit in p / 2 = 2^30 (n * bound * scale, protocol/sum), with steps left for
 * what is finer than a whole number.
 */
function quantisationProblems({ members, model, training, evaluation, secureSum }: CharterDraft): Problem[] {
  const n = members.length
  const problems: Problem[] = []
  if (n * training.weightMax > WEIGHTS_MAX) {
    const most = Math.floor(WEIGHTS_MAX / n)
    const says = `must be at most ${most}: ${n} members' weights together at most 2^20`
    problems.push({
      code: 'CHARTER_QUANTISATION',
      path: ['training', 'weightMax'],
      says,
      fix: `set it to ${most} or less`,
    })
  }
  const perRow = Math.max(1, evaluation.lossMax)
  if (n * evaluation.rowsMax * perRow > COUNTS_MAX) {
    const most = Math.floor(COUNTS_MAX / n / perRow)
    const says = `must be at most ${most}: ${n} members' rows times lossMax together at most 2^29`
    problems.push({
      code: 'CHARTER_QUANTISATION',
      path: ['evaluation', 'rowsMax'],
      says,
      fix: `set it to ${most} or less, or lower lossMax`,
    })
  }
  const useless = compressionProblem(secureSum.compression)
  if (useless)
    problems.push({
      code: 'CHARTER_COMPRESSION',
      path: ['secureSum', 'compression', useless.field],
      says: useless.says,
      fix: useless.fix,
    })
  const rank = secureSum.compression?.rank
  if (rank !== undefined && !model.weights.some(({ shape }) => isFactored(shape, rank)))
    problems.push({
      code: 'CHARTER_COMPRESSION',
      path: ['secureSum', 'compression', 'rank'],
      says: `must be less: no weights of the model are a matrix with more than ${rank} rows and columns`,
      fix: 'lower it, or leave it out',
    })
  const most = LANE_MAX[lanesOf(secureSum)]
  if (n > most) {
    const bits = secureSum.compression?.bitsPerValue
    problems.push({
      code: 'CHARTER_QUANTISATION',
      path: ['secureSum', 'compression', 'bitsPerValue'],
      says: `must be more: ${bits} bits hold the sum of at most ${most} members' values, of one step each`,
      fix: `set it to ${bitsMin(n)}, or leave \`compression\` out`,
    })
  }
  return problems
}

type Entry = readonly [value: string, path: Path]

/** Entries whose value came before, with the place where it came first. */
function repeats(entries: readonly Entry[]): { path: Path; first: string }[] {
  const seen = new Map<string, Path>()
  const found: { path: Path; first: string }[] = []
  for (const [value, path] of entries) {
    const first = seen.get(value)
    if (first === undefined) seen.set(value, path)
    else found.push({ path, first: showPath(first) })
  }
  return found
}

/** Texts that a person would read as one. Letters of other scripts that look alike are not in a slug. */
function folded(text: string): string {
  return text.normalize('NFKC').toLowerCase().replace(/\s+/g, ' ').trim()
}
