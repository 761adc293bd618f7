import { describe, expect, it } from 'vitest'
import { precommitBody } from '../../../../protocol/consensus/message.ts'
import { sign } from '../../../../protocol/crypto/sign.ts'
import {
  decodeRecord,
  encodeRecord,
  type LedgerRecord,
  recordKey,
} from '../../../../protocol/ledger/certificate.ts'
import { decodeEntry, type Entry, encodeEntry, entryHash } from '../../../../protocol/ledger/entry.ts'
import { signingBytes } from '../../../../protocol/wire/envelope.ts'
import { agreement } from '../../../../sim/checkers/agreement.ts'
import type { Checker } from '../../../../sim/observer.ts'
import type { Consortium } from '../../../support/consortium.ts'
import { memberName } from '../../../support/consortium.ts'
import { tape } from '../../../support/watched.ts'

const victim = memberName(1)
const run = tape({ n: 4 })

/** What the victim stores at a height is made another record. */
function stored(height: number, change: (record: LedgerRecord, c: Consortium) => LedgerRecord) {
  return run.play(agreement, {
    forge: (honest: Checker, c) => ({
      onCommit: (host, puts, deletes) => {
        const forged = puts.map(([key, value]): [string, Uint8Array] => {
          if (host.id !== victim || key !== recordKey(height)) return [key, value]
          const record = decodeRecord(value)
          if (!record.ok) throw new Error(record.error)
          return [key, encodeRecord(change(record.value, c))]
        })
        honest.onCommit?.(host, forged, deletes)
      },
    }),
  })
}

/** The same entry but for `change`, certified by all four. */
function certified(record: LedgerRecord, c: Consortium, change: (entry: Entry) => Entry): LedgerRecord {
  const entry = decodeEntry(record.entry)
  if (!entry.ok) throw new Error(entry.error)
  const bytes = encodeEntry(change(entry.value))
  const body = precommitBody(entry.value.height, 0, entryHash(bytes))
  const votes = [...c.configs.values()].map(({ self: member, seed, network }) => {
    return { member, sig: sign(seed, signingBytes(network, 'precommit', member, body)) }
  })
  return { entry: bytes, certificate: { view: 0, votes } }
}

describe('agreement', () => {
  it('two certified entries of one height are found, whoever stores the second', () => {
    const { says } = stored(2, (r, c) => certified(r, c, e => ({ ...e, at: e.at + 1 })))
    expect(says.some(s => /hold different entries 2/.test(s))).toBe(true)
  })

  it('a certificate must have a quorum of votes', () => {
    const { says } = stored(2, r => ({
      ...r,
      certificate: { ...r.certificate, votes: r.certificate.votes.slice(0, 2) },
    }))
    expect(says).toEqual([`the certificate of entry 2 at ${victim} has 2 votes of 3`])
  })

  it('no vote counts twice', () => {
    const { says } = stored(2, r => {
      const [a, b] = r.certificate.votes
      return { ...r, certificate: { ...r.certificate, votes: [a!, b!, b!] } }
    })
    expect(says).toContain(`the certificate of entry 2 at ${victim} counts a vote twice`)
  })

  it('votes must be signed, for this entry and view', () => {
    const { says } = stored(2, r => ({
      ...r,
      certificate: { ...r.certificate, view: r.certificate.view + 1 },
    }))
    expect(says.length).toBe(3)
    expect(says.every(s => /has a vote that hospital-00\d did not sign$/.test(s))).toBe(true)
  })

  it('a ledger is not rewritten, has no gaps, and loses nothing', () => {
    const forge = (change: (key: string) => string, deletes: readonly string[] = []) =>
      run.play(agreement, {
        forge: honest => ({
          onCommit: (host, puts, gone) =>
            honest.onCommit?.(
              host,
              puts.map(([key, value]) => [host.id === victim ? change(key) : key, value]),
              host.id === victim ? [...gone, ...deletes] : gone,
            ),
        }),
      }).says
    expect(forge(key => (key === recordKey(3) ? recordKey(2) : key))).toContain(
      `${victim} stores another entry 2 over the one that it had`,
    )
    expect(forge(key => (key === recordKey(3) ? recordKey(9) : key))).toContain(
      `${victim} stores entry 9 after entry 2`,
    )
    expect(forge(key => key, [recordKey(1)])).toEqual([`${victim} deletes an entry of its ledger`])
  })

  it('nobody honest is held to have lied, by a peer or by an entry; of liars anything may be said', () => {
    const accuse = (liars: readonly number[]) =>
      run.play(agreement, {
        liars,
        forge: (honest, c) => ({
          onStart: host => {
            honest.onStart?.(host)
            for (const code of ['badTag', 'stale'] as const)
              honest.onFault?.(c.world.host(memberName(0)), victim, { code, detail: '' })
          },
          onCommit: (host, puts, deletes) =>
            honest.onCommit?.(
              host,
              puts.map(([key, value]) => [key, key === recordKey(3) ? accusing(value, c) : value]),
              deletes,
            ),
        }),
      }).says
    expect(accuse([])).toEqual([
      `${memberName(0)} holds badTag against ${victim}`,
      `entry 3 names ${victim} for badSum`,
    ])
    expect(accuse([1])).toEqual([])
  })

  it('all end a round with one model, the one that the ledger names', () => {
    const { says } = run.play(agreement, {
      forge: honest => ({
        onEvent: (host, event) =>
          honest.onEvent?.(
            host,
            event.kind === 'roundClosed' && host.id === victim
              ? { ...event, modelHash: `${event.modelHash.slice(2)}00` }
              : event,
          ),
      }),
    })
    expect(says.some(s => /end round 1 with different models$/.test(s))).toBe(true)
  })
})

/** The end of a round, with an accusation of the victim. */
function accusing(value: Uint8Array, c: Consortium): Uint8Array {
  const record = decodeRecord(value)
  if (!record.ok) throw new Error(record.error)
  const named = { member: victim, code: 'badSum', evidence: [new Uint8Array(8)] } as const
  return encodeRecord(
    certified(record.value, c, e => {
      if (e.body.kind !== 'RoundClosed') throw new Error(`entry 3 is ${e.body.kind}`)
      return { ...e, body: { ...e.body, faults: [named] } }
    }),
  )
}
