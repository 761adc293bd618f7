import { describe, expect, it } from 'vitest'
import { voteBody } from '../../../../protocol/consensus/message.ts'
import { encode } from '../../../../protocol/wire/codec.ts'
import { BODIES, type Body, type BodyType, GOSSIP_TYPES } from '../../../../protocol/wire/messages.ts'
import { consistency } from '../../../../sim/checkers/consistency.ts'
import { readMessage } from '../../../../sim/checkers/read.ts'
import { memberName } from '../../../support/consortium.ts'
import { flipped, said, says as say, signs } from '../../../support/says.ts'
import { type Forge, tape } from '../../../support/watched.ts'

const small = tape({ n: 4 })
const shards = tape({ n: 4, gossipBytesMax: 0 })
const victim = memberName(1)

/** After each message of the victim another one leaves. */
function more(other: (bytes: Uint8Array) => Uint8Array | undefined): Forge {
  return honest => ({
    onRelease: (host, to, bytes) => {
      honest.onRelease?.(host, to, bytes)
      const second = host.id === victim ? other(bytes) : undefined
      if (second) honest.onRelease?.(host, to, second)
    },
  })
}

/** The same message with the bytes of one field changed. */
function changed(type: BodyType, field: string): Forge {
  return more(bytes => {
    const body = said(bytes, victim, type) as Record<string, Uint8Array> | undefined
    if (!body || (body as { round?: number }).round !== 1) return undefined
    const other = { ...body, [field]: flipped(body[field]!) } as never
    return (GOSSIP_TYPES as readonly string[]).includes(type)
      ? signs(small.c, victim, type, encode(other))
      : say(small.c, victim, type, other)
  })
}

describe('consistency', () => {
  it('the same may be said again and again', () => {
    expect(small.play(consistency, { forge: more(bytes => bytes.slice()) }).says).toEqual([])
  })

  const SLOTS: readonly [BodyType, string, typeof small, RegExp][] = [
    ['keys', 'selfCommit', small, /^keys of round 1\.0 after [0-9a-f]{8}$/],
    ['offer', 'digests', small, /^offer of round 1\.0$/],
    ['sealed', 'box', small, /^sealed of round 1\.0, to hospital-00\d$/],
    ['input', 'offers', small, /^input of round 1\.0$/],
    ['reveal', 'shares', small, /^reveal of round 1\.0$/],
    ['tags', 'tags', shards, /^tags of round 1\.0$/],
  ]
  for (const [type, field, run, slot] of SLOTS) {
    it(`who says two of ${type} is found`, () => {
      expect(BODIES[type]).toBeDefined()
      const { says } = run.play(consistency, { forge: changed(type, field) })
      expect(says.length).toBeGreaterThan(0)
      for (const s of says) {
        expect(s.startsWith(`${victim} contradicts itself: `)).toBe(true)
        expect(s.slice(`${victim} contradicts itself: `.length)).toMatch(slot)
      }
    })
  }

  it('sums of a shard are the same, whoever claims them', () => {
    const { says } = shards.play(consistency, { forge: changed('claim', 'sum') })
    expect(says.length).toBeGreaterThan(0)
    expect(says.every(s => /contradicts another: claim of round 1\.0, shard \d$/.test(s))).toBe(true)
  })

  it('what a hash names is one thing, whoever gives it', () => {
    const { says } = shards.play(consistency, { forge: changed('part', 'data') })
    expect(says).toContain(`${victim} gives what its hash does not name`)
    expect(says.some(s => /contradicts another: part of round 1\.0, 0 of [0-9a-f]{64}$/.test(s))).toBe(true)
  })

  it('who votes twice in one view is found; another view is another slot', () => {
    const twice = (viewAfter: number) =>
      small.play(consistency, {
        forge: more(bytes => {
          const vote = readMessage(bytes)?.vote
          if (vote?.type !== 'prevote' || vote.height !== 2) return undefined
          return signs(small.c, victim, 'prevote', voteBody(2, vote.view + viewAfter, new Uint8Array(32)))
        }),
      }).says
    expect(twice(0)).toEqual([`${victim} contradicts itself: prevote of height 2, view 0`])
    expect(twice(7)).toEqual([])
  })

  it('what is no message is none', () => {
    const { says } = small.play(consistency, { forge: more(() => new Uint8Array(9)) })
    expect(says).toEqual([`${victim} sends what is no message of this protocol`])
  })

  describe('receipts', () => {
    const receipt = (change: (body: Body<'receipt'>) => Body<'receipt'>) =>
      shards.play(consistency, {
        forge: more(bytes => {
          const body = said(bytes, victim, 'receipt')
          return body && body.round === 1 ? say(shards.c, victim, 'receipt', change(body)) : undefined
        }),
      }).says

    it('may grow', () => {
      const grown = receipt(b => ({ ...b, held: [...b.held, { shard: 77, from: Uint8Array.of(1) }] }))
      expect(grown.filter(s => !s.includes('shard 77'))).toEqual([])
    })

    it('take nothing back, neither a shard nor a member', () => {
      expect(receipt(b => ({ ...b, held: [] }))[0]).toMatch(/takes a receipt back, round 1\.0, shard \d$/)
      const fewer = receipt(b => ({ ...b, held: b.held.map(h => ({ ...h, from: h.from.map(x => x & ~2) })) }))
      expect(fewer[0]).toMatch(/takes a receipt back, round 1\.0, shard \d$/)
    })

    it('name the same input for ever', () => {
      const other = receipt(b => ({ ...b, roots: flipped(b.roots, 16) }))
      expect(other[0]).toMatch(/receipts another input than before, round 1\.0, shard \d$/)
    })
  })
})
