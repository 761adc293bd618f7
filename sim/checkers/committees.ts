/**
 * Where committees sum: the sum that an entry names is that of its survivors' inputs, and the entry follows by charter and
 * lot (SPEC T5). The survivors of each committee are those that its own ledger fixed; the sum is made anew here.
 */
import { equalBytes } from '../../protocol/bytes.ts'
import { survivorsOf } from '../../protocol/committees/summed.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { CommitteesSummed } from '../../protocol/ledger/entry.ts'
import { applyEntry, genesis, type LedgerState } from '../../protocol/ledger/state.ts'
import { initialState } from '../../protocol/model/initial.ts'
import { stateHash } from '../../protocol/model/state.ts'
import type { Job, MemberId } from '../../protocol/ports.ts'
import { addInto, residueBytes } from '../../protocol/sum/field.ts'
import { quantiseSections } from '../../protocol/sum/kernels.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import type { CheckContext } from './context.ts'
import { Judge } from './judge.ts'
import { heightOfKey, readRecord } from './read.ts'

export function committeeSums(context: CheckContext): Checker {
  return new CommitteeSums(context)
}

class CommitteeSums extends Judge {
  #state: LedgerState
  /** The round that each hospital learns for, and what it masked last. */
  readonly #learning = new Map<MemberId, number>()
  readonly #inputs = new Map<MemberId, { readonly round: number; readonly input: Uint32Array }[]>()

  constructor(context: CheckContext) {
    super('committees', context)
    const { charter, configs } = context
    const { charterHash } = [...configs.values()][0]!
    this.#state = genesis(charter, charterHash, stateHash(initialState(charter)))
  }

  onJob(host: SimHost, job: Job): void {
    if (job.kind === 'learn') this.#learning.set(host.id, job.round)
    if (job.kind !== 'vector' || job.work.kind !== 'mask') return
    const { values, sections, roundingKey } = job.work
    const round = this.#learning.get(host.id) ?? -1
    const input = quantiseSections(values, sections, roundingKey)
    // A hospital that is ahead masks for the next round before the last entry is checked.
    const others = (this.#inputs.get(host.id) ?? []).filter(i => i.round !== round).slice(-1)
    this.#inputs.set(host.id, [...others, { round, input }])
  }

  onCommit(host: SimHost, puts: readonly (readonly [string, Uint8Array])[]): void {
    if (!this.isHonest(host.id)) return
    for (const [key, record] of puts) {
      if (heightOfKey(key) !== this.#state.height + 1) continue
      const certified = readRecord(record)
      const next = certified && applyEntry(this.#state, certified.entry)
      if (!certified || !next?.ok) {
        this.fail(`${host.id} holds an entry ${this.#state.height + 1} that cannot follow`)
        continue
      }
      const { voters } = this.#state
      if (!certified.certificate.votes.every(v => voters.includes(v.member)))
        this.fail(`entry ${next.value.height} has the vote of a member that was not drawn to decide it`)
      if (certified.entry.body.kind === 'CommitteesSummed') this.#check(certified.entry.body)
      this.#state = next.value
    }
  }

  #check(body: CommitteesSummed): void {
    const survivors = survivorsOf(this.#state.draw!, body)
    // What a liar gave is what its committee has seen of it, and no one here.
    if (!survivors.every(m => this.isHonest(m))) return
    let sum: Uint32Array | undefined
    for (const member of survivors) {
      const given = this.#inputs.get(member)?.find(i => i.round === body.round)
      if (!given) {
        this.fail(`round ${body.round} counts ${member}, which has masked nothing`)
        return
      }
      if (sum) addInto(sum, given.input)
      else sum = given.input.slice()
    }
    this.checked++
    if (!sum || !equalBytes(sha256(residueBytes(sum)), body.sum))
      this.fail(`the sum of round ${body.round} is not that of its survivors' inputs`)
  }
}
