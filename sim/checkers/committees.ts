/**
 * Where committees sum: the sum that an entry names is that of its survivors' inputs, and the entry follows by charter and
 * lot (SPEC T5). The survivors of each committee are those that its own ledger fixed; the sum is made anew here.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts'
import { survivorsOf } from '../../protocol/committees/summed.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { Lru } from '../../protocol/crypto/lru.ts'
import { type CommitteesSummed, decodeEntry } from '../../protocol/ledger/entry.ts'
import { applyEntry, genesis, type LedgerState } from '../../protocol/ledger/state.ts'
import { initialState } from '../../protocol/model/initial.ts'
import { stateHash } from '../../protocol/model/state.ts'
import type { Job, MemberId } from '../../protocol/ports.ts'
import { addInto, residueBytes, residuesFromBytes } from '../../protocol/sum/field.ts'
import { rootOfBytes } from '../../protocol/sum/shards.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import type { CheckContext } from './context.ts'
import { clearOf } from './inputs.ts'
import { Judge } from './judge.ts'
import { bodyOf, heightOfKey, readMessage, readRecord } from './read.ts'

export function committeeSums(context: CheckContext): Checker {
  return new CommitteeSums(context)
}

/** Sums of committees that are kept: those of the last rounds. */
const SUMS_MAX = 1024

class CommitteeSums extends Judge {
  #state: LedgerState
  /** The round that each hospital learns for, and what it masked last. */
  readonly #learning = new Map<MemberId, number>()
  readonly #inputs = new Map<MemberId, { readonly round: number; readonly input: Uint32Array }[]>()

  /** Committees' sums by the hex of their hash; and what was read already. */
  readonly #sums = new Lru<Uint32Array>(SUMS_MAX)
  readonly #seen = new WeakSet<object>()

  constructor(context: CheckContext) {
    super('committees', context)
    const { charter, configs } = context
    const { charterHash } = [...configs.values()][0]!
    this.#state = genesis(charter, charterHash, stateHash(initialState(charter)))
  }

  /** What committees' members hand to those who decide; who made it up has made up another hash. */
  onRelease(_host: SimHost, _to: MemberId | undefined, bytes: Uint8Array): void {
    const message = readMessage(bytes)
    const body = message && bodyOf(message, 'committeeSum')
    if (!body || this.#seen.has(body)) return
    this.#seen.add(body)
    const sum = residuesFromBytes(body.data)
    const fixed = decodeEntry(body.fixed)
    if (!sum || !fixed.ok || fixed.value.body.kind !== 'SurvivorsFixed') return
    this.#sums.set(toHex(rootOfBytes(body.data, fixed.value.body.owners.length)), sum)
  }

  onJob(host: SimHost, job: Job): void {
    if (job.kind === 'learn') this.#learning.set(host.id, job.round)
    if (job.kind !== 'vector' || job.work.kind !== 'mask') return
    const input = clearOf(job.work)?.residues
    if (!input) return
    const round = this.#learning.get(host.id) ?? -1
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
    const sum = this.#ofSums(body) ?? this.#ofInputs(body)
    if (!sum) return
    this.checked++
    if (!equalBytes(sha256(residueBytes(sum)), body.sum))
      this.fail(`the sum of round ${body.round} is not that of its committees' sums`)
  }

  /** Each committee's own sum is checked in its own ledger. Undefined: one of them was not said to anybody. */
  #ofSums(body: CommitteesSummed): Uint32Array | undefined {
    return added(body.committees.map(c => this.#sums.get(toHex(c.sum))))
  }

  /** Undefined: a liar's is among them, and what it gave is what its committee has seen of it. */
  #ofInputs(body: CommitteesSummed): Uint32Array | undefined {
    const survivors = survivorsOf(this.#state.draw!, body)
    if (!survivors.every(m => this.isHonest(m))) return undefined
    const given = survivors.map(m => this.#inputs.get(m)?.find(i => i.round === body.round)?.input)
    const silent = survivors.find((_, i) => given[i] === undefined)
    if (silent !== undefined) this.fail(`round ${body.round} counts ${silent}, which has masked nothing`)
    return added(given)
  }
}

function added(all: readonly (Uint32Array | undefined)[]): Uint32Array | undefined {
  let sum: Uint32Array | undefined
  for (const one of all) {
    if (!one) return undefined
    if (sum) addInto(sum, one)
    else sum = one.slice()
  }
  return sum
}
