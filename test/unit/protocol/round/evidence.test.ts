/** Whom an entry may name for what: a voter agrees with what it has found itself, and with nothing graver (SPEC F3). */
import { describe, expect, it } from 'vitest'
import type { FaultCode } from '../../../../protocol/fault.ts'
import type { Attempt } from '../../../../protocol/round/attempt.ts'
import { concur } from '../../../../protocol/round/evidence.ts'

/** Whether a peer that has found these faults of h2 agrees with an entry that names members for what shows nothing by itself. */
function agrees(found: readonly FaultCode[], ...named: readonly (readonly [string, FaultCode])[]): boolean {
  const findings = found.map(code => ({ member: 'h2', code, evidence: [] }))
  const accused = named.map(([member, code]) => ({ member, code, evidence: [new Uint8Array(64)] }))
  return concur({ findings } as unknown as Attempt, accused)
}

describe('a voter', () => {
  it('agrees that a member was late or lied, when it found so', () => {
    expect(agrees([], ['h2', 'withheld'])).toBe(false)
    expect(agrees(['withheld'], ['h2', 'withheld'])).toBe(true)
    expect(agrees(['badTag'], ['h2', 'badTag'])).toBe(true)
    expect(agrees(['badTag'], ['h3', 'badTag'])).toBe(false)
    expect(agrees(['badTag'])).toBe(true)
  })

  it('does not agree that a member lied which it found to be late', () => {
    for (const lie of ['badTag', 'badSum', 'badShard', 'badSignature'] as const) {
      expect(agrees(['withheld'], ['h2', lie])).toBe(false)
      expect(agrees(['withheld', 'unshared'], ['h2', 'withheld'], ['h2', lie])).toBe(false)
    }
  })

  it('agrees that a liar lied, or was late, whatever of it others have seen', () => {
    expect(agrees(['badSum'], ['h2', 'badTag'])).toBe(true)
    expect(agrees(['withheld', 'badSum'], ['h2', 'badTag'])).toBe(true)
    expect(agrees(['badSum'], ['h2', 'withheld'])).toBe(true)
  })
})
