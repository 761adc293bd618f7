/** The rules of arXiv 1807.04938, Algorithm 1, one by one, seen from one peer of four (f = 1, quorum 3). */
import { describe, expect, test } from 'vitest'
import { ascii, toHex } from '../../../../protocol/bytes.ts'
import { proposalBody, voteBody } from '../../../../protocol/consensus/message.ts'
import { Consensus, proposerAt, type Step, type Verdict } from '../../../../protocol/consensus/tendermint.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { verifyCertificate } from '../../../../protocol/ledger/certificate.ts'
import type { MemberId } from '../../../../protocol/ports.ts'
import { sealEnvelope } from '../../../../protocol/wire/envelope.ts'
import { height, keyOf, names, network, parse, seal, seedOf } from './network.ts'

const voters = names(4)
// Height 5: views 0, 1, 2, 3 are proposed by peer-1, peer-2, peer-3, peer-0. We are peer-0.
const me = 'peer-0'
const others = ['peer-1', 'peer-2', 'peer-3']
const v = ascii('the value v')
const w = ascii('another value w')

interface Over {
  readonly verdict?: (value: Uint8Array) => Verdict
  readonly value?: () => Uint8Array | undefined
  readonly self?: MemberId
}

function peer(over: Over = {}) {
  const self = over.self ?? me
  return new Consensus({
    network,
    height,
    self: { id: self, seed: seedOf(self) },
    voters,
    quorum: 3,
    faultyMax: 1,
    viewTimeoutMs: 100,
    proposerOf: view => proposerAt(voters, height, view),
    publicKeyOf: keyOf,
    host: { value: over.value ?? (() => ascii('mine')), check: over.verdict ?? (() => 'valid') },
  })
}

const proposal = (view: number, value: Uint8Array, validView = -1, from = proposerAt(voters, height, view)) =>
  parse(seal(from, 'proposal', proposalBody(height, view, validView, value)))
const vote = (type: 'prevote' | 'precommit', from: MemberId, view: number, value: Uint8Array | null) =>
  parse(seal(from, type, voteBody(height, view, value && sha256(value))))

/** What a step says, such as `prevote 0 v`. */
function said(step: Step): string[] {
  const name = (id: Uint8Array | null) => {
    if (id === null) return 'nil'
    const known = { v, w, mine: ascii('mine') }
    return Object.entries(known).find(([, value]) => toHex(sha256(value)) === toHex(id))?.[0] ?? '?'
  }
  return step.say.map(parse).map(m => `${m.type} ${m.view} ${name(m.id)}`)
}

/** Gives all messages; returns the step of the last. */
function give(c: Consensus, messages: Parameters<Consensus['receive']>[0][], now = 0): Step {
  let step: Step | undefined
  for (const m of messages) step = c.receive(m, now)
  return step!
}

/** A peer that has locked v in view 0, and where its messages and proofs went. */
function locked() {
  const c = peer()
  const first = c.start(0)
  const prevoted = c.receive(proposal(0, v), 0)
  const step = give(c, [vote('prevote', 'peer-1', 0, v), vote('prevote', 'peer-2', 0, v)])
  expect(said(step)).toEqual(['precommit 0 v'])
  return { c, durable: [...first.say, ...prevoted.say, ...step.say, ...step.keep], step }
}

/** Brings `c` to `view` by f + 1 votes of it. */
function skipTo(c: Consensus, view: number, now = 0): Step {
  return give(c, [vote('precommit', 'peer-1', view, null), vote('precommit', 'peer-2', view, null)], now)
}

