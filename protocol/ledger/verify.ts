/** A whole ledger checked offline, with nothing but the charter: chain, rules and certificates. */
import type { Charter } from '../../config/charter.ts'
import { err, ok, type Result } from '../result.ts'
import { authorityOf, type LedgerRecord, verifyCertificate } from './certificate.ts'
import { type Body, decodeEntry, hashOf } from './entry.ts'
import { applyEntry, genesis, type LedgerState } from './state.ts'

/** What every verification starts from; hashes of 32 bytes. */
export interface Trust {
  readonly charter: Charter
  readonly charterHash: Uint8Array
  /** Hash of the study's first charter. */
  readonly network: Uint8Array
  readonly initialModelHash: Uint8Array
}

export interface LedgerReport {
  readonly state: LedgerState
  readonly entries: number
  readonly byKind: Readonly<Partial<Record<Body['kind'], number>>>
  /** Signatures that were checked. */
  readonly signatures: number
}

/** One certified entry on top of `state`: what a peer does that catches up. The error says what is wrong. */
export function applyRecord(
  state: LedgerState,
  network: Uint8Array,
  record: LedgerRecord,
): Result<LedgerState, string> {
  const entry = decodeEntry(record.entry)
  if (!entry.ok) return err(entry.error)
  const hash = hashOf(entry.value)
  const applied = applyEntry(state, entry.value)
  if (!applied.ok) return applied
  // The voters are those of the state before: an entry that suspends a member still needs the old quorum.
  const certified = verifyCertificate(
    authorityOf(state, network),
    { height: entry.value.height, hash },
    record.certificate,
  )
  return certified.ok ? applied : err(`certificate: ${certified.error}`)
}

/** Verifies records from height 1 on; the error names the first height that does not hold, and why. */
export function verifyLedger(
  trust: Trust,
  records: Iterable<LedgerRecord>,
): Result<LedgerReport, { readonly height: number; readonly reason: string }> {
  let state = genesis(trust.charter, trust.charterHash, trust.initialModelHash)
  const byKind: Partial<Record<Body['kind'], number>> = {}
  let signatures = 0
  for (const record of records) {
    const applied = applyRecord(state, trust.network, record)
    if (!applied.ok) return err({ height: state.height + 1, reason: applied.error })
    state = applied.value
    const entry = decodeEntry(record.entry)
    if (entry.ok) byKind[entry.value.body.kind] = (byKind[entry.value.body.kind] ?? 0) + 1
    signatures += record.certificate.votes.length
  }
  return ok({ state, entries: state.height, byKind, signatures })
}
