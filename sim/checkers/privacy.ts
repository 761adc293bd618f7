/**
 * From all that any coalition of f members holds, no honest member's two secrets and no sum of fewer than two honest inputs
 * can be computed (SPEC S10, L6; THREATS).
 *
 * Symbolic: of each honest dealer D it is noted which honest members have revealed their share of D's self-mask seed and of
 * its mask seed, told apart by the digests that D published. A coalition C that has all actual liars L in it, of f members
 * (one, where f is 0: everybody is curious), holds its own shares of both kinds.
 *
 * Both secrets of D: is there a C with |R_self + C| >= t and |R_mask + C| >= t? Of the members that could still be corrupted,
 * those that revealed nothing of D count for both kinds, so they are taken first: the fewest that are needed follow in
 * closed form (`fewest`).
 *
 * One input: honest members are joined by the pairwise masks that nobody outside the pair can compute. A sum that can be
 * computed is that of a whole component of this graph, of members whose masked inputs have left and whose self masks are
 * known; with two or more honest members in it nobody's input stands alone. So D's input is exposed if its self mask is
 * known and all its partners are in C or their mask seeds known, or its own mask seed is. For the worst C each of these
 * conditions gets all corruptions that are left, though one C must serve for all: no leak is missed by that, and a
 * protocol that keeps to its rules stays clear of it by the difference between f and f + 2 survivors.
 *
 * Of the seeds of levels of noise an honest member reveals no share but those that the entry opens, of survivors alone: with any other the
 * noise that is promised could come off.
 *
 * Every masked input that an honest member lets go counts as public, also a slice on its way to one owner. A pairwise mask whose key an
 * honest member has opened for an audit joins nobody any more; it opens those with survivors outside its group, and no other.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts'
import { isAuditable } from '../../protocol/contribution/groups.ts'
import type { RoundOpened, SurvivorsFixed } from '../../protocol/ledger/entry.ts'
import type { Job, MemberId, Task } from '../../protocol/ports.ts'
import type { CohortContext } from '../../protocol/round/context.ts'
import { nameOf, type SeedKind, seedKinds, shareDigest } from '../../protocol/round/secrets.ts'
import { partners } from '../../protocol/sum/pairs.ts'
import type { Body } from '../../protocol/wire/messages.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import { attemptName, type CheckContext, quorumOf } from './context.ts'
import { Judge } from './judge.ts'
import { levelKept, levelsOf } from './noise.ts'
import { bodyOf, heightOfKey, readMessage, readRecord } from './read.ts'

export function privacy(context: CheckContext): Checker {
  return new Privacy(context)
}

/** Attempts that are remembered: what is revealed of an older one would still be a leak. */
const ATTEMPTS_MAX = 8

const SELF = 1
const MASK = 2

/** One attempt, by positions in its cohort. */
interface Attempt {
  readonly name: string
  readonly context: CohortContext
  readonly task: Task
  readonly position: ReadonlyMap<MemberId, number>
  readonly honest: readonly boolean[]
  readonly liars: number
  readonly digests: ReadonlyMap<MemberId, Uint8Array>
  /** [n * dealer + holder]: which of the dealer's seeds an honest holder has revealed its share of. */
  readonly revealed: Uint8Array
  /** Of each dealer: honest holders that revealed a share of the self-mask seed, of the mask seed, of both. */
  readonly self: Uint32Array
  readonly mask: Uint32Array
  readonly both: Uint32Array
  /** Root and shard hashes of the masked input that an honest member let go. */
  readonly inputs: (Body<'input'> | undefined)[]
  /** Certified survivors, by the hash of the entry. */
  readonly fixed: Map<string, ReadonlySet<MemberId>>
  /** With whom an honest member shares the key of a mask: `${member} ${key}`. */
  readonly pairKeys: Map<string, MemberId>
  /** Of each member, those whose pairwise mask with it is not open. */
  readonly partners: readonly Set<number>[]
}