describe('the way of a value', () => {
  test('lines 22-24, 36-40, 49: prevote, precommit, decision, certificate', () => {
    const c = peer()
    expect(c.start(0).wakeAt).toBe(100)
    expect(said(c.receive(proposal(0, v), 0))).toEqual(['prevote 0 v'])
    expect(said(c.receive(vote('prevote', 'peer-1', 0, v), 0))).toEqual([])
    expect(said(c.receive(vote('prevote', 'peer-2', 0, v), 0))).toEqual(['precommit 0 v'])
    expect(c.receive(vote('precommit', 'peer-1', 0, v), 0).decided).toBeUndefined()
    const { decided, wakeAt } = c.receive(vote('precommit', 'peer-3', 0, v), 0)
    expect(wakeAt).toBeUndefined()
    expect(decided?.value).toEqual(v)
    const authority = { network, voters, quorum: 3, publicKeyOf: keyOf }
    expect(verifyCertificate(authority, { height, hash: sha256(v) }, decided!.certificate).ok).toBe(true)
    expect(c.receive(vote('precommit', 'peer-2', 0, v), 0)).toMatchObject({
      decided: undefined,
      faults: [{ fault: { code: 'stale' } }],
    })
  })

  test('a quorum of precommits decides whatever one’s own step, and with them alone', () => {
    const c = peer()
    give(c, [proposal(0, v), ...others.slice(0, 2).map(m => vote('precommit', m, 0, v))])
    expect(c.receive(vote('precommit', 'peer-3', 0, v), 0).decided?.value).toEqual(v)
  })

  test('messages before start are kept, nothing is said', () => {
    const c = peer()
    expect(said(c.receive(proposal(0, v), 0))).toEqual([])
    expect(said(c.start(0))).toEqual(['prevote 0 v'])
  })

  test('lines 14-19: the proposer proposes when it has a value, at start or later', () => {
    let value: Uint8Array | undefined
    const c = peer({ value: () => value })
    c.start(0)
    expect(said(skipTo(c, 3))).toEqual([])
    value = ascii('mine')
    expect(said(c.poll(1))).toEqual(['proposal 3 mine', 'prevote 3 mine'])
    expect(said(c.poll(2))).toEqual([])
  })

  test('lines 15-16, 42-43: a proposer repeats the valid value with its view', () => {
    const { c } = locked()
    const step = skipTo(c, 3)
    expect(said(step)).toEqual(['proposal 3 v', 'prevote 3 v'])
    expect(parse(step.say[0]!)).toMatchObject({ validView: 0 })
  })

  test('line 28: it passes on the prevotes of that view, with which who has forgotten or never heard them can vote', () => {
    const { c } = locked()
    const { say, pass } = skipTo(c, 3)
    const prevotes = pass.map(parse)
    expect(prevotes.map(m => `${m.type} ${m.view} ${m.from}`)).toEqual([
      'prevote 0 peer-0',
      'prevote 0 peer-1',
      'prevote 0 peer-2',
    ])
    const third = peer({ self: 'peer-3' })
    third.start(0)
    skipTo(third, 3)
    expect(said(give(third, [parse(say[0]!)]))).toEqual([])
    expect(said(give(third, prevotes))).toEqual(['prevote 3 v'])
  })

  test('a restarted peer that says such a proposal again passes them on again', () => {
    const { c, durable } = locked()
    const { say } = skipTo(c, 3)
    const { pass } = peer().restore([...durable, ...say], 0)
    expect(pass.map(bytes => parse(bytes).from).sort()).toEqual(['peer-0', 'peer-1', 'peer-2'])
  })

  test('a proposal of a new value passes nothing on', () => {
    const c = peer()
    c.start(0)
    const step = skipTo(c, 3)
    expect(said(step)).toEqual(['proposal 3 mine', 'prevote 3 mine'])
    expect(step.pass).toEqual([])
  })

  test('an invalid value gets nil, and its proposer a fault', () => {
    const c = peer({ verdict: () => 'invalid' })
    c.start(0)
    const step = c.receive(proposal(0, v), 0)
    expect(said(step)).toEqual(['prevote 0 nil'])
    expect(step.faults).toMatchObject([{ peer: 'peer-1', fault: { code: 'invalidProposal' } }])
  })

  test('an unknown value is waited for until the timeout', () => {
    let verdict: Verdict = 'unknown'
    const c = peer({ verdict: () => verdict })
    c.start(0)
    expect(said(c.receive(proposal(0, v), 0))).toEqual([])
    expect(said(c.poll(99))).toEqual([])
    verdict = 'valid'
    expect(said(c.poll(99))).toEqual(['prevote 0 v'])
    const d = peer({ verdict: () => 'unknown' })
    d.start(0)
    d.receive(proposal(0, v), 0)
    expect(said(d.poll(100))).toEqual(['prevote 0 nil'])
  })

  test('the host learns who vouches for an unknown value', () => {
    const seen: (readonly MemberId[])[] = []
    const c = new Consensus({
      network,
      height,
      voters,
      quorum: 3,
      faultyMax: 1,
      viewTimeoutMs: 100,
      proposerOf: view => proposerAt(voters, height, view),
      publicKeyOf: keyOf,
      host: {
        value: () => undefined,
        check: (_, prevoters) => {
          seen.push(prevoters)
          return 'unknown'
        },
      },
    })
    c.start(0)
    give(c, [proposal(0, v), vote('prevote', 'peer-1', 0, v), vote('prevote', 'peer-2', 0, w)])
    expect(seen).toEqual([[], ['peer-1']])
  })
})

