/**
 * What must hold in every run, whatever befell it: checked against taps that see more than any peer does. Each check
 * adds a sentence to `problems`; `check` counts what it has checked, so that a test cannot pass by checking nothing.
 */
import { concatBytes, equalBytes, toHex } from '../../protocol/bytes.ts'
import { parseConsensus } from '../../protocol/consensus/message.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { verdictOf } from '../../protocol/fault.ts'
import { decodeRecord } from '../../protocol/ledger/certificate.ts'
import { decodeEntry, type Entry, type SurvivorsFixed } from '../../protocol/ledger/entry.ts'
import { verifyLedger } from '../../protocol/ledger/verify.ts'
import { applySum } from '../../protocol/model/apply.ts'
import { initialState } from '../../protocol/model/initial.ts'
import { stateHash } from '../../protocol/model/state.ts'
import type { Event, Job, JobResult, MemberId, ModelState, Section } from '../../protocol/ports.ts'
import { addInto, residueBytes } from '../../protocol/sum/field.ts'
import { quantiseSections } from '../../protocol/sum/kernels.ts'
import { layoutFor } from '../../protocol/sum/layout.ts'
import { centre, quantisedMax } from '../../protocol/sum/quantise.ts'
import { decode } from '../../protocol/wire/codec.ts'
import { openEnvelope } from '../../protocol/wire/envelope.ts'
import { BODIES } from '../../protocol/wire/messages.ts'
import type { SimHost } from '../../sim/host.ts'
import { type Consortium, type ConsortiumOptions, consortium } from './consortium.ts'

/** A consortium that is watched; options as for `consortium`. */
export function audited(o: ConsortiumOptions): { c: Consortium; audit: Audit } {
  const audit = new Audit()
  const c = consortium({
    keepJobs: false,
    ...o,
    onJob: (host, job, result) => {
      audit.onJob(host, job, result)
      o.onJob?.(host, job, result)
    },
    onEvent: (host, event) => {
      audit.onEvent(host, event)
      o.onEvent?.(host, event)
    },
    world: {
      ...o.world,
      observers: [
        { onRelease: (host, to, bytes) => audit.onRelease(host.id, to ?? '', bytes) },
        ...(o.world?.observers ?? []),
      ],
    },
  })
  return { c, audit }
}

export interface Checked {
  /** RoundClosed entries whose sum was found to be exact. */
  readonly sums: number
  /** Sums that peers opened themselves and that were compared element by element. */
  readonly opened: number
}

interface Opened {
  readonly host: MemberId
  readonly fixed: SurvivorsFixed
  readonly sum: Uint32Array
}

export class Audit {
  readonly problems: string[] = []
  /** Hosts whose word counts for nothing: adversaries. */
  readonly liars = new Set<MemberId>()
  /** Numbers of pairwise masks that inputs got. */
  readonly pairs = new Set<number>()
  /** Largest quantised value that a hospital gave in a section, as a fraction of what it may give there. */
  readonly largest = new Map<string, number>()
  /** Quantised inputs, by hospital and commitment. */
  readonly #inputs = new Map<string, Uint32Array>()
  readonly #opened: Opened[] = []
  /** SHA-256 of all that was sent, in its order. */
  #wire: Uint8Array = new Uint8Array(32)
  readonly #models = new Map<number, string>()
  readonly #said = new Map<string, Uint8Array>()
  readonly #receipts = new Map<string, ReadonlyMap<number, Uint8Array>>()
  readonly #parsed = new WeakSet<Uint8Array>()

