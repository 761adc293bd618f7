import { decode as decodeCbor } from 'cborg'
import { describe, expect, it } from 'vitest'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { decodeRecord, encodeRecord } from '../../../../protocol/ledger/certificate.ts'
import { encodeEntry } from '../../../../protocol/ledger/entry.ts'
import type { Body } from '../../../../protocol/wire/messages.ts'
import { privacy } from '../../../../sim/checkers/privacy.ts'
import { memberName } from '../../../support/consortium.ts'
import { noised } from '../../../support/noised.ts'
import { entryOf, flipped, said, says as say } from '../../../support/says.ts'
import { type Forge, tape } from '../../../support/watched.ts'

const small = tape({ n: 4 })
const names = [0, 1, 2, 3].map(memberName)
const [first, victim] = names as [string, string]

/** Hashes of the entries in which `fewer` has left somebody out. */
const forgedFixed: Uint8Array[] = []

/** Records of survivors with fewer of them. */
function fewer(
  puts: readonly (readonly [string, Uint8Array])[],
  lost: readonly string[],
): [string, Uint8Array][] {
  return puts.map(([key, value]): [string, Uint8Array] => {
    const record = key.startsWith('ledger/') ? decodeRecord(value) : undefined
    const entry = record?.ok ? entryOf(value) : undefined
    if (!record?.ok || entry?.body.kind !== 'SurvivorsFixed' || entry.body.round !== 0) return [key, value]
    const { body } = entry
    const survivors = body.survivors.filter(s => !lost.includes(s.member))
    const leftOut = lost.map(member => ({ member, reason: 'silent' as const, evidence: [] }))
    const bytes = encodeEntry({ ...entry, body: { ...body, survivors, leftOut } })
    forgedFixed.push(sha256(bytes))
    return [key, encodeRecord({ ...record.value, entry: bytes })]
  })
}

type Shares = readonly { from: string; self: Uint8Array; mask: Uint8Array; levels?: readonly Uint8Array[] }[]

/** With its reveal of round 0, each of some members says another one. */
function revealing(
  by: readonly string[],
  second: (body: Body<'reveal'>, shares: Shares) => Body<'reveal'>,
): Forge {
  return (honest, c) => ({
    onRelease: (host, to, bytes) => {
      honest.onRelease?.(host, to, bytes)
      const body = by.includes(host.id) ? said(bytes, host.id, 'reveal') : undefined
      if (body?.round !== 0) return
      const shares = decodeCbor(host.disk.get('attempt/shares')!) as Shares
      honest.onRelease?.(host, to, say(c, host.id, 'reveal', second(body, shares)))
    },
  })
}

/** Shares of one kind, of all. */
function ofKind(kind: 'self' | 'mask') {
  return (body: Body<'reveal'>, shares: Shares): Body<'reveal'> => {
    const all = names.map(m => shares.find(s => s.from === m)![kind])
    return { ...body, shares: Uint8Array.from(all.flatMap(s => [...s])) }
  }
}