describe('timeouts', () => {
  test('lines 57-60: no proposal, nil at the timeout, later in later views', () => {
    const c = peer()
    c.start(0)
    expect(said(c.poll(99))).toEqual([])
    expect(said(c.poll(100))).toEqual(['prevote 0 nil'])
    expect(skipTo(c, 2, 1000).wakeAt).toBe(1300)
  })

  test('lines 34, 61-64: a quorum of mixed prevotes, nil precommit at the timeout', () => {
    const c = peer()
    c.start(0)
    c.receive(proposal(0, v), 0)
    const mixed = give(c, [vote('prevote', 'peer-1', 0, w), vote('prevote', 'peer-2', 0, null)], 10)
    expect(said(mixed)).toEqual([])
    expect(mixed.wakeAt).toBe(110)
    expect(said(c.poll(110))).toEqual(['precommit 0 nil'])
  })

  test('lines 44-46: a quorum of nil prevotes, nil precommit at once', () => {
    const c = peer()
    c.start(0)
    c.poll(100)
    const step = give(c, [vote('prevote', 'peer-1', 0, null), vote('prevote', 'peer-2', 0, null)], 100)
    expect(said(step)).toEqual(['precommit 0 nil'])
  })

  test('lines 47, 65-67: a quorum of mixed precommits, next view at the timeout', () => {
    const { c } = locked()
    const step = give(c, [vote('precommit', 'peer-1', 0, null), vote('precommit', 'peer-2', 0, w)], 10)
    expect(step.wakeAt).toBe(110)
    c.poll(109)
    expect(c.view).toBe(0)
    c.poll(110)
    expect(c.view).toBe(1)
  })

  test('line 55: f + 1 members ahead pull along, also one not started and from far; f do not', () => {
    for (const view of [1, 7, 500]) {
      const c = peer()
      c.receive(vote('prevote', 'peer-1', view, null), 0)
      c.receive(vote('precommit', 'peer-1', view, null), 0)
      expect(c.view).toBe(-1)
      c.receive(vote('prevote', 'peer-2', view + 3, null), 0)
      expect(c.view).toBe(view)
    }
  })
})

