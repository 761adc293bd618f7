/**
 * A scenario: a consortium, its sites and links, what befalls them, and who lies. A YAML file that `medmesh sim` plays.
 * Everything in it is a distribution or a rate; a seed makes one course of events of it. What one field alone cannot say
 * is in scenario-rules.ts.
 */
import { z } from 'zod'
import { CompressionSchema, ContributionSchema, PrivacySchema } from './charter.ts'
import { maliciousBorne } from './tail.ts'

const slug = z
  .string()
  .regex(/^[a-z][a-z0-9-]{0,30}[a-z0-9]$/, 'must be 2 to 32 of a-z, 0-9 and -, starting with a letter')
const ms = z.number().min(0).max(31_536_000_000)
const rate = z.number().min(0).max(1)

/**
 * A draw: a constant; uniform between two values; or `base` plus a heavy-tailed jitter, `jitter * (1 / sqrt(1 - u) - 1)`,
 * cut at 30 times `jitter` (its median is .41 `jitter`, its mean about `jitter`). Milliseconds where the field says Ms.
 */
export const DrawSchema = z.union([
  ms,
  z.strictObject({ from: ms, to: ms }),
  z.strictObject({ base: ms, jitter: ms }),
])
export type Draw = z.infer<typeof DrawSchema>

/** One direction of a connection between two hospitals. */
export const LinkSchema = z.strictObject({
  latencyMs: DrawSchema.default({ base: 10, jitter: 4 }),
  /** Share of packets lost; the transport repeats them, so that it costs time, not messages (net/link.ts). */
  lossRate: rate.default(0),
  /** Share of gossip messages that arrive twice. */
  duplicateRate: rate.default(0),
  /** Share of messages that are overtaken by later ones of the other channel or another stream. */
  reorderRate: rate.default(0),
})
export type Link = z.infer<typeof LinkSchema>

/** Hospitals that are alike; {@link hospitalIds} names them. */
export const SiteSchema = z.strictObject({
  name: slug,
  count: z.int().min(1).max(5000).default(1),
  /** Of the access line, in megabits a second; bytes wait for their turn. */
  uplinkMbps: z.number().gt(0).max(1e6).default(1000),
  downlinkMbps: z.number().gt(0).max(1e6).default(1000),
  /** Behind a firewall that lets nobody in: it dials, nobody dials it; two such need a third to relay gossip. */
  nat: z.boolean().default(false),
  /** How long one round's training takes. */
  trainingMs: DrawSchema.default({ base: 1000, jitter: 200 }),
  /** How long a commit takes; 0: at once. */
  diskMs: DrawSchema.default(0),
  /** How long its process is busy with one message and its copies: signatures, encryption, framing. 3 ms on a server core. */
  messageMs: z.number().min(0).max(60_000).default(0),
  /** How far its clock is off, either way, and how fast it drifts, in parts per million. */
  clockOffsetMs: z.number().min(-86_400_000).max(86_400_000).default(0),
  clockDriftPpm: z.number().min(-100_000).max(100_000).default(0),
})
export type Site = z.infer<typeof SiteSchema>

/** `name` where `count` is 1, else `name-01`, `name-02` and so on, with as many digits as the last needs. */
export function hospitalIds({ name, count }: Pick<Site, 'name' | 'count'>): string[] {
  if (count === 1) return [name]
  const digits = Math.max(2, String(count).length)
  return Array.from({ length: count }, (_, i) => `${name}-${String(i + 1).padStart(digits, '0')}`)
}

/** Links between two sites, in both directions. */
const BetweenSchema = z.strictObject({ sites: z.tuple([slug, slug]), ...LinkSchema.shape })

/** Which hospitals a fault strikes. */
export const WhoSchema = z.union([
  /** `any`: one at random each time. `turn`: one after the other. `all`. */
  z.enum(['any', 'turn', 'all']),
  z.array(slug).min(1).max(1000).describe('a list of names of sites or of hospitals'),
  /** So many at random each time, or such a share of all. */
  z.strictObject({ count: z.int().min(1).max(5000) }),
  z.strictObject({ share: z.number().gt(0).max(1) }),
])
export type Who = z.infer<typeof WhoSchema>

/** When it strikes: once; at a period; or at random, so often an hour on average. */
export const WhenSchema = z.union([
  z.strictObject({ atMs: ms }),
  z.strictObject({ everyMs: z.number().min(1).max(31_536_000_000), firstMs: ms.optional() }),
  z.strictObject({ perHour: z.number().gt(0).max(1e6) }),
])
export type When = z.infer<typeof WhenSchema>

const struck = { who: WhoSchema, when: WhenSchema, forMs: DrawSchema }

export const FaultSchema = z.discriminatedUnion('kind', [
  /**
   * The process is killed and started again after `forMs`. `disk`: what becomes of commits that are not durable yet. `what`:
   * where the whole machine is gone, the others notice only by its silence. `moment`: at once; or just before or after
   * its next write, or one of its next effects of any kind (message, job, write), if there is one within `forMs`.
   */
  z.strictObject({
    kind: z.literal('crash'),
    ...struck,
    disk: z.enum(['lost', 'torn']).default('lost'),
    what: z.enum(['process', 'machine']).default('process'),
    moment: z.enum(['now', 'write', 'effect']).default('now'),
  }),
  /** The site's line is down; its process goes on. */
  z.strictObject({ kind: z.literal('outage'), ...struck }),
  /** `who` cannot reach the others nor be reached. `direction`: only one way is cut (`in`: they hear nothing). */
  z.strictObject({
    kind: z.literal('partition'),
    ...struck,
    direction: z.enum(['both', 'in', 'out']).default('both'),
  }),
  /** The link between each of `who` and one random other is cut: a partial partition. */
  z.strictObject({ kind: z.literal('linkdown'), ...struck }),
  /** Everything on the links of `who` takes `delayMs` longer. */
  z.strictObject({ kind: z.literal('clog'), ...struck, delayMs: DrawSchema }),
  /** The process stands still, as a suspended virtual machine does, and then goes on. */
  z.strictObject({ kind: z.literal('pause'), ...struck }),
  /** Jobs and disk take `factor` times as long. */
  z.strictObject({ kind: z.literal('slow'), ...struck, factor: z.number().min(1).max(1000) }),
])
export type FaultSpec = z.infer<typeof FaultSchema>
export type FaultKind = FaultSpec['kind']

