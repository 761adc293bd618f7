/**
 * The machine that a member runs in its committee, inside of the one that it runs in the study (SPEC T3). It is the
 * production peer of a ledger with one round. What it publishes goes to the committee's members alone; its records and
 * jobs are among those of the study's.
 */
import { ascii, concatBytes } from '../bytes.ts'
import { hkdf } from '../crypto/kdf.ts'
import { decodeRecord, type LedgerRecord, recordKey } from '../ledger/certificate.ts'
import { type Peer, recordMessage } from '../peer.ts'
import type { Durable, Effect, Input, Job, Machine, MemberId, Millis, Value, Verdict } from '../ports.ts'
import { draftOf, withDraft, withStored } from '../stored.ts'
import { residueBytes } from '../sum/field.ts'
import { encode } from '../wire/codec.ts'
import { plainEnvelope } from '../wire/envelope.ts'
import { type CommitteeBooks, RECORD } from './books.ts'
import { type Committee, committeeAt, partOf } from './committee.ts'
import type { CommitteeBody } from './messages.ts'

/** What a member runs in its committee, and what the study's machine looks at. */
export type PartMachine = Machine & Pick<Peer, 'state' | 'model' | 'sum' | 'residual' | 'footprint'>

export interface Inner {
  readonly committee: Committee
  readonly peer: PartMachine
  /** Its ledger's records, which it sends to members that lack them; three for each attempt. */
  readonly records: Map<string, Uint8Array>
  /** The study's numbers of its jobs. */
  readonly jobs: Map<number, number>
  /** Messages as they go to the committee. */
  readonly wraps: WeakMap<Uint8Array, Uint8Array>
  wakeAt: Millis | undefined
}

/** Begins the own part in the coming round, once its model is here. */
export function beginInner(b: CommitteeBooks): void {
  const { phase } = b.state
  const index = b.draw.committeeOf.get(b.config.self)
  if (b.inner || phase.kind !== 'between' || !b.model || index === undefined) return
  const committee = committeeAt(b.state, b.config.network, index)
  const peer = b.makePart(partOf(b.config, b.state, committee, b.model, b.residual))
  b.inner = {
    committee,
    peer,
    records: new Map(),
    jobs: new Map(),
    wraps: new WeakMap(),
    wakeAt: undefined,
  }
  const entropy = hkdf(b.entropy!, concatBytes(ascii('medmesh/1 committee entropy'), committee.hash), 32)
  b.entropy = hkdf(b.entropy!, ascii('medmesh/1 next entropy'), 32)
  const durable = b.restored
  b.restored = new Map()
  for (const [key, record] of durable) if (key.startsWith('ledger/')) b.inner.records.set(key, record)
  // Known before the start, so that not everybody tells everybody what nobody has yet.
  for (const peer of committee.members)
    if (b.connected.has(peer)) feed(b, b.inner, { kind: 'connected', peer })
  const { round, task } = phase
  const { members } = committee
  const of = b.draw.committees.length
  if (durable.size === 0) {
    const cohort = b.draw.members
    b.effects.emit({
      kind: 'event',
      event: { kind: 'roundOpened', round, attempt: 0, task, cohort, absent: [] },
    })
  }
  b.effects.emit({
    kind: 'event',
    event: { kind: 'committee', round, index, of, members, decides: b.decides },
  })
  feed(b, b.inner, { kind: 'start', entropy, durable })
  b.moved = true
}

/** The records of the committee's machine in a former life, by its own keys. */
export function restoredInner(durable: Durable): Durable {
  const own = [...durable].filter(([key]) => key.startsWith(RECORD.inner))
  return new Map(own.map(([key, value]) => [key.slice(RECORD.inner.length), value]))
}

/** Hands an input to the committee's machine and takes in what follows. */
export function feed(b: CommitteeBooks, inner: Inner, input: Input): Verdict | undefined {
  const output = inner.peer.handle(input, b.now)
  for (const effect of output.effects) translate(b, inner, effect)
  inner.wakeAt = output.wakeAt
  return output.verdict
}

/** Ends the own part: nothing of it matters any more. */
export function endInner(b: CommitteeBooks): void {
  for (const id of b.inner?.jobs.values() ?? []) b.effects.cancel(id)
  if (b.inner) b.residual = b.inner.peer.residual
  b.inner = undefined
  b.restored = new Map()
}

/** What is said again is the same bytes again, encoded once; and read once by the many peers of a simulation. */
function wrapped(b: CommitteeBooks, { committee, wraps }: Inner, message: Uint8Array): Uint8Array {
  const known = wraps.get(message)
  if (known) return known
  const { round, hash } = committee
  const bytes = plainEnvelope('committee', b.config.self, encode({ round, committee: hash, message }))
  wraps.set(message, bytes)
  return bytes
}