describe('the lock', () => {
  test('line 23: another value gets nil in a later view', () => {
    const { c } = locked()
    skipTo(c, 1)
    expect(said(c.receive(proposal(1, w), 0))).toEqual(['prevote 1 nil'])
  })

  test('line 23: the locked value itself gets a prevote', () => {
    const { c } = locked()
    skipTo(c, 1)
    expect(said(c.receive(proposal(1, v), 0))).toEqual(['prevote 1 v'])
  })

  test('line 29: another value with a quorum of prevotes in a later view than the lock unlocks', () => {
    const { c } = locked()
    skipTo(c, 1)
    give(
      c,
      others.map(m => vote('prevote', m, 1, w)),
    )
    skipTo(c, 2)
    expect(said(c.receive(proposal(2, w, 1), 0))).toEqual(['prevote 2 w'])
  })

  test('line 29: one from an earlier view than the lock does not', () => {
    const c = peer()
    c.start(0)
    give(
      c,
      others.map(m => vote('prevote', m, 0, w)),
    )
    skipTo(c, 1)
    give(c, [proposal(1, v), vote('prevote', 'peer-1', 1, v), vote('prevote', 'peer-2', 1, v)])
    skipTo(c, 2)
    expect(said(c.receive(proposal(2, w, 0), 0))).toEqual(['prevote 2 nil'])
  })

  test('line 28: a claim of an earlier view is not believed without its prevotes', () => {
    const c = peer()
    skipTo(c, 2)
    give(c, [vote('prevote', 'peer-1', 1, w), vote('prevote', 'peer-2', 1, w)])
    expect(said(c.receive(proposal(2, w, 1), 0))).toEqual([])
    expect(said(c.receive(vote('prevote', 'peer-3', 1, w), 0))).toEqual(['prevote 2 w'])
  })

  test('line 28: the prevotes of a view long past are taken when a proposal points to it', () => {
    const c = peer()
    skipTo(c, 10)
    const old = others.map(m => vote('prevote', m, 1, w))
    expect(c.receive(old[0]!, 0).faults).toMatchObject([{ fault: { code: 'stale' } }])
    c.receive(proposal(10, w, 1), 0)
    expect(said(give(c, old))).toEqual(['prevote 10 w'])
  })
})

describe('after a restart', () => {
  test('the same bytes again, no second vote, the lock holds, and its proof is still there', () => {
    const { durable, step } = locked()
    const c = peer({ value: () => w })
    const again = c.restore([...durable].reverse(), 0)
    expect(again.say.map(toHex)).toContain(toHex(step.say[0]!))
    expect(said(again).sort()).toEqual(['precommit 0 v', 'prevote 0 v'])
    expect(said(c.start(0))).toEqual([])
    expect(said(give(c, [proposal(0, v), ...others.map(m => vote('prevote', m, 0, null))]))).toEqual([])
    skipTo(c, 1)
    expect(said(c.receive(proposal(1, w), 0))).toEqual(['prevote 1 nil'])
    // All the others have forgotten: what is durable here is enough to bring the value back.
    const held = c.messages().map(toHex)
    for (const bytes of step.keep) expect(held).toContain(toHex(bytes))
    expect(said(skipTo(c, 3))).toEqual(['proposal 3 v', 'prevote 3 v'])
  })

  test('a prevote that was said is not said otherwise', () => {
    const a = peer({ verdict: () => 'invalid' })
    a.start(0)
    const durable = a.receive(proposal(0, v), 0).say
    const b = peer()
    expect(said(b.restore(durable, 0))).toEqual(['prevote 0 nil'])
    expect(said(b.receive(proposal(0, v), 0))).toEqual([])
  })

  test('a proposal that was made is not made otherwise, and is voted on', () => {
    const a = peer({ verdict: () => 'unknown' })
    a.start(0)
    const durable = skipTo(a, 3).say
    expect(said({ say: durable } as unknown as Step)).toEqual(['proposal 3 mine'])
    const b = peer({ value: () => w })
    expect(said(b.restore(durable, 0))).toEqual(['proposal 3 mine', 'prevote 3 mine'])
  })
})