describe('privacy', () => {
  it('one share of each member may be said again and again', () => {
    expect(small.play(privacy, { forge: revealing(names, body => body) }).says).toEqual([])
    expect(small.play(privacy, { forge: revealing(names, ofKind('self')) }).says).toEqual([])
  })

  it('who reveals a share of both seeds of a member is found', () => {
    const { says } = small.play(privacy, { forge: revealing([victim], ofKind('mask')) })
    expect(says).toContain(`${victim} reveals the mask seed of ${first} against the entry, round 0.0`)
    expect(says).toContain(`${victim} reveals its shares of both seeds of ${first}, round 0.0`)
    expect(says.some(s => s.includes('compute'))).toBe(false)
  })

  it('with two such members one liar more can compute both secrets, and the input', () => {
    // t = 3: two revealed mask shares, and one that the worst liar holds.
    const { says } = small.play(privacy, { forge: revealing([first, victim], ofKind('mask')) })
    expect(says).toContain(`1 hospitals together can compute both secrets of ${names[2]}, round 0.0`)
    expect(says).toContain(`1 hospitals together can compute the input of ${names[2]}, round 0.0`)
  })

  it('a real liar counts as the one; then there is no other', () => {
    const one = small.play(privacy, { liars: [3], forge: revealing([victim], ofKind('mask')) }).says
    expect(one.some(s => s.includes('compute'))).toBe(false)
    const two = small.play(privacy, { liars: [3], forge: revealing([first, victim], ofKind('mask')) }).says
    expect(two).toContain(`the liars can compute both secrets of ${names[2]}, round 0.0`)
  })

  it('a share that was never dealt is found', () => {
    const wrong = (body: Body<'reveal'>): Body<'reveal'> => ({ ...body, shares: flipped(body.shares, 70) })
    expect(small.play(privacy, { forge: revealing([victim], wrong) }).says).toEqual([
      `${victim} reveals what ${names[2]} has not dealt, round 0.0`,
    ])
  })

  it('a reveal for survivors that nobody has certified is found', () => {
    const wrong = (body: Body<'reveal'>): Body<'reveal'> => ({ ...body, fixed: flipped(body.fixed) })
    expect(small.play(privacy, { forge: revealing([victim], wrong) }).says).toContain(
      `${victim} reveals shares for survivors that nobody has certified, round 0.0`,
    )
  })

  it('two inputs under the same masks are found', () => {
    const { says } = small.play(privacy, {
      forge: (honest, c) => ({
        onRelease: (host, to, bytes) => {
          honest.onRelease?.(host, to, bytes)
          const body = said(bytes, victim, 'input')
          if (!body || host.id !== victim || body.round !== 1) return
          const data = flipped(body.data)
          honest.onRelease?.(host, to, say(c, victim, 'input', { ...body, data, hashes: sha256(data) }))
        },
      }),
    })
    expect(says).toEqual([`${victim} masks two inputs alike, round 1.0`])
  })

  it('the input of a survivor among too few others is exposed, though all keep to the rules', () => {
    // Four, of which two are told to be lost when the survivors are fixed; the curious third is all that is left.
    const { says } = small.play(privacy, {
      context: { f: 1 },
      forge: (honest, c) => {
        const lost = [names[2]!, names[3]!]
        return {
          onCommit: (host, puts, deletes) => honest.onCommit?.(host, fewer(puts, lost), deletes),
          onRelease: (host, to, bytes) => {
            const body = said(bytes, host.id, 'reveal')
            if (body?.round !== 0) return honest.onRelease?.(host, to, bytes)
            const shares = decodeCbor(host.disk.get('attempt/shares')!) as Shares
            const all = names.map(m => shares.find(s => s.from === m)![lost.includes(m) ? 'mask' : 'self'])
            const fixed = forgedFixed.at(-1)!
            const other = { ...body, fixed, shares: Uint8Array.from(all.flatMap(s => [...s])) }
            honest.onRelease?.(host, to, say(c, host.id, 'reveal', other))
          },
        }
      },
    })
    expect(says).toContain(`1 hospitals together can compute the input of ${first}, round 0.0`)
    expect(says.some(s => s.includes('both'))).toBe(false)
  })
})

describe('secrecy of noise', () => {
  // Seven survive of seven: levels 1 and 2 come off, and the seed of 1 gives both.
  const noisy = tape({ n: 7, f: 1, edit: noised() })
  const members = Array.from({ length: 7 }, (_, i) => memberName(i))

  it('is kept by the reveals of an honest study', () => {
    expect(noisy.play(privacy).says).toEqual([])
  })

  it('a share of another level than the entry opens is found, and one that it opens of no level', () => {
    const ofLevel = (level: number) => (body: Body<'reveal'>, shares: Shares) => {
      const all = members.map(m => shares.find(s => s.from === m)!.levels![level - 1]!)
      return {
        ...body,
        shares: Uint8Array.from([...body.shares.subarray(0, 32 * 7), ...all.flatMap(s => [...s])]),
      }
    }
    expect(noisy.play(privacy, { forge: revealing([victim], ofLevel(1)) }).says).toEqual([])
    expect(noisy.play(privacy, { forge: revealing([victim], ofLevel(2)) }).says).toContain(
      `${victim} reveals the level 2 seed of ${first} against the entry, round 0.0`,
    )
    const more = (body: Body<'reveal'>) => ({
      ...body,
      shares: Uint8Array.from([...body.shares, ...new Uint8Array(32)]),
    })
    expect(noisy.play(privacy, { forge: revealing([victim], more) }).says).toContain(
      `${victim} does not reveal one share of each member, round 0.0`,
    )
  })
})