class Privacy extends Judge {
  readonly #attempts = new Map<string, Attempt>()
  /** Digests of the shares that honest members dealt, by attempt: an offer may leave before its entry is durable anywhere. */
  readonly #offers = new Map<string, Map<MemberId, Uint8Array>>()

  constructor(context: CheckContext) {
    super('privacy', context)
  }

  /** Members that a coalition may still get beyond the actual liars; undefined: there are more liars than was agreed. */
  get #left(): number | undefined {
    const left = Math.max(this.context.f, 1) - this.context.liars.size
    return this.context.liars.size > this.context.f ? undefined : left
  }

  onCommit(host: SimHost, puts: readonly (readonly [string, Uint8Array])[]): void {
    if (!this.isHonest(host.id)) return
    for (const [key, value] of puts) {
      if (heightOfKey(key) === undefined) continue
      const certified = readRecord(value)
      const body = certified?.entry.body
      // Two entries of one kind for one attempt are both in force somewhere.
      if (certified && body?.kind === 'RoundOpened') this.#open(body, certified.hash)
      if (certified && body?.kind === 'SurvivorsFixed') this.#fix(body, certified.name)
    }
  }

  #open(body: RoundOpened, opened: Uint8Array): void {
    const name = toHex(opened)
    if (this.#attempts.has(name)) return
    const { round, attempt } = body
    const cohort = body.cohort.map(c => c.member)
    const n = cohort.length
    const honest = cohort.map(m => this.isHonest(m))
    this.#attempts.set(name, {
      name: `round ${attemptName(body)}`,
      context: {
        round,
        attempt,
        opened,
        cohort,
        keys: new Map(),
        threshold: quorumOf(n, this.context.f),
        audits: isAuditable(this.context.charter, body.task),
        levels: levelsOf(this.context, body.task, n),
      },
      task: body.task,
      position: new Map(cohort.map((m, i) => [m, i])),
      honest,
      liars: honest.filter(h => !h).length,
      digests: this.#digests(name),
      revealed: new Uint8Array(n * n),
      self: new Uint32Array(n),
      mask: new Uint32Array(n),
      both: new Uint32Array(n),
      inputs: [],
      fixed: new Map(),
      pairKeys: new Map(),
      partners: cohort.map((_, i) => new Set(partners(n, i, opened))),
    })
    trim(this.#attempts)
  }

  #digests(opened: string): Map<MemberId, Uint8Array> {
    const known = this.#offers.get(opened) ?? new Map<MemberId, Uint8Array>()
    this.#offers.set(opened, known)
    trim(this.#offers)
    return known
  }

  #fix(body: SurvivorsFixed, name: string): void {
    for (const a of this.#attempts.values()) {
      if (a.context.round === body.round && a.context.attempt === body.attempt)
        a.fixed.set(name, new Set(body.survivors.map(s => s.member)))
    }
  }

  onRelease(host: SimHost, _to: MemberId | undefined, bytes: Uint8Array): void {
    if (!this.isHonest(host.id) || !this.isNew(bytes)) return
    const message = readMessage(bytes)
    if (message?.author !== host.id) return
    const offer = bodyOf(message, 'offer')
    if (offer) this.#digests(toHex(offer.opened)).set(host.id, offer.digests)
    const input = bodyOf(message, 'input')
    if (input) this.#input(host.id, input)
    const reveal = bodyOf(message, 'reveal')
    if (reveal) this.#reveal(host.id, reveal)
    const pairs = bodyOf(message, 'pairs')
    if (pairs) this.#pairs(host, pairs)
  }

  #pairs(host: SimHost, body: Body<'pairs'>): void {
    const a = this.#of(body)
    const survivors = a?.fixed.get(toHex(body.fixed))
    if (!a || !survivors) {
      this.fail(
        `${host.id} opens pairwise masks for survivors that nobody has certified, ${attemptName(body)}`,
      )
      return
    }
    this.checked++
    const own = a.position.get(host.id)!
    for (let at = 0; at < body.keys.length; at += 32) {
      const other = a.pairKeys.get(`${host.id} ${toHex(body.keys.subarray(at, at + 32))}`)
      const i = other === undefined ? undefined : a.position.get(other)
      if (other === undefined || i === undefined || !survivors.has(other)) {
        this.fail(`${host.id} opens what is no mask of its own with a survivor, ${a.name}`)
        continue
      }
      a.partners[own]!.delete(i)
      a.partners[i]!.delete(own)
    }
    for (let i = 0; i < a.honest.length; i++) this.#exposed(a, i)
  }

  /** Keys of pairwise masks come in the cohort's order. */
  onJob(host: SimHost, job: Job): void {
    const phase = host.peer?.state.phase
    const work = job.kind === 'vector' && job.work.kind === 'mask' ? job.work : undefined
    if (!work || !phase || !('opened' in phase)) return
    const a = this.#attempts.get(toHex(phase.openedHash))
    if (!a?.context.audits || !this.isHonest(host.id)) return
    const others = a.context.cohort.filter(m => m !== host.id)
    for (const [i, { key }] of work.pairs.entries()) a.pairKeys.set(`${host.id} ${toHex(key)}`, others[i]!)
  }

  /** The attempt that a message of an opening belongs to, or the last one of its number. */
  #of(body: {
    readonly round: number
    readonly attempt: number
    readonly fixed: Uint8Array
  }): Attempt | undefined {
    const of = [...this.#attempts.values()].filter(
      a => a.context.round === body.round && a.context.attempt === body.attempt,
    )
    return of.find(x => x.fixed.has(toHex(body.fixed))) ?? of.at(-1)
  }

  /** Two inputs under the same masks: their difference is in the clear. */
  #input(host: MemberId, body: Body<'input'>): void {
    const a = this.#attempts.get(toHex(body.opened))
    const i = a?.position.get(host)
    if (!a || i === undefined) return
    const before = a.inputs[i]
    if (!before) {
      this.checked++
      a.inputs[i] = body
      this.#exposed(a, i)
    } else if (!equalBytes(before.hashes, body.hashes)) this.fail(`${host} masks two inputs alike, ${a.name}`)
  }

  #reveal(host: MemberId, body: Body<'reveal'>): void {
    const a = this.#of(body)
    const holder = a?.position.get(host)
    if (!a || holder === undefined) {
      this.fail(`${host} reveals shares of ${attemptName(body)}, which it is not in`)
      return
    }
    const survivors = a.fixed.get(toHex(body.fixed))
    if (!survivors) this.fail(`${host} reveals shares for survivors that nobody has certified, ${a.name}`)
    const wanted = this.#wanted(a, survivors)
    if (body.shares.length !== 32 * wanted.length) {
      this.fail(`${host} does not reveal one share of each member, ${a.name}`)
      return
    }
    this.checked++
    wanted.forEach(([dealer, asked], at) => {
      const i = a.position.get(dealer)!
      if (!a.honest[i]) return
      const share = body.shares.subarray(32 * at, 32 * at + 32)
      const kind = this.#kindOf(a, dealer, host, share, asked)
      if (kind === undefined) {
        this.fail(`${host} reveals what ${dealer} has not dealt, ${a.name}`)
        return
      }
      if (survivors && kind !== asked)
        this.fail(`${host} reveals the ${nameOf(kind)} seed of ${dealer} against the entry, ${a.name}`)
      if (typeof kind !== 'number') this.#note(a, i, holder, kind)
    })
    for (let i = 0; i < a.honest.length; i++) this.#exposed(a, i)
  }

  /** What a reveal may hold, in its order. */
  #wanted(a: Attempt, survivors: ReadonlySet<MemberId> | undefined): readonly [MemberId, SeedKind][] {
    const { cohort, levels } = a.context
    const all = cohort.map((m): [MemberId, SeedKind] => [m, survivors?.has(m) === false ? 'mask' : 'self'])
    if (!survivors || levels === 0) return all
    const off = levelKept(this.context, a.task, cohort.length, survivors.size) + 1
    if (off > levels) return all
    return [...all, ...cohort.filter(m => survivors.has(m)).map((m): [MemberId, SeedKind] => [m, off])]
  }

  /** Which of the shares that `dealer` dealt to `holder` this is; undefined: none. */
  #kindOf(
    a: Attempt,
    dealer: MemberId,
    holder: MemberId,
    share: Uint8Array,
    first: SeedKind,
  ): SeedKind | undefined {
    const digests = a.digests.get(dealer)
    if (!digests) return first
    const kinds = seedKinds(a.context)
    const at = kinds.length * a.position.get(holder)!
    const fits = (kind: SeedKind) => {
      const from = 32 * (at + kinds.indexOf(kind))
      return equalBytes(
        shareDigest(a.context, kind, dealer, holder, share),
        digests.subarray(from, from + 32),
      )
    }
    return [first, ...kinds].find(fits)
  }

  #note(a: Attempt, dealer: number, holder: number, kind: 'self' | 'mask'): void {
    const at = a.context.cohort.length * dealer + holder
    const before = a.revealed[at]!
    const now = before | (kind === 'self' ? SELF : MASK)
    if (now === before) return
    a.revealed[at] = now
    const counts = kind === 'self' ? a.self : a.mask
    counts[dealer]!++
    if (now !== (SELF | MASK)) return
    a.both[dealer]!++
    const [d, h] = [a.context.cohort[dealer], a.context.cohort[holder]]
    this.fail(`${h} reveals its shares of both seeds of ${d}, ${a.name}`)
  }

  /** Whether a coalition of f members can compute both secrets, or the input, of an honest member. */
  #exposed(a: Attempt, i: number): void {
    const left = this.#left
    if (left === undefined || !a.honest[i]) return
    const who = a.context.cohort[i]
    const needed = fewest(a, i)
    if (needed <= left) {
      const by = needed === 0 ? 'the liars' : `${this.context.f} hospitals together`
      this.fail(`${by} can compute both secrets of ${who}, ${a.name}`)
    }
    if (!a.inputs[i] || !isNear(a, a.self[i]!, left)) return
    const open = [...a.partners[i]!].filter(j => a.honest[j] && !isNear(a, a.mask[j]!, left)).length
    if (open > left && !isNear(a, a.mask[i]!, left)) return
    this.fail(`${Math.max(1, this.context.f)} hospitals together can compute the input of ${who}, ${a.name}`)
  }
}

