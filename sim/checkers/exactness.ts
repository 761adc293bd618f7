/**
 * An opened sum is the sum of the certified survivors' quantised inputs, to the last bit, and does not wrap (SPEC S6, S7, S14); of their
 * noise it has as much as the charter promises, and no level that so many survivors do not need (P3);
 * quantised values are within their sections' bounds and one step of what the learner gave; the certified model follows from
 * the certified sum (D1), and from the learners' numbers as real numbers.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts'
import type { RoundClosed, RoundOpened, SurvivorsFixed } from '../../protocol/ledger/entry.ts'
import type { Phase } from '../../protocol/ledger/state.ts'
import { applySum } from '../../protocol/model/apply.ts'
import { initialState } from '../../protocol/model/initial.ts'
import { stateHash } from '../../protocol/model/state.ts'
import type {
  Job,
  JobResult,
  Masked,
  MemberId,
  ModelState,
  Section,
  Task,
  VectorOutput,
} from '../../protocol/ports.ts'
import { upTo, varianceOf } from '../../protocol/privacy/shares.ts'
import { publicSeedOf } from '../../protocol/round/secrets.ts'
import { residueBytes } from '../../protocol/sum/field.ts'
import { layoutFor } from '../../protocol/sum/layout.ts'
import { masksInto } from '../../protocol/sum/mask.ts'
import { noiser } from '../../protocol/sum/noised.ts'
import { rootOfBytes } from '../../protocol/sum/shards.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import { groupsIn, wrongAudit } from './audits.ts'
import { attemptName, type CheckContext } from './context.ts'
import { Inputs, type Masking } from './inputs.ts'
import { integersOf, residueSum } from './integers.ts'
import { Judge } from './judge.ts'
import { levelKept, levelsOf, promised } from './noise.ts'
import { bodyOf, heightOfKey, readMessage, readRecord } from './read.ts'
import { Residuals } from './residuals.ts'
import { isWeightedMean, NOISE_TAIL } from './weighed.ts'

export function exactness(context: CheckContext): Exactness {
  return new Exactness(context)
}

type Opened = VectorOutput & { kind: 'apply' }

/** Of what is computed in another order. */
const ALMOST = 1 - 1e-12

/** Openings that are remembered: a slow host may open a sum when the next is open elsewhere. */
const OPENINGS_MAX = 4

/** Sums opened in one attempt. */
interface Opening {
  /** What the first honest host took off a shard. */
  masked: Masked | undefined
  /** Hash of the sum, by the honest host that opened it. */
  readonly by: Map<MemberId, string>
  readonly sums: Map<string, Uint32Array>
  /** The certified sum's hash, once the round is closed. */
  certified: string | undefined
}

export class Exactness extends Judge implements Checker {
  /** Closed rounds whose certified sum was compared with the inputs. */
  sums = 0
  /** Audits that were compared with the inputs. */
  audits = 0
  /** Sums that honest hosts opened. */
  opened = 0
  /** Updates whose residual was compared with what their hospital owed. */
  residuals = 0
  /** Numbers of pairwise masks that inputs got. */
  readonly pairs = new Set<number>()
  /** Largest quantised value given in a section, as a share of what may be given there. */
  readonly largest = new Map<string, number>()
  readonly #inputs = new Inputs()
  #height = 0
  #cohort = 0
  #declared: RoundOpened['cohort'] = []
  #task: Task = 'statistics'
  #opened: Uint8Array = new Uint8Array(32)
  #fixed: { readonly body: SurvivorsFixed; readonly name: string } | undefined
  /** By the hash of the entry that fixed the survivors. */
  readonly #openings = new Map<string, Opening>()
  #model: ModelState | undefined
  readonly #applies: boolean
  readonly #residuals: Residuals
  readonly #hasResiduals: boolean
  /** The round of a committee. */
  readonly #part: number | undefined

  constructor(context: CheckContext) {
    super('exactness', context)
    const [config] = context.configs.values()
    this.#applies = config?.part?.plan.applies !== false
    this.#residuals = context.residuals ?? new Residuals()
    const { oneIn, rank } = context.charter.secureSum.compression ?? {}
    this.#hasResiduals = oneIn !== undefined || rank !== undefined
    this.#part = this.#applies ? undefined : config?.part?.plan.first
    this.#model = initialState(context.charter)
  }

  onStart(host: SimHost): void {
    this.#residuals.started(host.id)
  }

