/**
 * Agreement on the entry of one height: Tendermint (arXiv 1807.04938, Algorithm 1; line numbers in comments).
 * The paper's round is our view, its 2f+1 our quorum q (any two meet in an honest member), its nil our null.
 * Beyond the paper: values that cannot be judged yet, restart from durable messages, bounded memory.
 */
import { equalBytes } from '../bytes.ts'
import { type Fault, fault } from '../fault.ts'
import type { MemberId, Millis } from '../ports.ts'
import { assert } from '../result.ts'
import { openEnvelope, sealEnvelope, verifyEnvelope } from '../wire/envelope.ts'
import { VIEW_MAX, VIEWS_AHEAD_MAX, VIEWS_BEHIND_MAX } from '../wire/limits.ts'
import { Heard } from './heard.ts'
import {
  type ConsensusMessage,
  type Proposal,
  parseConsensus,
  proposalBody,
  type VoteType,
  voteBody,
} from './message.ts'
import type { Blame, ConsensusOptions, Decision, Step, Verdict } from './types.ts'

export type { Blame, ConsensusHost, ConsensusOptions, Decision, Step, Verdict } from './types.ts'

/** Timeouts stop growing here: longer ones would leave a healed network waiting for minutes. */
const timeoutFactorMax = 32

/** Rotates over the voters with each view, and starts with another one at each height. */
export function proposerAt(voters: readonly MemberId[], height: number, view: number): MemberId {
  return voters[(height + view) % voters.length]!
}

interface Out {
  readonly say: Uint8Array[]
  readonly keep: Uint8Array[]
  readonly pass: Uint8Array[]
  decided: Decision | undefined
  readonly faults: Blame[]
}

function nothing(): Out {
  return { say: [], keep: [], pass: [], decided: undefined, faults: [] }
}

export class Consensus {
  readonly #o: ConsensusOptions
  readonly #self: { readonly id: MemberId; readonly seed: Uint8Array } | undefined
  readonly #heard: Heard
  /** The highest view in which a member was heard, kept also where the message is not. */
  readonly #latest = new Map<MemberId, number>()
  /** The highest view that f + 1 members have reached; undefined: to be looked for. */
  #reached: number | undefined
  /** Types of own messages in the present view: never a second of one, also after a restart. Views only grow. */
  readonly #said = new Set<ConsensusMessage['type']>()
  readonly #verdicts = new Map<Uint8Array, { verdict: Verdict; prevoters: number }>()
  // -1: not started. All messages are kept meanwhile.
  #view = -1
  #step: 'propose' | 'prevote' | 'precommit' = 'propose'
  #lockedView = -1
  #lockedId: Uint8Array | undefined
  #validView = -1
  #validId: Uint8Array | undefined
  #proposeAt: Millis | undefined
  #prevoteAt: Millis | undefined
  #precommitAt: Millis | undefined
  #decided = false
  #out: Out = nothing()

  constructor(options: ConsensusOptions) {
    this.#o = options
    this.#self = options.self && options.voters.includes(options.self.id) ? options.self : undefined
    this.#heard = new Heard(options.quorum, options.faultyMax)
  }

  get view(): number {
    return this.#view
  }