function translate(b: CommitteeBooks, inner: Inner, effect: Effect): void {
  switch (effect.kind) {
    case 'publish': {
      const bytes = wrapped(b, inner, effect.bytes)
      for (const to of inner.committee.members) b.emit(to, bytes)
      return
    }
    case 'send':
      b.emit(effect.to, wrapped(b, inner, effect.bytes))
      return
    case 'sendRecord': {
      const record = inner.records.get(effect.key)
      if (record) b.emit(effect.to, wrapped(b, inner, recordMessage(b.config.self, record)))
      return
    }
    case 'sendPart': {
      const { round, hash } = inner.committee
      const key = RECORD.inner + effect.key
      if (effect.to !== b.config.self) b.effects.emit({ ...effect, key, within: { round, committee: hash } })
      return
    }
    case 'store':
      translateStore(b, inner, effect)
      return
    case 'write':
      b.effects.emit({ ...effect, draft: drafted(b, effect.draft) })
      return
    case 'job': {
      const { id } = effect
      const done = b.effects.run(renamed(b, effect.job), result => {
        inner.jobs.delete(id)
        if (b.inner === inner) feed(b, inner, { kind: 'jobDone', id, result })
      })
      inner.jobs.set(id, done)
      return
    }
    case 'cancel': {
      const id = inner.jobs.get(effect.id)
      inner.jobs.delete(effect.id)
      if (id !== undefined) b.effects.cancel(id)
      return
    }
    case 'event':
      // The rest is told of the round as a whole.
      if (['phase', 'transfer', 'waiting', 'jobFailed', 'roundAborted'].includes(effect.event.kind))
        b.effects.emit(effect)
      return
    case 'fault':
      b.effects.emit(effect)
  }
}

/** The job, with the study's names for what it reads and writes in the store. */
function renamed(b: CommitteeBooks, job: Job): Job {
  const draft = draftOf(job)
  const reading = withStored(job, stored => ({ ...stored, record: RECORD.inner + stored.record }))
  return draft === undefined ? reading : withDraft(reading, drafted(b, draft))
}

/** The study's name for a draft, which is forgotten with the round. */
function drafted(b: CommitteeBooks, draft: string): string {
  const name = RECORD.inner + draft
  b.roundKeys.add(name)
  return name
}

function translateStore(b: CommitteeBooks, inner: Inner, effect: Effect & { kind: 'store' }): void {
  const puts = effect.puts.map(([key, value]) => [RECORD.inner + key, renamedValue(value)] as const)
  for (const [key] of puts) b.roundKeys.add(key)
  for (const [key, value] of effect.puts)
    if (key.startsWith('ledger/') && value instanceof Uint8Array) inner.records.set(key, value)
  const deletes = effect.deletes.map(key => RECORD.inner + key)
  for (const key of deletes) b.roundKeys.delete(key)
  b.effects.store(puts, deletes, () => {
    for (const released of effect.release) translate(b, inner, released)
  })
}

function renamedValue(value: Value): Value {
  return value instanceof Uint8Array ? value : { sameAs: RECORD.inner + value.sameAs }
}

/** The own committee's certified sum as a message, once it is there and if this peer has opened it; made once. */
export function ownSum(b: CommitteeBooks): Uint8Array | undefined {
  const { inner } = b
  const sum = inner?.peer.sum
  if (!inner || !sum) return undefined
  const { height } = inner.peer.state
  const closed = recordOf(inner, height)
  const fixed = recordOf(inner, height - 1)
  if (!closed || !fixed) return undefined
  const body: CommitteeBody<'committeeSum'> = {
    round: inner.committee.round,
    index: inner.committee.index,
    fixed: fixed.entry,
    closed,
    data: residueBytes(sum),
  }
  return plainEnvelope('committeeSum', b.config.self, encode(body))
}

function recordOf(inner: Inner, height: number): LedgerRecord | undefined {
  const record = inner.records.get(recordKey(height))
  const decoded = record && decodeRecord(record)
  return decoded?.ok ? decoded.value : undefined
}

/** Connections matter to the committee's machine only where they are to its members; whether it was told. */
export function met(b: CommitteeBooks, kind: 'connected' | 'disconnected', peer: MemberId): boolean {
  if (!b.inner || b.draw.committeeOf.get(peer) !== b.inner.committee.index) return false
  feed(b, b.inner, { kind, peer })
  return true
}
