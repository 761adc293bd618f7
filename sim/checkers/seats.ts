/** Who has a vote for which entry, as members are suspended and restored by others. */
import type { Body } from '../../protocol/ledger/entry.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { type CheckContext, decidingQuorum, quorumOf } from './context.ts'

export class Seats {
  readonly #context: CheckContext
  /** In the order of entries, each once. */
  readonly #changes: { readonly member: MemberId; readonly height: number; readonly out: boolean }[] = []

  constructor(context: CheckContext) {
    this.#context = context
  }

  /** An entry that an honest host has stored. */
  note(height: number, body: Body): void {
    if (body.kind !== 'MemberSuspended' && body.kind !== 'MemberRestored') return
    if (this.#changes.some(c => c.height >= height)) return
    this.#changes.push({ member: body.member, height, out: body.kind === 'MemberSuspended' })
  }

  /** Voters of the entry at `height`: who hears of it later must judge it as it was. */
  at(height: number): readonly MemberId[] {
    const isOut = (m: MemberId) =>
      this.#changes.findLast(c => c.member === m && c.height < height)?.out === true
    return this.#context.charter.members.map(m => m.id).filter(m => !isOut(m))
  }

  /** Votes that it needs. */
  quorum(height: number): number {
    // Where a lot decides whose votes count, another checker asks whose they are.
    if (this.#context.charter.committees || this.#changes.length === 0) return decidingQuorum(this.#context)
    return quorumOf(this.at(height).length, this.#context.f)
  }
}
