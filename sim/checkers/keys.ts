/**
 * Every secret is used once (SPEC S1, S2, S15): seeds and announced keys never come again, mask keys belong to one attempt and a
 * pairwise key to its two partners, who apply it with opposite signs; and keys are bound to entry, round, attempt and names:
 * of one hospital in each attempt they are derived again, as they are and with each of these changed.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts'
import { isAuditable } from '../../protocol/contribution/groups.ts'
import type { Job, JobResult, MemberId, VectorWork } from '../../protocol/ports.ts'
import type { CohortContext, PublicKeys } from '../../protocol/round/context.ts'
import { decodeSeed } from '../../protocol/round/join.ts'
import { maskPartners, pairKey } from '../../protocol/round/pair-keys.ts'
import { RECORDS } from '../../protocol/round/records.ts'
import { attemptKeys, houseKey, levelSeeds, noiseKeys, selfMaskKey } from '../../protocol/round/secrets.ts'
import type { Body } from '../../protocol/wire/messages.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import { attemptName, type CheckContext, quorumOf } from './context.ts'
import { Judge } from './judge.ts'
import { levelsOf } from './noise.ts'
import { bodyOf, heightOfKey, readMessage, readRecord } from './read.ts'

export function keys(context: CheckContext): Checker {
  return new Keys(context)
}

/** Attempts of which keys are remembered: defects repeat keys soon or at once. */
const ATTEMPTS_MAX = 16

interface Use {
  /** `self`, `pair`, `rounding`, `noise`, `learning`. */
  readonly role: string
  readonly attempt: string
  readonly by: { readonly member: MemberId; readonly sign: number }[]
}

interface Attempt {
  readonly name: string
  /** Without the members' keys: those that a derivation needs are filled in. */
  readonly context: CohortContext
  readonly keys: Map<MemberId, PublicKeys>
  readonly offers: Map<MemberId, Body<'offer'>>
  sampled: boolean
}

class Keys extends Judge {
  /** Whose it is, by the hex of a seed or of an announced key. */
  readonly #seeds = new Map<string, string>()
  /** By attempt, then by the hex of a key. */
  readonly #used = new Map<string, Map<string, Use>>()
  readonly #attempts = new Map<string, Attempt>()
  /** Announced keys and offers of all members, as they last left. */
  readonly #announced = new Map<string, Body<'keys'>>()

  constructor(context: CheckContext) {
    super('keys', context)
  }

  onCommit(host: SimHost, puts: readonly (readonly [string, Uint8Array])[]): void {
    if (!this.isHonest(host.id)) return
    for (const [key, value] of puts) {
      if (key === RECORDS.seed) this.#seed(host.id, value)
      else if (heightOfKey(key) !== undefined) this.#entry(value)
    }
  }

