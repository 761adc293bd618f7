/** A ledger is believed for its certificates, checked offline; whatever is changed in it is found and named. */
import { describe, expect, test } from 'vitest'
import {
  authorityOf,
  type Certificate,
  decodeRecord,
  encodeRecord,
  type LedgerRecord,
  recordKey,
  verifyCertificate,
} from '../../../../protocol/ledger/certificate.ts'
import { decodeEntry, encodeEntry, entryHash } from '../../../../protocol/ledger/entry.ts'
import { verifyLedger } from '../../../../protocol/ledger/verify.ts'
import {
  apply,
  certify,
  charter,
  charterHash,
  entryOf,
  hash,
  initialModel,
  members,
  network,
  opened,
  spokenAgainst,
  start,
  wholeLedger,
} from './ledgers.ts'

const trust = { charter, charterHash, network, initialModelHash: initialModel }
const records = wholeLedger()

describe('certificates', () => {
  const bytes = encodeEntry(entryOf(start(), opened(start())))
  const entry = { height: 1, hash: entryHash(bytes) }
  const authority = authorityOf(start(), network)
  const four = members.slice(0, 4)
  const verdict = (certificate: Certificate, of = entry) => {
    const result = verifyCertificate(authority, of, certificate)
    return result.ok ? 'holds' : result.error
  }

  test('a quorum of the voters, in any view and order', () => {
    expect(verdict(certify(bytes, 1, four))).toBe('holds')
    expect(verdict(certify(bytes, 1, [...members].reverse(), 7))).toBe('holds')
  })

  test('too few, twice the same, strangers: named', () => {
    expect(verdict(certify(bytes, 1, four.slice(1)))).toMatch(/3 votes of 4/)
    expect(verdict(certify(bytes, 1, [...four.slice(1), four[1]!]))).toBe(`${four[1]} is counted twice`)
    const good = certify(bytes, 1, four)
    const stranger = { member: 'stranger', sig: good.votes[0]!.sig }
    expect(verdict({ ...good, votes: [...good.votes, stranger] })).toBe('stranger has no vote')
  })

  test('a signature of another view, height, entry, network or member does not hold, and names its member', () => {
    const good = certify(bytes, 1, four)
    expect(verdict({ ...good, view: 1 })).toMatch(`${four[0]} did not sign`)
    expect(verdict(good, { ...entry, height: 2 })).toMatch(/did not sign/)
    expect(verdict(good, { ...entry, hash: hash('other') })).toMatch(/did not sign/)
    const elsewhere = verifyCertificate({ ...authority, network: hash('elsewhere') }, entry, good)
    expect(elsewhere.ok).toBe(false)
    const swapped = good.votes.map((v, i) => (i === 2 ? { ...v, sig: good.votes[1]!.sig } : v))
    expect(verdict({ ...good, votes: swapped })).toMatch(`${four[2]} did not sign`)
    const extra = { member: members[4]!, sig: new Uint8Array(64) }
    expect(verdict({ ...good, votes: [...good.votes, extra] })).toMatch(`${members[4]} did not sign`)
  })

  test('a suspended member has no vote afterwards', () => {
    const state = apply(spokenAgainst(members), { kind: 'MemberSuspended', member: members[0]!, audits: 5 })
    const next = encodeEntry(entryOf(state, { ...opened(start()), cohort: [], absent: [] }))
    const held = verifyCertificate(
      authorityOf(state, network),
      { height: 2, hash: entryHash(next) },
      certify(next, 2, members),
    )
    expect(held).toEqual({ ok: false, error: `${members[0]} has no vote` })
  })

  test('records come back from their bytes, and their keys sort by height', () => {
    expect(decodeRecord(encodeRecord(records[0]!))).toEqual({ ok: true, value: records[0] })
    expect(recordKey(9) < recordKey(10)).toBe(true)
    expect(recordKey(7)).toBe('ledger/000000000007')
  })
})

describe('the whole ledger', () => {
  test('holds, and is counted', () => {
    const report = verifyLedger(trust, records)
    expect(report).toMatchObject({
      ok: true,
      value: {
        entries: 13,
        signatures: 52,
        byKind: { RoundOpened: 4, SurvivorsFixed: 4, RoundClosed: 4, StudyFinished: 1 },
        state: { phase: { kind: 'finished' } },
      },
    })
  })

  test('a beginning of it holds too', () => {
    expect(verifyLedger(trust, []).ok).toBe(true)
    expect(verifyLedger(trust, records.slice(0, 5)).ok).toBe(true)
  })

  const broken = (change: (copy: LedgerRecord[]) => void, over: Partial<typeof trust> = {}) => {
    const copy = [...records]
    change(copy)
    const report = verifyLedger({ ...trust, ...over }, copy)
    return report.ok ? 'holds' : `${report.error.height}: ${report.error.reason}`
  }

  test('an entry left out, repeated or out of order', () => {
    expect(broken(r => r.splice(4, 1))).toMatch(/^5: height 6 after 4/)
    expect(broken(r => r.splice(4, 0, r[3]!))).toMatch(/^5: height 4 after 4/)
    expect(broken(r => r.reverse())).toMatch(/^1: /)
  })

  test('an entry that suspends a member needs the quorum of before, and may have that member’s vote', () => {
    const state = spokenAgainst(members)
    const suspend = { kind: 'MemberSuspended' as const, member: members[0]!, audits: 5 }
    const entry = encodeEntry(entryOf(state, suspend))
    const of = { height: 1, hash: entryHash(entry) }
    const signedBy = (signers: readonly string[]) =>
      verifyCertificate(authorityOf(state, network), of, certify(entry, 1, signers)).ok
    expect(signedBy(members.slice(0, 4))).toBe(true)
    expect(signedBy(members.slice(1, 4))).toBe(false)
  })

  test('any byte changed in any entry', () => {
    for (const [i, record] of records.entries()) {
      for (let at = 0; at < record.entry.length; at += 37) {
        const entry = record.entry.slice()
        entry[at]! ^= 1
        const changed = broken(r => {
          r[i] = { ...record, entry }
        })
        // The entry itself is refused, or its certificate does not hold.
        expect(changed).toMatch(new RegExp(`^${i + 1}: `))
      }
    }
  })

  test('a well-formed entry that the quorum did not sign', () => {
    const first = decodeEntry(records[0]!.entry)
    if (!first.ok) throw new Error(first.error)
    const forged = { ...records[0]!, entry: encodeEntry({ ...first.value, at: first.value.at + 1 }) }
    expect(
      broken(r => {
        r[0] = forged
      }),
    ).toMatch(/^1: certificate: .* did not sign/)
  })

  test('another charter, network or first model', () => {
    expect(broken(() => {}, { charterHash: hash('x') })).toMatch(/^1: prev/)
    expect(broken(() => {}, { network: hash('x') })).toMatch(/^1: certificate/)
    expect(broken(() => {}, { initialModelHash: hash('x') })).toMatch(/^1: RoundOpened: model/)
  })
})
