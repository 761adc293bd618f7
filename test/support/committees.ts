/** Consortia that sum and decide by committees, and what must hold of every run of theirs. */
import { toHex } from '../../protocol/bytes.ts'
import { type Draw, drawOf } from '../../protocol/committees/draw.ts'
import { survivorsOf } from '../../protocol/committees/summed.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { decodeRecord } from '../../protocol/ledger/certificate.ts'
import { type CommitteesSummed, decodeEntry } from '../../protocol/ledger/entry.ts'
import { applyEntry, genesis, type LedgerState } from '../../protocol/ledger/state.ts'
import { verifyLedger } from '../../protocol/ledger/verify.ts'
import { initialState } from '../../protocol/model/initial.ts'
import { stateHash } from '../../protocol/model/state.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { addInto, residueBytes } from '../../protocol/sum/field.ts'
import { clearOf } from '../../sim/checkers/inputs.ts'
import type { SimHost } from '../../sim/host.ts'
import { type Consortium, type ConsortiumOptions, consortium } from './consortium.ts'

export interface CommitteeOptions extends Omit<ConsortiumOptions, 'edit'> {
  readonly size: number
  /** f of a committee. */
  readonly faulty: number
}

export function committees({ size, faulty, ...o }: CommitteeOptions): Consortium {
  return consortium({
    ...o,
    edit: charter => ({ ...charter, committees: { size, maliciousMax: faulty } }),
  })
}

export interface Step {
  readonly before: LedgerState
  readonly body: CommitteesSummed
  /** The lot that the round was made with. */
  readonly draw: Draw
  readonly survivors: readonly MemberId[]
}

/** A hospital's ledger, verified offline, and its rounds. Throws what is wrong with it. */
export function roundsOf(c: Consortium, host: SimHost): Step[] {
  const { charterHash, network } = c.configs.get(host.id)!
  const keys = [...host.disk.keys()].filter(k => k.startsWith('ledger/')).sort()
  const records = keys.map(k => decodeRecord(host.disk.get(k)!)).map(r => (r.ok ? r.value : undefined)!)
  const initialModelHash = stateHash(initialState(c.charter))
  const report = verifyLedger({ charter: c.charter, charterHash, network, initialModelHash }, records)
  if (!report.ok) throw new Error(`${host.id}: height ${report.error.height}: ${report.error.reason}`)
  const steps: Step[] = []
  let state = genesis(c.charter, charterHash, initialModelHash)
  for (const record of records) {
    const entry = decodeEntry(record.entry)
    const next = entry.ok ? applyEntry(state, entry.value) : entry
    if (!entry.ok || !next.ok) throw new Error('a verified ledger applies')
    const { body } = entry.value
    if (body.kind === 'CommitteesSummed') {
      const draw = state.draw!
      steps.push({ before: state, body, draw, survivors: survivorsOf(draw, body) })
    }
    state = next.value
  }
  return steps
}

/** Hash of the sum of what these hospitals quantised in their last masking for `round`, in hex. */
export function sumHash(c: Consortium, round: number, survivors: readonly MemberId[]): string {
  let sum: Uint32Array | undefined
  for (const id of survivors) {
    const mine = c.jobs.filter(j => j.host === id)
    const learned = mine.findLastIndex(j => j.job.kind === 'learn' && j.job.round === round)
    const masked = mine.find((j, i) => i > learned && j.job.kind === 'vector' && j.job.work.kind === 'mask')
    if (learned < 0 || masked?.job.kind !== 'vector' || masked.job.work.kind !== 'mask')
      throw new Error(`${id} has masked nothing in round ${round}`)
    const input = clearOf(masked.job.work)!.residues
    if (sum) addInto(sum, input)
    else sum = input.slice()
  }
  return toHex(sha256(residueBytes(sum!)))
}

/** The lot of a round, before anybody has sat down. */
export function firstDraw(c: Consortium): Draw {
  const { charterHash } = [...c.configs.values()][0]!
  return drawOf(
    c.charter.committees!,
    charterHash,
    0,
    c.charter.members.map(m => m.id),
  )
}
