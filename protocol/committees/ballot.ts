/** The vote on one entry of the study's ledger among those who were drawn to decide it (SPEC T5, C1 to C3, M2, M3). */
import type { ConsensusMessage } from '../consensus/message.ts'
import { Consensus, proposerAt, type Step, type Verdict } from '../consensus/tendermint.ts'
import { type Fault, verdictOf } from '../fault.ts'
import { recordKey } from '../ledger/certificate.ts'
import { encodeEntry } from '../ledger/entry.ts'
import { faultyMax } from '../ledger/state.ts'
import { applyRecord } from '../ledger/verify.ts'
import { CONSENSUS_PREFIX } from '../peer/books.ts'
import type { Durable, MemberId, Millis } from '../ports.ts'
import { assert } from '../result.ts'
import { adopt } from './adopt.ts'
import type { CommitteeBooks } from './books.ts'
import { judge, proposable } from './propose.ts'

export class Ballot {
  readonly #b: CommitteeBooks
  readonly #consensus: Consensus
  #started = false
  #records = 0
  #wakeAt: Millis | undefined

  constructor(b: CommitteeBooks) {
    this.#b = b
    const { voters, quorum, height, head, charter } = b.state
    const next = height + 1
    this.#consensus = new Consensus({
      network: b.config.network,
      height: next,
      self: { id: b.config.self, seed: b.config.seed },
      voters,
      quorum,
      faultyMax: faultyMax(charter),
      viewTimeoutMs: charter.secureSum.viewTimeoutMs,
      proposerOf: view => proposerAt(voters, next, view),
      publicKeyOf: member => b.keys.get(member)!,
      host: {
        value: () => {
          const body = proposable(b)
          const at = Math.max(Math.floor(b.now), b.state.at)
          return body && encodeEntry({ height: next, prev: head, at, body })
        },
        check: (value, prevoters): Verdict => {
          const entry = b.entryOf(value)
          return entry ? judge(b, entry, prevoters) : 'invalid'
        },
      },
    })
  }

  get view(): number {
    return this.#consensus.view
  }

  get wakeAt(): Millis | undefined {
    return this.#wakeAt
  }

  messages(): readonly Uint8Array[] {
    return this.#consensus.messages()
  }

  waitsFor(): readonly MemberId[] {
    return this.#consensus.waitsFor()
  }

  /** Starts when there is something to propose; else lets consensus look at what is known now. */
  advance(): void {
    if (this.#started) this.#perform(this.#consensus.poll(this.#b.now))
    else if (proposable(this.#b)) this.#perform(this.#consensus.start(this.#b.now))
  }

  receive(message: ConsensusMessage, relay: MemberId): Fault | undefined {
    return this.#perform(this.#consensus.receive(message, this.#b.now), relay)
  }

  /** First of all calls: what a former life said, from its records. */
  restore(durable: Durable): void {
    const records = [...durable].filter(([key]) => key.startsWith(CONSENSUS_PREFIX)).sort()
    if (records.length === 0) return
    this.#records = records.length
    const said = records.map(([, bytes]) => bytes)
    this.#perform(this.#consensus.restore(said, this.#b.now))
  }

  #perform(step: Step, relay?: MemberId): Fault | undefined {
    const b = this.#b
    for (const f of step.faults) {
      const peer = f.peer ?? relay
      if (peer !== undefined && f.fault.code !== 'duplicate') b.blame(peer, f.fault)
    }
    if (step.say.length > 0) {
      const puts = [...step.say, ...step.keep].map(bytes => {
        const key = `${CONSENSUS_PREFIX}${String(this.#records++).padStart(6, '0')}`
        b.roundKeys.add(key)
        return [key, bytes] as const
      })
      b.effects.store(puts, [], () => {
        for (const bytes of [...step.say, ...step.pass]) for (const to of b.state.voters) b.emit(to, bytes)
      })
    }
    if (step.say.length > 0 || this.#consensus.view >= 0) this.#started = true
    this.#wakeAt = step.wakeAt
    if (step.decided) {
      const record = { entry: step.decided.value, certificate: step.decided.certificate }
      const next = applyRecord(b.state, b.config.network, record)
      assert(next.ok, `what a quorum decided follows at ${recordKey(b.state.height + 1)}`)
      adopt(b, record, next.value)
    }
    return step.faults.map(f => f.fault).find(f => verdictOf(f) === 'reject') ?? step.faults[0]?.fault
  }
}