  get wireHash(): string {
    return toHex(this.#wire)
  }

  onJob(host: SimHost, job: Job, result: JobResult): void {
    if (job.kind !== 'vector' || result.kind !== 'vector') return
    const { work } = job
    const { output } = result
    if (work.kind === 'mask' && output.kind === 'mask') {
      const residues = quantiseSections(work.values, work.sections, work.roundingKey)
      this.pairs.add(work.pairs.length)
      this.#bounded(host.id, residues, work.sections)
      this.#inputs.set(`${host.id}/${toHex(sha256(concatBytes(...output.shardHashes)))}`, residues)
    }
    const phase = host.peer?.state.phase
    if (output.kind === 'unmask' && phase?.kind === 'fixed') {
      this.#opened.push({ host: host.id, fixed: phase.fixed, sum: output.sum })
    }
  }

  onEvent(host: SimHost, event: Event): void {
    if (event.kind !== 'roundClosed' || !host.peer) return
    const { model, state } = host.peer
    if (model && !equalBytes(stateHash(model), state.modelHash)) {
      this.problems.push(`${host.id} holds another model than its ledger names, round ${event.round}`)
    }
    const other = this.#models.get(event.round) ?? event.modelHash
    if (other !== event.modelHash)
      this.problems.push(`${host.id} ends round ${event.round} with another model`)
    this.#models.set(event.round, other)
  }

  /** `to`: empty where it is published. */
  onRelease(from: MemberId, to: MemberId, bytes: Uint8Array): void {
    this.#wire = sha256(this.#wire, new TextEncoder().encode(`${from} ${to} `), bytes)
    if (this.#parsed.has(bytes) || this.liars.has(from)) return
    this.#parsed.add(bytes)
    this.#remember(from, to, bytes)
  }

  /** Everything; `names`: whose ledgers count, by default all. */
  check(c: Consortium, names: readonly MemberId[] = [...c.world.hosts.keys()]): Checked {
    const honest = names.filter(m => !this.liars.has(m))
    const ledgers = honest.map(m => ({ host: m, entries: ledgerOf(c.world.host(m)) }))
    const longest = ledgers.reduce((a, b) => (b.entries.length > a.entries.length ? b : a))
    for (const { host, entries } of ledgers) {
      entries.forEach((e, i) => {
        if (!equalBytes(e.bytes, longest.entries[i]!.bytes))
          this.problems.push(`${host} and ${longest.host} hold different entries ${i + 1}`)
      })
    }
    this.#certified(c, longest.host)
    this.#accusations(c, longest.entries)
    const sums = this.#replay(c, longest.entries)
    return { sums, opened: this.#opened.filter(o => !this.liars.has(o.host)).length }
  }

  #certified(c: Consortium, host: MemberId): void {
    const { charter } = c
    const { charterHash, network } = c.configs.get(host)!
    const initialModelHash = stateHash(initialState(charter))
    const records = recordsOf(c.world.host(host)).map(bytes => {
      const record = decodeRecord(bytes)
      if (!record.ok) throw new Error(record.error)
      return record.value
    })
    const report = verifyLedger({ charter, charterHash, network, initialModelHash }, records)
    if (!report.ok) this.problems.push(`ledger of ${host}: ${report.error.height} ${report.error.reason}`)
  }

  /** No honest member is ever held to have lied, in public or in private. */
  #accusations(c: Consortium, entries: readonly Stored[]): void {
    for (const { host, peer, fault } of c.faults) {
      if (!this.liars.has(host) && !this.liars.has(peer) && verdictOf(fault) === 'reject')
        this.problems.push(`${host} holds ${fault.code} against ${peer}: ${fault.detail}`)
    }
    for (const { entry } of entries) {
      const { body } = entry
      const named =
        body.kind === 'RoundClosed' ? body.faults : body.kind === 'RoundAborted' ? body.culprits : []
      for (const { member, code } of named) {
        if (verdictOf({ code, detail: '' }) === 'reject' && !this.liars.has(member))
          this.problems.push(`entry ${entry.height} names ${member} for ${code}`)
      }
      if (body.kind !== 'SurvivorsFixed') continue
      for (const { member, reason } of body.leftOut) {
        if (reason === 'corrupt' && !this.liars.has(member))
          this.problems.push(`entry ${entry.height} calls the input of ${member} corrupt`)
      }
    }
  }

  /** All models again, from nothing but the quantised inputs that were tapped. */
  #replay(c: Consortium, entries: readonly Stored[]): number {
    let state: ModelState = initialState(c.charter)
    let fixed: SurvivorsFixed | undefined
    let cohort = 0
    let sums = 0
    for (const { entry } of entries) {
      const { body } = entry
      if (body.kind === 'RoundOpened') cohort = body.cohort.length
      if (body.kind === 'SurvivorsFixed') fixed = body
      if (body.kind !== 'RoundClosed') continue
      const what = `round ${body.round}.${body.attempt}`
      const sum = fixed && this.#sumOf(fixed, what)
      if (!fixed || !sum) continue
      this.#openings(fixed, sum, what)
      if (!equalBytes(sha256(residueBytes(sum)), body.sum)) {
        this.problems.push(`${what}: the certified sum is not the sum of the survivors' inputs`)
        continue
      }
      const task =
        body.round === 0 ? 'statistics' : body.round > c.charter.training.rounds ? 'evaluate' : 'train'
      state = applySum(c.charter, task, layoutFor(c.charter, task, cohort), sum, state).state
      if (!equalBytes(stateHash(state), body.model))
        this.problems.push(`${what}: the certified model is another one`)
      sums++
    }
    return sums
  }

