/**
 * What each hospital still owes, where only a part of an update is summed each round (SPEC D4): what it adds to an update is what
 * was left of the last one that a certified entry says to be summed, to the last bit; and nothing after a restart.
 */
import { toHex } from '../../protocol/bytes.ts'
import type { SurvivorsFixed } from '../../protocol/ledger/entry.ts'
import type { MemberId } from '../../protocol/ports.ts'
import type { Masking } from './inputs.ts'

export class Residuals {
  readonly #owed = new Map<MemberId, Float32Array>()
  readonly #last = new Map<MemberId, Masking>()

  /** A life begins. */
  started(host: MemberId): void {
    this.#owed.delete(host)
    this.#last.delete(host)
  }

  /** Whether the masking of an update adds what its hospital owes. */
  masked(host: MemberId, masking: Masking): boolean {
    this.#last.set(host, masking)
    const owed = this.#owed.get(host)
    const { residual, learned } = masking.work
    if (owed === undefined || residual === undefined) return owed === residual
    return residual.length === learned.delta!.length && residual.every((x, i) => Object.is(x, owed[i]))
  }

  /** An entry that fixes survivors is certified, and durable at `host`. */
  fixed(host: MemberId, { survivors }: SurvivorsFixed): void {
    const own = survivors.find(s => s.member === host)
    if (!own) return
    const last = this.#last.get(host)
    this.#owed.delete(host)
    if (last?.unsent && last.root === toHex(own.root)) this.#owed.set(host, last.unsent.slice())
  }
}