describe('liars', () => {
  test('a second vote is reported once, with both as evidence, and does not count', () => {
    const { c } = locked()
    const one = vote('precommit', 'peer-1', 0, w)
    const two = vote('precommit', 'peer-1', 0, v)
    c.receive(one, 0)
    expect(c.receive(two, 0).faults).toEqual([
      {
        peer: 'peer-1',
        fault: expect.objectContaining({ code: 'equivocation' }),
        evidence: [one.raw.bytes, two.raw.bytes],
      },
    ])
    expect(c.receive(vote('precommit', 'peer-1', 0, null), 0).faults).toMatchObject([
      { peer: undefined, fault: { code: 'overQuota' } },
    ])
    expect(c.receive(vote('precommit', 'peer-2', 0, v), 0).decided).toBeUndefined()
  })

  test('a second vote counts where the honest members back its value: others may have heard it first', () => {
    const c = peer()
    c.start(0)
    give(c, [proposal(0, v), vote('prevote', 'peer-1', 0, w), vote('prevote', 'peer-2', 0, v)])
    expect(said(c.receive(vote('prevote', 'peer-1', 0, v), 0))).toEqual(['precommit 0 v'])
  })

  test('a second proposal is a fault; it is taken only when a quorum stands behind it', () => {
    const c = peer()
    c.start(0)
    c.receive(proposal(0, w), 0)
    expect(c.receive(proposal(0, v), 0).faults).toMatchObject([{ fault: { code: 'equivocation' } }])
    give(
      c,
      others.map(m => vote('precommit', m, 0, v)),
    )
    expect(c.receive(proposal(0, v), 0).decided?.value).toEqual(v)
  })

  test('out of turn, by a stranger, forged, of another network, height or far view: named and not counted', () => {
    const c = peer()
    c.start(0)
    const code = (m: Parameters<Consensus['receive']>[0]) =>
      c.receive(m, 0).faults.map(b => [b.peer, b.fault.code])
    expect(code(proposal(0, v, -1, 'peer-2'))).toEqual([['peer-2', 'notProposer']])
    expect(code(vote('prevote', 'peer-9', 0, v))).toEqual([[undefined, 'notMember']])
    const body = voteBody(height, 0, sha256(v))
    const as = (over: object) =>
      parse(sealEnvelope({ network, type: 'prevote', from: 'peer-2', seed: seedOf('peer-2'), ...over }, body))
    expect(code(as({ seed: seedOf('peer-3') }))).toEqual([[undefined, 'badSignature']])
    expect(code(as({ network: sha256(ascii('other')) }))).toEqual([[undefined, 'badSignature']])
    expect(code(parse(seal('peer-2', 'prevote', voteBody(height + 1, 0, null))))).toEqual([
      [undefined, 'early'],
    ])
    expect(code(parse(seal('peer-2', 'prevote', voteBody(height - 1, 0, null))))).toEqual([
      [undefined, 'stale'],
    ])
    expect(code(vote('prevote', 'peer-2', 17, v))).toEqual([['peer-2', 'early']])
    expect(code(as({}))).toEqual([])
    expect(code(as({}))).toEqual([[undefined, 'duplicate']])
    expect(c.messages()).toHaveLength(1)
  })

  test('memory stays bounded whatever a liar sends', () => {
    const c = peer()
    c.start(0)
    for (let i = 0; i < 400; i++) {
      const value = ascii(`value ${i}`)
      c.receive(vote('prevote', 'peer-1', i % 40, value), 0)
      c.receive(vote('precommit', 'peer-1', i % 40, value), 0)
      c.receive(proposal(4 * (i % 10), value), 0)
    }
    // 17 views with a prevote and a precommit each, 5 of them with the liar's proposal, and our own prevote.
    expect(c.messages().length).toBeLessThanOrEqual(17 * 2 + 5 + 1)
  })
})

test('the proposer rotates with view and height over all voters', () => {
  expect([0, 1, 2, 3, 4].map(view => proposerAt(voters, height, view))).toEqual([
    'peer-1',
    'peer-2',
    'peer-3',
    'peer-0',
    'peer-1',
  ])
})