function trim(attempts: Map<string, unknown>): void {
  for (const old of attempts.keys()) if (attempts.size > ATTEMPTS_MAX) attempts.delete(old)
}

/** Whether the shares that honest holders revealed, the liars' and those of `left` more members are t. */
function isNear(a: Attempt, revealed: number, left: number): boolean {
  return revealed + a.liars + left >= a.context.threshold
}

/**
 * How many honest members beside the liars a coalition must have in it to compute both seeds of the dealer at `i`. With a and
 * b shares missing of the two kinds: who has revealed nothing of the dealer gives one of each, so k = min(nothing,
 * max(a, b)) of these are taken, and the rest of those that have revealed the other kind only.
 */
function fewest(a: Attempt, i: number): number {
  const { threshold, cohort } = a.context
  const [self, mask, both] = [a.self[i]!, a.mask[i]!, a.both[i]!]
  const own = a.revealed[cohort.length * i + i]!
  // The dealer is no member of a coalition against itself.
  const nothing = cohort.length - a.liars - (self + mask - both) - (own === 0 ? 1 : 0)
  const onlySelf = self - both - (own === SELF ? 1 : 0)
  const onlyMask = mask - both - (own === MASK ? 1 : 0)
  const missing = {
    self: Math.max(0, threshold - self - a.liars),
    mask: Math.max(0, threshold - mask - a.liars),
  }
  const k = Math.min(nothing, Math.max(missing.self, missing.mask))
  const moreSelf = Math.max(0, missing.self - k)
  const moreMask = Math.max(0, missing.mask - k)
  return moreSelf <= onlyMask && moreMask <= onlySelf ? k + moreSelf + moreMask : Number.POSITIVE_INFINITY
}
