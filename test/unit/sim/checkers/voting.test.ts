import { describe, expect, it } from 'vitest'
import { proposalBody, voteBody } from '../../../../protocol/consensus/message.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { encodeEntry } from '../../../../protocol/ledger/entry.ts'
import { readMessage } from '../../../../sim/checkers/read.ts'
import { voting } from '../../../../sim/checkers/voting.ts'
import type { SimHost } from '../../../../sim/host.ts'
import { memberName } from '../../../support/consortium.ts'
import { flipped, said, says as say, signs } from '../../../support/says.ts'
import { type Forge, tape } from '../../../support/watched.ts'

const run = tape({ n: 4 })
const [first, victim, third, liar] = [0, 1, 2, 3].map(memberName) as [string, string, string, string]
const other = new Uint8Array(32).fill(7)

function vote(from: string, type: string, height: number, view: number, id: Uint8Array | null): Uint8Array {
  return signs(run.c, from, type, voteBody(height, view, id))
}

/** At its precommit of an entry, the victim hears and says something more. */
function atPrecommit(
  height: number,
  more: (hear: (bytes: Uint8Array) => void, tell: (bytes: Uint8Array) => void) => void,
) {
  let done = false
  const forge: Forge = honest => ({
    onRelease: (host, to, bytes) => {
      honest.onRelease?.(host, to, bytes)
      const v = readMessage(bytes)?.vote
      if (done || host.id !== victim || v?.type !== 'precommit' || v.height !== height || !v.id) return
      done = true
      more(
        heard => honest.onInput?.(host, { kind: 'message', from: liar, via: 'gossip', bytes: heard }, 0),
        told => honest.onRelease?.(host, undefined, told),
      )
    },
  })
  const { says } = run.play(voting, { forge })
  expect(done).toBe(true)
  return says
}