  #seed(host: MemberId, value: Uint8Array): void {
    const record = decodeSeed(value)
    if (!record) {
      this.fail(`${host} stores a seed that cannot be read`)
      return
    }
    this.checked++
    this.#fresh(`${host} in ${attemptName(record)}`, 'seed', record.seed)
  }

  /** A secret or public value that belongs to one member and attempt for ever. */
  #fresh(owner: string, what: string, value: Uint8Array): void {
    const name = toHex(value.subarray(0, 32))
    const before = this.#seeds.get(name)
    if (before !== undefined && before !== owner) this.fail(`${before} and ${owner} have the same ${what}`)
    this.#seeds.set(name, owner)
    trim(this.#seeds, 4 * ATTEMPTS_MAX * this.context.charter.members.length)
  }

  #entry(value: Uint8Array): void {
    const certified = readRecord(value)
    const body = certified?.entry.body
    if (!certified || body?.kind !== 'RoundOpened' || this.#attempts.has(certified.name)) return
    const { round, attempt } = body
    const cohort = body.cohort.map(c => c.member)
    const keys = new Map<MemberId, PublicKeys>()
    const context = {
      round,
      attempt,
      opened: certified.hash,
      cohort,
      keys,
      threshold: quorumOf(cohort.length, this.context.f),
      audits: isAuditable(this.context.charter, body.task),
      levels: levelsOf(this.context, body.task, cohort.length),
    }
    const name = attemptName(body)
    this.#attempts.set(certified.name, { name, context, keys, offers: new Map(), sampled: false })
    trim(this.#attempts, ATTEMPTS_MAX)
  }

  onRelease(host: SimHost, _to: MemberId | undefined, bytes: Uint8Array): void {
    const message = this.isNew(bytes) ? readMessage(bytes) : undefined
    if (message?.author !== host.id) return
    const announced = bodyOf(message, 'keys')
    if (announced) {
      this.#announced.set(`${host.id} ${attemptName(announced)}`, announced)
      trim(this.#announced, 2 * this.context.charter.members.length)
    }
    if (announced && this.isHonest(host.id)) {
      this.checked++
      const owner = `${host.id} in ${attemptName(announced)}`
      this.#fresh(owner, 'mask key', announced.mask)
      this.#fresh(owner, 'channel key', announced.channel)
      this.#fresh(owner, 'self-mask seed', announced.selfCommit)
    }
    const offer = bodyOf(message, 'offer')
    const attempt = offer && this.#attempts.get(toHex(offer.opened))
    if (offer) attempt?.offers.set(host.id, offer)
  }

  onJob(host: SimHost, job: Job, _result: JobResult): void {
    const phase = host.peer?.state.phase
    if (!this.isHonest(host.id) || !phase || !('opened' in phase)) return
    const name = attemptName(phase.opened)
    if (job.kind === 'learn') {
      this.#use(name, job.seed, 'learning', host.id, 0)
      return
    }
    const { work } = job
    if (work.kind !== 'mask') return
    this.#use(name, work.selfKey, 'self', host.id, 0)
    this.#use(name, work.roundingKey, 'rounding', host.id, 0)
    for (const { key } of work.noiseKeys ?? []) this.#use(name, key, 'noise', host.id, 0)
    for (const { key, sign } of work.pairs) this.#use(name, key, 'pair', host.id, sign)
    const attempt = this.#attempts.get(toHex(phase.openedHash))
    if (attempt && !attempt.sampled) this.#derive(host, attempt, work)
  }

  #use(attempt: string, key: Uint8Array, role: string, member: MemberId, sign: number): void {
    this.checked++
    const name = toHex(key)
    for (const [other, uses] of this.#used) {
      if (other !== attempt && uses.has(name))
        this.fail(`${member} uses a ${role} key of ${other} again in ${attempt}`)
    }
    const uses = this.#used.get(attempt) ?? new Map<string, Use>()
    this.#used.set(attempt, uses)
    trim(this.#used, ATTEMPTS_MAX)
    const use = uses.get(name) ?? { role, attempt, by: [] }
    uses.set(name, use)
    if (use.role !== role) this.fail(`${member} uses one key for ${use.role} and ${role} in ${attempt}`)
    if (use.by.some(b => b.member === member)) return
    use.by.push({ member, sign })
    if (use.by.length === 1) return
    const [a, b] = use.by
    const who = use.by.map(u => u.member).join(' and ')
    if (role !== 'pair' || use.by.length > 2) this.fail(`${who} use the same ${role} key in ${attempt}`)
    else if (a!.sign + b!.sign !== 0)
      this.fail(`${who} apply their pairwise mask with the same sign in ${attempt}`)
  }

  /** The keys of one masking again, from the seed on the disk. */
  #derive(host: SimHost, attempt: Attempt, work: VectorWork & { kind: 'mask' }): void {
    const record = decodeSeed(host.disk.get(RECORDS.seed))
    if (!record || attemptName(record) !== attempt.name) return
    attempt.sampled = true
    const { context } = attempt
    for (const m of context.cohort) {
      const announced = this.#announced.get(`${m} ${attempt.name}`)
      if (announced) attempt.keys.set(m, announced)
    }
    const own = attemptKeys(record.seed)
    const me = { id: host.id, maskSeed: own.maskSeed, pair: own.mask }
    const other = maskPartners(context, host.id).find(
      m => this.isHonest(m) && attempt.keys.has(m) && attempt.offers.has(m),
    )
    const derived: [string, Uint8Array, (c: CohortContext) => Uint8Array | undefined][] = [
      ['self', work.selfKey, c => selfMaskKey(c, own.selfSeed)],
      ['rounding', work.roundingKey, c => houseKey(c, own, 'rounding')],
    ]
    for (const { level, key } of work.noiseKeys ?? [])
      derived.push(['noise', key, c => noiseKeys(c, 1, levelSeeds(c, own))[level - 1]?.key])
    const offer = other && attempt.offers.get(other)
    const pair = offer && pairKey(context, me, other, offer)?.key
    if (other && pair) {
      if (!work.pairs.some(p => equalBytes(p.key, pair)))
        this.fail(`${host.id} masks with another key than it shares with ${other}, ${attempt.name}`)
      derived.push(['pair', pair, c => pairKey(c, me, other, offer)?.key])
    }
    for (const [role, key, derive] of derived) {
      this.checked++
      const again = derive(context)
      if (!again || !equalBytes(again, key))
        this.fail(`the ${role} key of ${host.id} is not of its seed, ${attempt.name}`)
      for (const [what, changed] of changes(context)) {
        const differs = derive(changed)
        if (differs && equalBytes(differs, key)) this.fail(`a ${role} key is not bound to its ${what}`)
      }
    }
  }
}

/** The same attempt but for one thing. */
function changes(c: CohortContext): [string, CohortContext][] {
  return [
    ['round', { ...c, round: c.round + 1 }],
    ['attempt', { ...c, attempt: c.attempt + 1 }],
    ['entry', { ...c, opened: c.opened.map((b, i) => (i === 31 ? b ^ 1 : b)) }],
  ]
}

function trim(map: Map<string, unknown>, most: number): void {
  for (const old of map.keys()) if (map.size > most) map.delete(old)
}
