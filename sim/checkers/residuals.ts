/**
 * What each hospital still owes, where only a part of an update is summed each round (SPEC D4): what it adds to an update is what
 * was left of the last one that a certified entry says to be summed, to the last bit; nothing after a restart; and nothing
 * after a committee of which it does not know whether its input was summed.
 */
import { toHex } from '../../protocol/bytes.ts'
import type { RoundAborted, SurvivorsFixed } from '../../protocol/ledger/entry.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { type Masking, updateOf } from './inputs.ts'

/** What one hospital has sent last. */
interface Last {
  readonly masking: Masking
  /** The round of a committee, which is another in the next; undefined: all sum together. */
  readonly part: number | undefined
  /** Whether the entry has come that says what becomes of it. */
  isSettled: boolean
}

export class Residuals {
  readonly #owed = new Map<MemberId, Float32Array>()
  readonly #last = new Map<MemberId, Last>()

  /** A life begins. */
  started(host: MemberId): void {
    this.#owed.delete(host)
    this.#last.delete(host)
  }

  /** Whether the masking of an update adds what its hospital owes. `part`: the round, where committees sum. */
  masked(host: MemberId, masking: Masking, part: number | undefined): boolean {
    const before = this.#last.get(host)
    this.#last.set(host, { masking, part, isSettled: false })
    if (before?.part !== part && before?.isSettled === false) this.#owed.delete(host)
    // Committees with more liars than they can bear are not watched: what was sent in one is not known here.
    if (before !== undefined && part !== undefined && part > before.part! + 1) return true
    const owed = this.#owed.get(host)
    const { residual, learned } = masking.work
    if (owed === undefined || residual === undefined) return owed === residual
    return residual.length === updateOf(learned).length && residual.every((x, i) => Object.is(x, owed[i]))
  }

  /** An entry that says what becomes of inputs is certified, and durable at `host`. */
  settled(host: MemberId, body: SurvivorsFixed | RoundAborted): void {
    const last = this.#last.get(host)
    if (last) last.isSettled = true
    const own = body.kind === 'SurvivorsFixed' ? body.survivors.find(s => s.member === host) : undefined
    if (!own) return
    this.#owed.delete(host)
    const { unsent, root } = last?.masking ?? {}
    if (unsent && root === toHex(own.root)) this.#owed.set(host, unsent.slice())
  }
}
