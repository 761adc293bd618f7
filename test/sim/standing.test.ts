/** Free-riders through the whole protocol (SPEC A6 to A9): found, suspended, shut out, and restored by the others. */
import { describe, expect, it } from 'vitest'
import { toHex } from '../../protocol/bytes.ts'
import { signRestoration } from '../../protocol/ledger/restore.ts'
import { stateHash, wholeModel } from '../../protocol/model/state.ts'
import { memberName, seedOf } from '../support/consortium.ts'
import { rider, riding } from '../support/riders.ts'

describe('a free-rider', () => {
  it('is put on probation, suspended, shut out, and restored by a quorum of the others', {
    timeout: 300_000,
  }, () => {
    const { c, audit } = riding(24, 1, 14)
    c.world.startAll()
    const told = (host: string) =>
      c.events.flatMap(e => (e.host === host && e.event.kind === 'standing' ? [e.event] : []))
    const first = memberName(0)
    expect(c.world.run(() => told(first).some(e => e.standing === 'suspended'), 600_000)).toBe(true)
    expect(told(first).map(e => e.standing)).toEqual(['probation', 'suspended'])
    expect(told(first).every(e => e.member === rider)).toBe(true)

    // Shut out: it sees no round any more, nor a model that it does not have.
    const host = c.world.host(rider)
    const seen = () => ({ height: host.peer!.state.height, model: toHex(stateHash(wholeModel(host.model!))) })
    const then = seen()
    const suspendedAt = c.world.host(first).peer!.state.height
    const before = c.closed(first).length
    expect(c.world.run(() => c.closed(first).length >= before + 4, 600_000)).toBe(true)
    // The entry that suspends it is the last one that it may still hear of.
    expect(seen().height).toBeLessThanOrEqual(suspendedAt)
    expect(seen().model).toBe(then.model)
    expect(toHex(stateHash(wholeModel(c.world.host(first).model!)))).not.toBe(then.model)

    // Two of the others are given the appeal, which a quorum has signed.
    const { suspensions, charterHash } = c.world.host(first).peer!.state
    const of = { member: rider, entry: suspensions.get(rider)!, charterHash }
    const signatures = [0, 1, 2, 3, 4, 6, 7].map(i => signRestoration(of, memberName(i), seedOf(i)))
    for (const i of [1, 2]) c.world.host(memberName(i)).input({ kind: 'appeal', member: rider, signatures })
    expect(c.world.run(() => told(first).at(-1)?.standing === 'restored', 600_000)).toBe(true)
    const restoredIn = c.closed(first).length
    const isIn = () =>
      c.events.some(
        e =>
          e.host === first &&
          e.event.kind === 'survivorsFixed' &&
          e.event.round >= restoredIn &&
          e.event.survivors.includes(rider),
      )
    expect(c.world.run(isIn, 600_000)).toBe(true)
    // Back within two rounds.
    expect(c.closed(first).length - restoredIn).toBeLessThanOrEqual(2)
    expect(c.world.run(() => c.finished(), 1_200_000)).toBe(true)
    expect(audit.problems).toEqual([])
    expect(told(first).map(e => e.standing)).toEqual(['probation', 'suspended', 'restored'])
  })
})