  onJob(host: SimHost, job: Job, result: JobResult): void {
    if (job.kind !== 'vector' || result.kind !== 'vector') return
    const { work } = job
    const { output } = result
    if (work.kind === 'mask' && output.kind === 'mask') {
      this.#masked(host.id, this.#inputs.masked(host.id, work, output))
    }
    const phase = host.peer?.state.phase
    if (phase?.kind !== 'fixed' || !this.isHonest(host.id)) return
    if (work.kind === 'sum' && work.masked) this.#unmasks(host.id, phase, work.masked)
    if (output.kind === 'apply') this.#opens(host.id, phase, output)
  }

  #masked(host: MemberId, masking: Masking): void {
    const { work, clear } = masking
    this.pairs.add(work.pairs.length)
    if (!this.isHonest(host)) return
    if (this.#hasResiduals && work.task === 'train') {
      this.residuals++
      if (!this.#residuals.masked(host, masking, this.#part))
        this.fail(`${host} adds another residual than it owes`)
    }
    const integers = integersOf(clear.residues, work.sections)
    let at = 0
    for (const section of work.sections) {
      const to = at + section.length
      this.#bounded(host, section, integers.slice(at, to), clear.numbers.subarray(at, to))
      at = to
    }
  }

  #bounded(host: MemberId, section: Section, integers: readonly number[], numbers: Float64Array): void {
    const { name, scale, bound, noise } = section
    const deviation = Math.sqrt(varianceOf(noise))
    let most = 0
    let off = 0
    for (let i = 0; i < integers.length; i++) {
      const q = integers[i]!
      const exact = Math.min(bound, Math.max(-bound, numbers[i]!)) * scale
      most = Math.max(most, Math.abs(q))
      off = Math.max(off, Math.abs(q - exact))
    }
    // Rounding may go to either side of a bound that is no integer multiple of a step.
    if (most > bound * scale + 1 + NOISE_TAIL * deviation)
      this.fail(`${host}: section ${name} is beyond its bound`)
    if (off >= 1 + NOISE_TAIL * deviation) this.fail(`${host}: section ${name} is quantised wrongly`)
    // That all draws are nearly 0 has about this chance.
    const chance = deviation ** -integers.length
    if (noise && off < 1 && chance < 1e-12) this.fail(`${host}: section ${name} carries no noise`)
    const share = most >= Math.floor(bound * scale) ? 1 : most / (bound * scale)
    this.largest.set(name, Math.max(share, this.largest.get(name) ?? 0))
  }

  #unmasks(host: MemberId, phase: Phase & { kind: 'fixed' }, masked: Masked): void {
    this.#openingOf(phase).masked ??= masked
    const { cohort, task } = phase.opened
    const survivors = phase.fixed.survivors.length
    const kept = levelKept(this.context, task, cohort.length, survivors)
    const levels = levelsOf(this.context, task, cohort.length)
    const off = masked.excess?.keys.map(k => k.level) ?? []
    const expected = Array.from({ length: levels - kept }, (_, i) => kept + 1 + i)
    const isRight = off.length === survivors * expected.length && expected.every(level => off.includes(level))
    if (!isRight || Math.min(...off) <= kept)
      this.fail(`${host} takes noise of levels ${off.join()} off, round ${attemptName(phase.fixed)}`)
  }

  #openingOf(phase: Phase & { kind: 'fixed' }): Opening {
    const fixed = toHex(phase.fixedHash)
    const known = this.#openings.get(fixed)
    if (known) return known
    const opening: Opening = { masked: undefined, by: new Map(), sums: new Map(), certified: undefined }
    this.#openings.set(fixed, opening)
    for (const old of this.#openings.keys())
      if (this.#openings.size > OPENINGS_MAX) this.#openings.delete(old)
    return opening
  }

  #opens(host: MemberId, phase: Phase & { kind: 'fixed' }, opened: Opened): void {
    this.opened++
    const { by, sums, certified } = this.#openingOf(phase)
    // Of a large sum the model has the memory; the certified one is compared with the inputs in any case.
    const hash = toHex(rootOfBytes(residueBytes(opened.sum!), phase.fixed.owners.length))
    by.set(host, hash)
    if (opened.sum && sums.size < 4) sums.set(hash, opened.sum)
    if (certified && certified !== hash) this.#another(host, `round ${attemptName(phase.fixed)}`)
  }

  #another(host: MemberId, what: string): void {
    this.fail(`${what}: ${host} opened another sum than the certified one`)
  }

  onRelease(host: SimHost, _to: MemberId | undefined, bytes: Uint8Array): void {
    if (this.isHonest(host.id)) return
    const message = readMessage(bytes)
    if (message?.author !== host.id) return
    const input = bodyOf(message, 'input')
    if (input) this.#inputs.sent(host.id, input)
    const part = bodyOf(message, 'part')
    if (part) this.#inputs.sent(host.id, part)
  }

  onCommit(host: SimHost, puts: readonly (readonly [string, Uint8Array])[]): void {
    if (!this.isHonest(host.id)) return
    if (this.#hasResiduals) this.#settle(host, puts)
    for (const [key, value] of puts) {
      if (heightOfKey(key) !== this.#height + 1) continue
      const certified = readRecord(value)
      if (!certified) continue
      this.#height++
      const { body } = certified.entry
      if (body.kind === 'RoundOpened') {
        this.#cohort = body.cohort.length
        this.#declared = body.cohort
        this.#task = body.task
        this.#opened = certified.hash
      } else if (body.kind === 'SurvivorsFixed') this.#fixed = { body, name: certified.name }
      else if (body.kind === 'RoundClosed') this.#close(host, body)
    }
  }

  #settle(host: SimHost, puts: readonly (readonly [string, Uint8Array])[]): void {
    for (const [key, value] of puts) {
      const body = heightOfKey(key) === undefined ? undefined : readRecord(value)?.entry.body
      if (body?.kind === 'SurvivorsFixed' || body?.kind === 'RoundAborted')
        this.#residuals.settled(host.id, body)
    }
  }

  /** The first honest host has stored the end of a round. */
  #close(host: SimHost, body: RoundClosed): void {
    const what = `round ${attemptName(body)}`
    const fixed = this.#fixed
    if (!fixed || attemptName(fixed.body) !== attemptName(body)) return
    const certified = toHex(body.sum)
    const opening = this.#openings.get(fixed.name)
    const sum = this.#sumOf(fixed.body, opening?.masked, what)
    if (sum) {
      this.checked++
      this.sums++
      if (rootName(sum, fixed.body) !== certified) this.fail(`${what}: ${this.#wrong(fixed.body, certified)}`)
    }
    for (const [by, hash] of opening?.by ?? []) if (hash !== certified) this.#another(by, what)
    if (opening) opening.certified = certified
    // A part's sum makes no model of its own.
    if (!this.#applies) return
    const opened =
      opening?.sums.get(certified) ?? (sum && rootName(sum, fixed.body) === certified ? sum : undefined)
    this.#follow(host, body, fixed.body, opened, what)
  }

  /** What is wrong with a certified sum. */
  #wrong(fixed: SurvivorsFixed, certified: string): string {
    const kept = this.#kept(fixed)
    const levels = levelsOf(this.context, this.#task, this.#cohort)
    const maskings = this.#maskingsOf(fixed)
    for (let level = 0; maskings && level <= levels; level++) {
      const isThis = rootName(residueSum(maskings.map(m => m.clear.kept(level))), fixed) === certified
      if (isThis && level < kept) return 'less noise than the charter promises is in the certified sum'
      if (isThis) return 'noise that should have come off is in the certified sum'
    }
    return "the certified sum is not the sum of the survivors' inputs"
  }

  #kept(fixed: SurvivorsFixed): number {
    return levelKept(this.context, this.#task, this.#cohort, fixed.survivors.length)
  }

  /** Of all survivors, or of those among `members`; undefined where a liar is among them, or none is there. */
  #maskingsOf({ survivors }: SurvivorsFixed, members?: readonly MemberId[]): readonly Masking[] | undefined {
    const of = survivors.filter(s => members?.includes(s.member) !== false)
    const maskings = of.flatMap(({ member, root }) => {
      const masking = this.isHonest(member) ? this.#inputs.maskingOf(member, toHex(root)) : undefined
      return masking ? [masking] : []
    })
    return maskings.length === of.length && of.length > 0 ? maskings : undefined
  }

  /** What the certified sum must be; undefined: what a liar has put in is not known. */
  #sumOf(fixed: SurvivorsFixed, masked: Masked | undefined, what: string): Uint32Array | undefined {
    const survivors = fixed.survivors.map(({ member, root }) => ({ member, root: toHex(root) }))
    for (const { member, root } of survivors) {
      if (!this.isHonest(member) || this.#inputs.maskingOf(member, root)) continue
      this.fail(`${what}: nobody saw the input of ${member}`)
      return undefined
    }
    const maskings = this.#maskingsOf(fixed)
    if (maskings) return this.#exact(maskings, this.#kept(fixed), what)
    // A liar may add any vector of the field: what counts is what it committed to, less what its masks should have been.
    const vectors = survivors.map(s => this.#inputs.committed(s.member, s.root))
    if (!masked || !vectors.every(v => v !== undefined)) return undefined
    const sum = residueSum(vectors)
    masksInto(sum, masked.masks)
    if (masked.excess) noiser(masked.excess, -1)(sum)
    return sum
  }

  #exact(maskings: readonly Masking[], kept: number, what: string): Uint32Array {
    const { sections, task } = maskings[0]!.work
    const adding = maskings.length - Math.max(this.context.f, 1)
    for (const section of sections)
      if (adding * varianceOf(section.noise, kept) < promised(this.context.charter, task, section) * ALMOST)
        this.fail(`${what}: section ${section.name} has less noise than the charter promises`)
    const vectors = maskings.map(m => m.clear.kept(kept))
    const sum = residueSum(vectors)
    const inputs = vectors.map(v => integersOf(v, sections))
    integersOf(sum, sections).forEach((integer, i) => {
      if (inputs.reduce((x, input) => x + input[i]!, 0) !== integer) this.fail(`${what}: the sum has wrapped`)
    })
    return sum
  }

  #follow(
    host: SimHost,
    body: RoundClosed,
    fixed: SurvivorsFixed,
    sum: Uint32Array | undefined,
    what: string,
  ): void {
    const { charter } = this.context
    const before = this.#model
    this.#model = undefined
    const survivors = fixed.survivors.map(s => s.member)
    const groups = groupsIn(charter, survivors, body)
    if (body.audit) this.#audited(fixed, body.audit, groups, what)
    const counting = groups.filter((_, g) => body.audit?.groups[g]?.counts !== false).flat()
    const counted = counting.length === survivors.length ? sum : this.#clearSum(fixed, counting)
    if (counted && before) {
      const kept = this.#kept(fixed)
      const sections = layoutFor(charter, this.#task, this.#cohort, body.round).map(s => upTo(s, kept))
      const publicSeed = publicSeedOf(this.#opened, body.round)
      const next = applySum(charter, this.#task, sections, counted, before, publicSeed).state
      this.checked++
      if (!equalBytes(stateHash(next), body.model))
        this.fail(`${what}: the certified model does not follow from the certified sum`)
      else this.#model = next
      if (this.#task === 'train') this.#weighed(fixed, counting, before, next, what)
    }
    const held = host.model
    if (!this.#model && held && equalBytes(stateHash(held), body.model)) this.#model = held
  }

  /** Of these survivors, whose sums carry no noise; undefined: one is no honest one, or there are none. */
  #clearSum(fixed: SurvivorsFixed, members: readonly MemberId[]): Uint32Array | undefined {
    const maskings = this.#maskingsOf(fixed, members)
    return maskings && residueSum(maskings.map(m => m.clear.kept(0)))
  }

  #audited(
    fixed: SurvivorsFixed,
    audit: NonNullable<RoundClosed['audit']>,
    groups: readonly (readonly MemberId[])[],
    what: string,
  ): void {
    this.audits++
    this.checked++
    const honest = (m: MemberId) => this.#maskingsOf(fixed, [m])?.[0]
    const { charter } = this.context
    const wrong = wrongAudit(charter, this.#declared, groups, audit, honest)
    if (wrong !== undefined) this.fail(`${what}: the certified audit ${wrong}`)
  }

  #weighed(
    fixed: SurvivorsFixed,
    members: readonly MemberId[],
    before: ModelState,
    after: ModelState,
    what: string,
  ): void {
    const maskings = this.#maskingsOf(fixed, members)
    if (!maskings) return
    const isMean = isWeightedMean(this.context.charter, maskings, before.parameters, after.parameters)
    // Hardly any rows: rounding could be all of it.
    if (isMean === undefined) return
    this.checked++
    if (!isMean) this.fail(`${what}: the certified model is not the weighted mean of the updates`)
  }
}

function rootName(sum: Uint32Array, { owners }: SurvivorsFixed): string {
  return toHex(rootOfBytes(residueBytes(sum), owners.length))
}
