/** A hospital's ledger read from its store, offline, in a form for people and programs. */
import { MedmeshError } from '../../config/error.ts'
import { toHex } from '../../protocol/bytes.ts'
import { decodeRecord, type LedgerRecord, recordKey } from '../../protocol/ledger/certificate.ts'
import { decodeEntry, type Entry, entryHash } from '../../protocol/ledger/entry.ts'
import { type LedgerReport, type Trust, verifyLedger } from '../../protocol/ledger/verify.ts'
import { decodeState, stateHash } from '../../protocol/model/state.ts'
import type { ModelState } from '../../protocol/ports.ts'
import { openStoreReader, type StoreReader } from '../store/store.ts'

export interface LedgerEntry {
  readonly hash: string
  readonly entry: Entry
  readonly view: number
  readonly signers: readonly string[]
}

/** Key of the global model in the store, in the protocol's own encoding. */
const MODEL_KEY = 'model'

/** Runs `read` on the store of `file`, and closes it. Throws the errors of `openStoreReader`. */
export function withStore<T>(file: string, read: (store: StoreReader) => T): T {
  const store = openStoreReader(file)
  try {
    return read(store)
  } finally {
    store.close()
  }
}

/** Records from height 1 on, as far as there is no gap. Throws MedmeshError LEDGER_DAMAGED. */
export function readRecords(durable: ReadonlyMap<string, Uint8Array>): LedgerRecord[] {
  const records: LedgerRecord[] = []
  for (;;) {
    const bytes = durable.get(recordKey(records.length + 1))
    if (bytes === undefined) return records
    const record = decodeRecord(bytes)
    if (!record.ok) throw damaged(records.length + 1, record.error)
    records.push(record.value)
  }
}

export function describeRecords(records: readonly LedgerRecord[]): LedgerEntry[] {
  return records.map(({ entry: bytes, certificate }, i) => {
    const entry = decodeEntry(bytes)
    if (!entry.ok) throw damaged(i + 1, entry.error)
    return {
      hash: toHex(entryHash(bytes)),
      entry: entry.value,
      view: certificate.view,
      signers: certificate.votes.map(v => v.member),
    }
  })
}

/** Chain, rules and every certificate. Throws MedmeshError LEDGER_INVALID with the first height that does not hold. */
export function verifyRecords(trust: Trust, records: readonly LedgerRecord[]): LedgerReport {
  const report = verifyLedger(trust, records)
  if (report.ok) return report.value
  const { height, reason } = report.error
  throw new MedmeshError(
    'LEDGER_INVALID',
    `entry ${height} does not hold: ${reason}`,
    'compare this ledger with that of another hospital, and charter.json with the one that all have signed',
  )
}

/**
 * The global model of the store, held against the ledger's last model hash.
 * Throws MedmeshError MODEL_MISSING or MODEL_DAMAGED.
 */
export function readModel(
  durable: ReadonlyMap<string, Uint8Array>,
  trust: Trust,
  expected: Uint8Array,
): ModelState {
  const bytes = durable.get(MODEL_KEY)
  if (bytes === undefined) {
    throw new MedmeshError(
      'MODEL_MISSING',
      'the store holds no model yet',
      'let the node run through a round',
    )
  }
  const state = decodeState(bytes, trust.charter)
  if (!state.ok || toHex(stateHash(state.value)) !== toHex(expected)) {
    throw new MedmeshError(
      'MODEL_DAMAGED',
      `the store's model is not the one that the ledger names: ${state.ok ? 'its hash differs' : state.error}`,
      'start the node: it fetches the model from the others',
    )
  }
  return state.value
}

/** An entry as JSON: bytes as hex. */
export function entryToJson({ hash, entry, view, signers }: LedgerEntry): unknown {
  return { height: entry.height, hash, view, signers, ...(hexed(entry) as object) }
}

function hexed(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value)
  if (Array.isArray(value)) return value.map(hexed)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, hexed(part)]))
}

/** What an entry decided, in one line. */
export function summarise({ body }: Entry): string {
  switch (body.kind) {
    case 'RoundOpened': {
      const away = body.absent.length > 0 ? `; absent ${body.absent.join(', ')}` : ''
      return `round ${body.round}.${body.attempt} ${body.task}: cohort ${body.cohort.map(c => c.member).join(', ')}${away}`
    }
    case 'SurvivorsFixed': {
      const left = body.leftOut.map(l => `${l.member} (${l.reason})`).join(', ')
      const survivors = body.survivors.map(s => s.member).join(', ')
      return `round ${body.round}.${body.attempt}: survivors ${survivors}${left === '' ? '' : `; left out ${left}`}`
    }
    case 'RoundClosed': {
      const auc = body.metrics === null ? '' : ` AUC before ${body.metrics.auc.toFixed(3)}`
      const faults = body.faults.map(f => ` ${f.member}: ${f.code}`).join('')
      return `round ${body.round}.${body.attempt}: model ${toHex(body.model).slice(0, 12)}${auc}${faults}`
    }
    case 'RoundAborted':
      return `round ${body.round}.${body.attempt}: ${body.reason} ${body.culprits.map(c => `${c.member} (${c.code})`).join(', ')}`.trimEnd()
    case 'CommitteesSummed': {
      const auc = body.metrics === null ? '' : ` AUC before ${body.metrics.auc.toFixed(3)}`
      const missing = body.missing.length > 0 ? `; missing ${body.missing.join(', ')}` : ''
      const faults = body.faults.map(f => ` ${f.member}: ${f.code}`).join('')
      return `round ${body.round} ${body.task}: ${body.committees.length} committees${missing}; model ${toHex(body.model).slice(0, 12)}${auc}${faults}`
    }
    case 'CharterAdopted':
      return `charter version ${body.version}: ${toHex(body.charter).slice(0, 12)}`
    case 'MemberSuspended':
    case 'MemberRestored':
      return body.member
    case 'StudyFinished':
      return `after ${body.rounds} rounds: model ${toHex(body.model).slice(0, 12)}`
  }
}

function damaged(height: number, why: string): MedmeshError {
  return new MedmeshError(
    'LEDGER_DAMAGED',
    `the record of height ${height} cannot be read: ${why}`,
    'put back a copy of the store that was made while the node was stopped',
  )
}