  #sumOf(fixed: SurvivorsFixed, what: string): Uint32Array | undefined {
    let sum: Uint32Array | undefined
    let exact: number[] | undefined
    for (const { member, root } of fixed.survivors) {
      const input = this.#inputs.get(`${member}/${toHex(root)}`)
      if (!input) {
        // A liar's commitment is its own affair.
        if (!this.liars.has(member)) this.problems.push(`${what}: nobody saw the input of ${member}`)
        return undefined
      }
      sum ??= new Uint32Array(input.length)
      exact ??= new Array<number>(input.length).fill(0)
      addInto(sum, input)
      for (let i = 0; i < input.length; i++) exact[i]! += centre(input[i]!)
    }
    if (sum?.some((r, i) => centre(r) !== exact![i])) this.problems.push(`${what}: the sum has wrapped`)
    return sum
  }

  #openings(fixed: SurvivorsFixed, sum: Uint32Array, what: string): void {
    for (const o of this.#opened) {
      if (o.fixed.round !== fixed.round || o.fixed.attempt !== fixed.attempt || this.liars.has(o.host))
        continue
      if (!equalBytes(residueBytes(o.sum), residueBytes(sum)))
        this.problems.push(`${what}: ${o.host} opened another sum`)
    }
  }

  #bounded(host: MemberId, residues: Uint32Array, sections: readonly Section[]): void {
    let at = 0
    for (const { name, length, scale, bound } of sections) {
      let most = 0
      for (const r of residues.subarray(at, at + length)) most = Math.max(most, Math.abs(centre(r)))
      if (most > quantisedMax(scale, bound))
        this.problems.push(`${host}: section ${name} is beyond its bound`)
      // Rounding may go to either side of a bound that is no integer multiple of a step.
      const share = most >= Math.floor(bound * scale) ? 1 : most / (bound * scale)
      this.largest.set(name, Math.max(share, this.largest.get(name) ?? 0))
      at += length
    }
  }

  /** Nobody contradicts itself, over restarts: one slot, the same bytes for ever. Receipts only grow. */
  #remember(from: MemberId, to: MemberId, bytes: Uint8Array): void {
    const raw = openEnvelope(bytes)
    if (!raw.ok) {
      this.problems.push(`${from} sends what is no envelope`)
      return
    }
    const { type, from: author, body, sig } = raw.value
    if (this.liars.has(author)) return
    const slot = slotOf(type, author, to, raw.value)
    if (slot === undefined) return
    if (type === 'receipt') {
      if (author === from) this.#grows(slot, body)
      return
    }
    const said = concatBytes(body, sig)
    const before = this.#said.get(slot)
    if (before && !equalBytes(before, said)) this.problems.push(`${author} contradicts itself: ${slot}`)
    this.#said.set(slot, said)
  }

  #grows(slot: string, bytes: Uint8Array): void {
    const body = decode(bytes, BODIES.receipt)
    if (!body.ok) return
    const before = this.#receipts.get(slot) ?? new Map<number, Uint8Array>()
    const now = new Map(body.value.held.map(h => [h.shard, h.from]))
    for (const [shard, members] of before) {
      const still = now.get(shard)
      if (!still || members.some((bits, i) => (bits & ~(still[i] ?? 0)) !== 0))
        this.problems.push(`receipt takes something back: ${slot}, shard ${shard}`)
    }
    this.#receipts.set(slot, now)
  }
}

/** What a message says something about, once and for all; undefined: it may say something else next time. */
function slotOf(
  type: string,
  author: MemberId,
  to: MemberId,
  raw: Parameters<typeof parseConsensus>[0],
): string | undefined {
  const consensus = parseConsensus(raw)
  if (consensus.ok)
    return `${type} of ${author}, height ${consensus.value.height}, view ${consensus.value.view}`
  if (!(type in BODIES)) return undefined
  const decoded = decode<Record<string, unknown>>(raw.body, BODIES[type as keyof typeof BODIES] as never)
  if (!decoded.ok) return `${type} of ${author} is malformed`
  const { round, attempt, shard, member } = decoded.value
  const where = `${round}.${attempt}`
  switch (type) {
    case 'keys':
    case 'offer':
    case 'input':
    case 'receipt':
    case 'reveal':
    case 'tags':
      return `${type} of ${author}, ${where}`
    case 'claim':
      return `claim of ${author}, ${where}, shard ${shard}`
    case 'sealed':
      return `sealed of ${author}, ${where}, to ${to}`
    case 'shard':
      return `shard of ${member}, ${where}, shard ${shard}`
    case 'shardSum':
      return `shardSum, ${where}, shard ${shard}`
    default:
      return undefined
  }
}

export interface Stored {
  readonly entry: Entry
  readonly bytes: Uint8Array
}

function recordsOf(host: SimHost): Uint8Array[] {
  return [...host.disk.keys()]
    .filter(k => k.startsWith('ledger/'))
    .sort()
    .map(k => host.disk.get(k)!)
}

/** The ledger on a host's disk. */
export function ledgerOf(host: SimHost): Stored[] {
  return recordsOf(host).map(bytes => {
    const record = decodeRecord(bytes)
    const entry = record.ok ? decodeEntry(record.value.entry) : record
    if (!record.ok || !entry.ok) throw new Error('a stored entry cannot be read')
    return { entry: entry.value, bytes: record.value.entry }
  })
}