describe('voting', () => {
  it('a precommit needs the prevotes of a quorum', () => {
    const { says } = run.play(voting, {
      forge: honest => ({
        // Of all prevotes the victim hears those of one other: with its own that is one less than a quorum.
        onInput: (host, input, now) => {
          const m = input.kind === 'message' ? readMessage(input.bytes) : undefined
          const isLost = m?.vote?.type === 'prevote' && m.author !== first && host.id === victim
          if (!isLost) honest.onInput?.(host, input, now)
        },
      }),
    })
    expect(says).toContain(`${victim} precommits entry 1 after 2 prevotes of 3`)
    expect(says.every(s => s.startsWith(victim))).toBe(true)
  })

  it('who has precommitted prevotes nothing else', () => {
    const says = atPrecommit(4, (_hear, tell) => tell(vote(victim, 'prevote', 4, 1, other)))
    expect(says).toEqual([`${victim} prevotes against its lock, height 4`])
  })

  it('but for a value that a quorum prevoted in the view of the lock or after it', () => {
    const value = encodeEntry({
      height: 4,
      prev: other,
      at: 1,
      body: { kind: 'MemberRestored', member: third, signatures: [] },
    })
    const id = sha256(value)
    const proposed = (validView: number) =>
      atPrecommit(4, (hear, tell) => {
        hear(signs(run.c, liar, 'proposal', proposalBody(4, 3, validView, value)))
        tell(vote(victim, 'prevote', 4, 3, id))
      })
    expect(proposed(2)).toEqual([])
    expect(proposed(-1)).toEqual([`${victim} prevotes against its lock, height 4`])
  })

  it('nil, and the value of the lock, may always be prevoted', () => {
    const says = atPrecommit(4, (_hear, tell) => tell(vote(victim, 'prevote', 4, 1, null)))
    expect(says).toEqual([])
  })

  describe('a survivor of whom two inputs were seen', () => {
    /** The victim is shown a second input of the third member when it has given its own. */
    const shown = (second: (host: SimHost, bytes: Uint8Array) => Uint8Array | undefined) =>
      run.play(voting, {
        forge: honest => ({
          onInput: (host, input, now) => {
            honest.onInput?.(host, input, now)
            const bytes =
              input.kind === 'message' && host.id === victim ? second(host, input.bytes) : undefined
            if (bytes) honest.onInput?.(host, { kind: 'message', from: liar, via: 'gossip', bytes }, now)
          },
        }),
      }).says

    it('gets no vote', () => {
      const says = shown((_host, bytes) => {
        const body = said(bytes, third, 'input')
        const data = body && flipped(body.data)
        return data && say(run.c, third, 'input', { ...body, data, hashes: sha256(data) })
      })
      expect(says.length).toBeGreaterThan(0)
      for (const s of says)
        expect(s).toBe(`${victim} votes for the survivor ${third}, of whom it has seen two inputs`)
    })

    it('gets one by who only watches this attempt, and saw the two in an earlier one', () => {
      let shownTwo = false
      const { says } = run.play(voting, {
        forge: honest => ({
          onInput: (host, input, now) => {
            honest.onInput?.(host, input, now)
            if (host.id !== victim || input.kind !== 'message') return
            const body = said(input.bytes, third, 'input')
            if (body?.round !== 0) return
            shownTwo = true
            const data = flipped(body.data)
            const bytes = say(run.c, third, 'input', { ...body, data, hashes: sha256(data) })
            honest.onInput?.(host, { kind: 'message', from: liar, via: 'gossip', bytes }, now)
          },
          // It left the third out of round 0, and has no offer in the rounds that follow.
          onOutput: (host, input, output) => {
            const at = output.effects.flatMap(e => (e.kind === 'store' ? e.release : [e]))
            const votes = at.map(e => (e.kind === 'publish' ? readMessage(e.bytes)?.vote : undefined))
            if (host.id !== victim || votes.every(v => v?.height !== 2))
              honest.onOutput?.(host, input, output)
          },
          onRelease: (host, to, bytes) => {
            const offer = said(bytes, victim, 'offer')
            if (host.id !== victim || (offer?.round ?? 0) === 0) honest.onRelease?.(host, to, bytes)
          },
        }),
      })
      expect(shownTwo).toBe(true)
      expect(says).toEqual([])
    })

    it('gets one where the second came when the vote was made, and not on the disk yet', () => {
      let input: Uint8Array | undefined
      let late = false
      const { says } = run.play(voting, {
        forge: honest => ({
          onInput: (host, what, now) => {
            honest.onInput?.(host, what, now)
            if (what.kind === 'message' && said(what.bytes, third, 'input')) input ??= what.bytes
          },
          onRelease: (host, to, bytes) => {
            const v = readMessage(bytes)?.vote
            if (host.id === victim && v?.type === 'prevote' && v.height === 2 && !late) {
              late = true
              const body = said(input!, third, 'input')!
              const data = flipped(body.data)
              const other = say(run.c, third, 'input', { ...body, data, hashes: sha256(data) })
              honest.onInput?.(host, { kind: 'message', from: liar, via: 'gossip', bytes: other }, 0)
            }
            honest.onRelease?.(host, to, bytes)
          },
        }),
      })
      expect(late).toBe(true)
      expect(says).toEqual([])
    })

    it('gets one where the second was not signed, or is not what it commits to', () => {
      const forgedName = shown((_host, bytes) => {
        const body = said(bytes, third, 'input')
        const data = body && flipped(body.data)
        if (!data) return undefined
        const message = say(run.c, third, 'input', { ...body, data, hashes: sha256(data) })
        return flipped(message, message.length - 1)
      })
      expect(forgedName).toEqual([])
      const broken = shown((_host, bytes) => {
        const body = said(bytes, third, 'input')
        return body && say(run.c, third, 'input', { ...body, data: flipped(body.data) })
      })
      expect(broken).toEqual([])
    })
  })
})