/** What a malicious hospital can do; each is in `sim/adversary/`. `everything`: a random one of the others each attempt. */
export const BEHAVIOURS = [
  'equivocatingProposer',
  'equivocatingVoter',
  'twoSurvivorSets',
  'wrongShares',
  'withheldShares',
  'wrongSum',
  'wrongTags',
  'lateInput',
  'replay',
  'garbage',
  'flood',
  'twoInputs',
  'twoModels',
  'eclipse',
  'vanish',
  'falseReceipts',
  'falseAccusation',
  'wrongReveal',
  'zeroUpdate',
  'scaledUpdate',
  'signFlipped',
  'labelFlipped',
  'everything',
] as const
export type Behaviour = (typeof BEHAVIOURS)[number]

export const AdversarySchema = z.strictObject({
  behaviour: z.enum(BEHAVIOURS),
  /** Of how many hospitals; those of all entries together collude, and are at most `maliciousMax`. */
  count: z.int().min(1).max(333).default(1),
})

export const ScenarioSchema = z.strictObject({
  format: z.literal('medmesh-scenario/1'),
  title: z.string().min(1).max(200),
  description: z.string().min(1).max(2000),
  sites: z.array(SiteSchema).min(1).max(1000),
  links: z
    .strictObject({
      /** Where no other entry says otherwise. */
      default: LinkSchema.prefault({}),
      /** Between hospitals of one site entry. */
      within: LinkSchema.optional(),
      between: z.array(BetweenSchema).max(1000).default([]),
    })
    .prefault({}),
  /** f; the most that the number of hospitals allows where it is left out. */
  maliciousMax: z.int().min(0).max(333).optional(),
  study: z
    .strictObject({
      rounds: z.int().min(1).max(100_000).default(5),
      /** `synthetic`: a least-squares problem with a known optimum. `tfjs`: the charter's model on the study's data. */
      learner: z.enum(['synthetic', 'tfjs']).default('synthetic'),
      /** With tfjs: folder of a study under config/studies, such as `heart-disease`. */
      data: slug.optional(),
      /** With `synthetic`: features of each row, so length of the vector. */
      features: z.int().min(1).max(10_000).default(8),
    })
    .prefault({}),
  secureSum: z
    .strictObject({
      /** Small vectors by gossip, or every vector in shards over streams. */
      delivery: z.enum(['gossip', 'shards']).default('gossip'),
      joinDeadlineMs: z.int().min(1).max(86_400_000).default(2000),
      inputDeadlineMs: z.int().min(1).max(86_400_000).default(8000),
      openDeadlineMs: z.int().min(1).max(86_400_000).default(4000),
      viewTimeoutMs: z.int().min(1).max(86_400_000).default(500),
      clockSkewMaxMs: z.int().min(1).max(86_400_000).default(60_000),
      /** Fewer bits for updates, as a charter has it. */
      compression: CompressionSchema.optional(),
    })
    .prefault({}),
  /** Noise, as a charter has it; each round is one step then. */
  privacy: PrivacySchema.optional(),
  /** Audits, as a charter has them. */
  contribution: ContributionSchema.optional(),
  /** Beyond some hundred hospitals: committees sum and one committee decides (SPEC T). */
  committees: z
    .strictObject({ size: z.int().min(4).max(64), maliciousMax: z.int().min(0).max(21) })
    .optional(),
  faults: z.array(FaultSchema).max(100).default([]),
  adversaries: z.array(AdversarySchema).max(100).default([]),
  /** After so long all faults end, links are good and everybody is there: then the next rounds must close. */
  healAtMs: z.int().min(1).max(31_536_000_000).optional(),
  /** The run ends when the study is finished, or after so much virtual time. */
  limitMs: z.int().min(1000).max(31_536_000_000).default(3_600_000),
})
/** As it is played: all defaults filled in. */
export type Scenario = z.infer<typeof ScenarioSchema>
/** As it is written. */
export type ScenarioInput = z.input<typeof ScenarioSchema>

/** All hospitals, in the order of the sites. */
export function hospitalsOf(
  scenario: Pick<Scenario, 'sites'>,
): { readonly id: string; readonly site: Site }[] {
  return scenario.sites.flatMap(site => hospitalIds(site).map(id => ({ id, site })))
}

/** f: as the scenario says, or the most that n > 3f allows; with committees, that a lot of them bears. */
export function maliciousMaxOf(
  scenario: Pick<Scenario, 'sites' | 'maliciousMax'> & { readonly committees?: Scenario['committees'] },
): number {
  const n = scenario.sites.reduce((sum, site) => sum + site.count, 0)
  const { maliciousMax, committees } = scenario
  if (maliciousMax !== undefined) return maliciousMax
  return committees ? maliciousBorne(n, committees.size, committees.maliciousMax) : Math.floor((n - 1) / 3)
}