  /** Line 10. The peer is ready to decide this height; before, messages are only kept. Harmless when repeated. */
  start(now: Millis): Step {
    if (this.#view < 0) this.#startView(0, now)
    return this.#advance(now)
  }

  /** A message of this height; its signature is checked here. */
  receive(message: ConsensusMessage, now: Millis): Step {
    const blame = this.#take(message)
    if (blame !== undefined) this.#out.faults.push(blame)
    return this.#advance(now)
  }

  /** A tick, or the host knows more than before: judges anew what was not valid, asks anew for a value. */
  poll(now: Millis): Step {
    for (const [id, known] of this.#verdicts) if (known.verdict !== 'valid') this.#verdicts.delete(id)
    return this.#advance(now)
  }

  /**
   * Before anything else, after a restart: all that was made durable from `say` and `keep` at this height, in any
   * order. Says the own messages of the last view again, byte for byte; in no view a second vote.
   */
  restore(durable: readonly Uint8Array[], now: Millis): Step {
    assert(this.#view < 0 && this.#heard.views.length === 0, 'restore is the first call')
    const messages = durable.map(bytes => {
      const raw = openEnvelope(bytes)
      const parsed = raw.ok ? parseConsensus(raw.value) : raw
      assert(parsed.ok && parsed.value.height === this.#o.height, 'durable messages are of this height')
      return parsed.value
    })
    const own = messages.filter(m => m.from === this.#self?.id)
    for (const m of own) {
      this.#view = Math.max(this.#view, m.view)
      if (m.type === 'precommit' && m.id !== null && m.view > this.#lockedView) this.#lock(m.view, m.id)
    }
    for (const m of messages) if (this.#heard.novelty(m).kind === 'new') this.#heard.add(m)
    for (const m of own) {
      if (m.view !== this.#view || this.#said.has(m.type)) continue
      this.#said.add(m.type)
      this.#out.say.push(m.raw.bytes)
      if (m.type === 'proposal') this.#passPolka(m.validView, m.id)
    }
    if (this.#said.has('precommit')) this.#step = 'precommit'
    else if (this.#said.has('prevote')) this.#step = 'prevote'
    else if (this.#view >= 0) this.#proposeAt = now + this.#timeoutMs()
    return this.#advance(now)
  }

  /** All signed messages that a peer at this height may lack, the most useful first. */
  messages(): readonly Uint8Array[] {
    return Array.from(this.#heard.all(), m => m.raw.bytes)
  }

  /** Voters of whom no vote of the present view is known. */
  waitsFor(): readonly MemberId[] {
    const type = this.#step === 'precommit' ? 'precommit' : 'prevote'
    const heard = this.#heard.voters(type, Math.max(this.#view, 0))
    return this.#o.voters.filter(m => !heard.has(m))
  }

  #take(m: ConsensusMessage): Blame | undefined {
    const by = (peer: MemberId | undefined, f: Fault, evidence: readonly Uint8Array[] = []): Blame => ({
      peer,
      fault: f,
      evidence,
    })
    const what = `${m.type} of height ${m.height}, view ${m.view}`
    if (this.#decided || m.height < this.#o.height) return by(undefined, fault('stale', what))
    if (m.height > this.#o.height) return by(undefined, fault('early', what))
    if (!this.#o.voters.includes(m.from)) return by(undefined, fault('notMember', `${what}: no vote`))
    const ahead = m.view > this.#view + VIEWS_AHEAD_MAX
    if (!ahead && !this.#wants(m.view)) return by(undefined, fault('stale', what))
    if (ahead && m.view <= (this.#latest.get(m.from) ?? -1)) return by(undefined, fault('early', what))
    const novelty = this.#heard.novelty(m)
    if (novelty.kind === 'known') return by(undefined, fault('duplicate', what))
    if (novelty.kind === 'conflict' && novelty.blamed && !novelty.backed) {
      return by(undefined, fault('overQuota', `${what}: a further one of an equivocator`))
    }
    // Only now the costly part; and only after it can the named author be blamed.
    if (!verifyEnvelope(m.raw, this.#o.network, this.#o.publicKeyOf(m.from))) {
      return by(undefined, fault('badSignature', what))
    }
    if (m.type === 'proposal' && m.from !== this.#o.proposerOf(m.view)) {
      return by(m.from, fault('notProposer', what), [m.raw.bytes])
    }
    if (m.view > (this.#latest.get(m.from) ?? -1)) {
      this.#latest.set(m.from, m.view)
      this.#reached = undefined
    }
    if (ahead) return by(m.from, fault('early', what))
    if (novelty.kind === 'new' || novelty.backed) this.#heard.add(m)
    if (novelty.kind === 'new' || novelty.blamed) return undefined
    this.#heard.blame(m)
    return by(m.from, fault('equivocation', what), [novelty.before.raw.bytes, m.raw.bytes])
  }

  /** Views of which messages are kept: near ours, and those that a lock or a proposal refers to. */
  #wants(view: number): boolean {
    if (view >= this.#view - VIEWS_BEHIND_MAX) return view <= this.#view + VIEWS_AHEAD_MAX
    if (view === this.#lockedView || view === this.#validView) return true
    return this.#heard.views.some(
      v => v >= this.#view && this.#heard.proposals(v).some(p => p.validView === view),
    )
  }

  /** Applies rules until none applies, and hands out what came of it. */
  #advance(now: Millis): Step {
    this.#expire(now)
    while (!this.#decided && this.#rule(now));
    const out = this.#out
    this.#out = nothing()
    const timers = [this.#proposeAt, this.#prevoteAt, this.#precommitAt].filter(t => t !== undefined)
    const wakeAt = this.#decided || timers.length === 0 ? undefined : Math.min(...timers)
    return { ...out, wakeAt }
  }

  #timeoutMs(): Millis {
    return this.#o.viewTimeoutMs * Math.min(this.#view + 1, timeoutFactorMax)
  }

  /** One rule of Algorithm 1 that applies now; false: none does. */
  #rule(now: Millis): boolean {
    if (this.#decide()) return true
    const skipTo = this.#skipTarget()
    if (skipTo > this.#view) return this.#startView(skipTo, now) // 55-56
    if (this.#view < 0) return false
    switch (this.#step) {
      case 'propose':
        return this.#propose() || this.#judgeProposal() || this.#awaitPrecommits(now)
      case 'prevote':
        return this.#polka() || this.#nilPolka() || this.#awaitPrevotes(now) || this.#awaitPrecommits(now)
      case 'precommit':
        return this.#polka() || this.#awaitPrecommits(now)
    }
  }

  /** 11-21. */
  #startView(view: number, now: Millis): true {
    assert(view > this.#view && view <= VIEW_MAX, 'views only grow')
    this.#view = view
    this.#step = 'propose'
    this.#said.clear()
    this.#verdicts.clear()
    // The proposer waits no longer than the others for a value to propose.
    this.#proposeAt = now + this.#timeoutMs()
    this.#prevoteAt = undefined
    this.#precommitAt = undefined
    this.#heard.forgetUnless(v => this.#wants(v))
    return true
  }

  /** 14-19: as soon as there is something to propose. */
  #propose(): boolean {
    const self = this.#self
    if (self === undefined || this.#said.has('proposal')) return false
    if (this.#o.proposerOf(this.#view) !== self.id) return false
    const value = this.#validId === undefined ? this.#o.host.value() : this.#valueOf(this.#validId)
    if (value === undefined) return false
    this.#say('proposal', proposalBody(this.#o.height, this.#view, this.#validView, value))
    if (this.#validId !== undefined) this.#passPolka(this.#validView, this.#validId)
    return true
  }

  /**
   * What line 28 asks of the others for: the paper's gossip brings everybody the prevotes of old views. Here a quorum that
   * one liar's vote made may be known to this peer alone, and the others forget that view before they hear of it
   * (seed 1036232).
   */
  #passPolka(view: number, id: Uint8Array): void {
    for (const vote of this.#heard.votes('prevote', view, id).values()) this.#out.pass.push(vote.raw.bytes)
  }

  /** 22-33. */
  #judgeProposal(): boolean {
    const p = this.#heard.proposals(this.#view)[0]
    if (p === undefined) return false
    const vr = p.validView
    if (vr >= 0 && this.#heard.votes('prevote', vr, p.id).size < this.#o.quorum) return false // 28
    const verdict = this.#verdict(p)
    if (verdict === 'unknown') return false
    if (verdict === 'invalid' && vr < 0) {
      const f = fault('invalidProposal', `height ${p.height}, view ${p.view}`)
      this.#out.faults.push({ peer: p.from, fault: f, evidence: [p.raw.bytes] })
    }
    const free = vr < 0 ? this.#lockedView === -1 : this.#lockedView <= vr // 23, 29
    const same = this.#lockedId !== undefined && equalBytes(this.#lockedId, p.id)
    this.#vote('prevote', verdict === 'valid' && (free || same) ? p.id : null)
    return true
  }

  /** 36-43. */
  #polka(): boolean {
    for (const p of this.#heard.proposals(this.#view)) {
      const prevotes = this.#heard.votes('prevote', this.#view, p.id)
      if (prevotes.size < this.#o.quorum || this.#verdict(p) !== 'valid') continue
      if (this.#step === 'prevote') {
        this.#lock(this.#view, p.id)
        const proof = [p, ...prevotes.values()].filter(m => m.from !== this.#self?.id)
        this.#out.keep.push(...proof.map(m => m.raw.bytes))
        this.#vote('precommit', p.id)
        return true
      }
      if (this.#validView < this.#view) {
        this.#validView = this.#view
        this.#validId = p.id
        return true
      }
    }
    return false
  }

  /** 44-46. */
  #nilPolka(): boolean {
    if (this.#heard.votes('prevote', this.#view, null).size < this.#o.quorum) return false
    this.#vote('precommit', null)
    return true
  }

  /** 34-35. */
  #awaitPrevotes(now: Millis): boolean {
    if (this.#prevoteAt !== undefined) return false
    if (this.#heard.voters('prevote', this.#view).size < this.#o.quorum) return false
    this.#prevoteAt = now + this.#timeoutMs()
    return true
  }

  /** 47-48. */
  #awaitPrecommits(now: Millis): boolean {
    if (this.#precommitAt !== undefined) return false
    if (this.#heard.voters('precommit', this.#view).size < this.#o.quorum) return false
    this.#precommitAt = now + this.#timeoutMs()
    return true
  }

  /** 57-67. */
  #expire(now: Millis): void {
    if (this.#decided) return
    if (this.#proposeAt !== undefined && now >= this.#proposeAt) {
      this.#proposeAt = undefined
      if (this.#step === 'propose') this.#vote('prevote', null)
    }
    if (this.#prevoteAt !== undefined && now >= this.#prevoteAt) {
      this.#prevoteAt = undefined
      if (this.#step === 'prevote') this.#vote('precommit', null)
    }
    if (this.#precommitAt !== undefined && now >= this.#precommitAt) this.#startView(this.#view + 1, now)
  }

  /**
   * 49-51, without line 50's own check: a quorum's precommits are what the ledger accepts from anywhere, and an
   * honest member of it has judged the value.
   */
  #decide(): boolean {
    for (const view of this.#heard.views) {
      for (const p of this.#heard.proposals(view)) {
        const votes = this.#heard.votes('precommit', view, p.id)
        if (votes.size < this.#o.quorum) continue
        const signers = this.#o.voters.filter(m => votes.has(m)).slice(0, this.#o.quorum)
        const certificate = {
          view,
          votes: signers.map(member => ({ member, sig: votes.get(member)!.raw.sig })),
        }
        this.#out.decided = { value: p.value, certificate }
        this.#decided = true
        return true
      }
    }
    return false
  }

  /** 55: the highest view that f + 1 members have reached, so one honest member at least. */
  #skipTarget(): number {
    this.#reached ??= [...this.#latest.values()].sort((a, b) => b - a)[this.#o.faultyMax] ?? -1
    return this.#reached
  }

  #lock(view: number, id: Uint8Array): void {
    this.#lockedView = this.#validView = view
    this.#lockedId = this.#validId = id
  }

  #vote(type: VoteType, id: Uint8Array | null): void {
    this.#step = type
    this.#proposeAt = undefined
    if (type === 'precommit') this.#prevoteAt = undefined
    if (this.#self !== undefined) this.#say(type, voteBody(this.#o.height, this.#view, id))
  }

  #say(type: ConsensusMessage['type'], body: Uint8Array): void {
    const { id: from, seed } = this.#self!
    assert(!this.#said.has(type), `one ${type} a view`)
    this.#said.add(type)
    const bytes = sealEnvelope({ network: this.#o.network, type, from, seed }, body)
    const raw = openEnvelope(bytes)
    const parsed = raw.ok ? parseConsensus(raw.value) : raw
    assert(parsed.ok, 'own messages are within bounds')
    this.#heard.add(parsed.value)
    this.#out.say.push(bytes)
  }

  #valueOf(id: Uint8Array): Uint8Array | undefined {
    for (const view of this.#heard.views) {
      for (const p of this.#heard.proposals(view)) if (equalBytes(p.id, id)) return p.value
    }
    return undefined
  }

  /** The host's judgement, asked again when more members vouch for the value. */
  #verdict(p: Proposal): Verdict {
    const known = this.#verdicts.get(p.id)
    if (known?.verdict === 'valid') return known.verdict
    const prevoters = this.#heard.prevoters(p.id)
    if (known && known.prevoters >= prevoters.length) return known.verdict
    const verdict = this.#o.host.check(p.value, prevoters)
    this.#verdicts.set(p.id, { verdict, prevoters: prevoters.length })
    return verdict
  }
}
