/**
 * What is decided follows (SPEC L1, L4 to L8, S9): every certified entry against the charter and the entries before it,
 * by rules that are written here once more, and what it says of an honest member against what that member said.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { Entry, RoundClosed, RoundOpened, SurvivorsFixed } from '../../protocol/ledger/entry.ts'
import { type Plan, studyPlan } from '../../protocol/ledger/plan.ts'
import { initialState } from '../../protocol/model/initial.ts'
import { stateHash } from '../../protocol/model/state.ts'
import type { MemberId } from '../../protocol/ports.ts'
import type { Body } from '../../protocol/wire/messages.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import { attemptName, type CheckContext, survivorsMinOf } from './context.ts'
import { Judge } from './judge.ts'
import { bodyOf, type Certified, heightOfKey, readMessage, readRecord } from './read.ts'

export function rules(context: CheckContext): Checker {
  return new Rules(context)
}

/** Announcements and commitments of one member that are remembered: those of its last attempts. */
const SAID_MAX = 8

class Rules extends Judge {
  #height = 0
  #head: Uint8Array
  #at = 0
  #model: Uint8Array
  #round = 0
  #attempt = 0
  #opened: RoundOpened | undefined
  #fixed = false
  #finished = false
  /** Rounds that this ledger is about: all of a study, or one that a committee has a part in. */
  readonly #plan: Plan
  /** Hex of the hashes of the keys that an honest member announced, and of the roots that it committed to, by attempt. */
  readonly #said = new Map<MemberId, Map<string, { keys?: string; root?: string }>>()

  constructor(context: CheckContext) {
    super('rules', context)
    const [config] = context.configs.values()
    this.#head = config!.charterHash
    this.#plan = config!.part?.plan ?? studyPlan(context.charter)
    this.#model = config!.part?.modelHash ?? stateHash(initialState(context.charter))
    this.#round = this.#plan.first
  }

  onRelease(host: SimHost, _to: MemberId | undefined, bytes: Uint8Array): void {
    if (!this.isHonest(host.id) || !this.isNew(bytes)) return
    const message = readMessage(bytes)
    if (message?.author !== host.id) return
    const keys = bodyOf(message, 'keys')
    if (keys) this.#of(host.id, attemptName(keys)).keys = toHex(sha256(bytes))
    const input = bodyOf(message, 'input')
    if (input) this.#of(host.id, attemptName(input)).root ??= toHex(sha256(input.hashes))
    const receipt = bodyOf(message, 'receipt')
    if (receipt) this.#receipt(host.id, receipt)
  }

  /** It is of the inputs that members gave in this attempt. */
  #receipt(host: MemberId, body: Body<'receipt'>): void {
    const cohort = this.#opened?.cohort
    if (!cohort || attemptName(this.#opened!) !== attemptName(body)) return
    this.checked++
    cohort.forEach(({ member }, i) => {
      const isNamed = body.held.some(h => ((h.from[i >> 3] ?? 0) & (1 << (i & 7))) !== 0)
      const root = isNamed && this.isHonest(member) && this.#said.get(member)?.get(attemptName(body))?.root
      if (root === undefined || (root && !root.startsWith(toHex(body.roots.subarray(16 * i, 16 * i + 16)))))
        this.fail(`${host} receipts an input of ${member} that it has not given in ${attemptName(body)}`)
    })
  }

  #of(member: MemberId, attempt: string): { keys?: string; root?: string } {
    const all = this.#said.get(member) ?? new Map<string, { keys?: string; root?: string }>()
    this.#said.set(member, all)
    const said = all.get(attempt) ?? {}
    all.set(attempt, said)
    for (const old of all.keys()) {
      if (all.size <= SAID_MAX) break
      all.delete(old)
    }
    return said
  }

  onCommit(host: SimHost, puts: readonly (readonly [string, Uint8Array])[]): void {
    if (!this.isHonest(host.id)) return
    for (const [key, value] of puts) {
      const height = heightOfKey(key)
      // Each height once: that all hold the same entry is another checker's affair.
      if (height !== this.#height + 1) continue
      const certified = readRecord(value)
      if (certified) this.#follow(certified)
    }
  }

  #follow({ entry, hash }: Certified): void {
    this.checked++
    const { body } = entry
    const what = `entry ${entry.height}`
    if (!equalBytes(entry.prev, this.#head)) this.fail(`${what} does not follow from the entry before`)
    if (entry.at < this.#at) this.fail(`${what} is of a time before the entry before`)
    if (this.#finished) this.fail(`${what} comes after the study's end`)
    switch (body.kind) {
      case 'RoundOpened':
        this.#open(what, body)
        break
      case 'SurvivorsFixed':
        this.#fix(what, body)
        break
      case 'RoundClosed':
        this.#close(what, body)
        break
      case 'RoundAborted':
        this.#ofAttempt(what, body, this.#fixed)
        this.#attempt++
        this.#opened = undefined
        break
      case 'StudyFinished':
        if (this.#opened || this.#round !== this.#plan.last + 1 || !this.#plan.applies)
          this.fail(`${what} ends the study in round ${this.#round}`)
        if (!equalBytes(body.model, this.#model)) this.fail(`${what} ends the study with another model`)
        this.#finished = true
        break
      default:
        break
    }
    this.#height = entry.height
    this.#head = hash
    this.#at = entry.at
  }

  #open(what: string, body: RoundOpened): void {
    const { charter, configs } = this.context
    const [config] = configs.values()
    if (this.#opened) this.fail(`${what} opens a round while one is open`)
    if (body.round > this.#plan.last) this.fail(`${what} opens a round after the last`)
    if (body.round !== this.#round || body.attempt !== this.#attempt)
      this.fail(`${what} opens ${attemptName(body)} instead of ${this.#round}.${this.#attempt}`)
    if (body.task !== taskOf(charter.training.rounds, body.round))
      this.fail(`${what} opens a round for another task`)
    if (!equalBytes(body.charter, config!.charterHash))
      this.fail(`${what} opens a round under another charter`)
    if (!equalBytes(body.model, this.#model)) this.fail(`${what} opens a round with another model`)
    const order = charter.members.map(m => m.id)
    const cohort = body.cohort.map(c => c.member)
    if (!isSublist(cohort, order)) this.fail(`${what} opens a round with a cohort that is not of the charter`)
    const least = survivorsMinOf(this.context, order.length)
    if (cohort.length < least) this.fail(`${what} opens a round with ${cohort.length} of ${least} hospitals`)
    for (const { member, keys } of body.cohort) {
      const said = this.isHonest(member) && this.#said.get(member)?.get(attemptName(body))?.keys
      if (said && said !== toHex(keys))
        this.fail(`${what} names keys of ${member} that it has not announced for ${attemptName(body)}`)
    }
    this.#opened = body
    this.#fixed = false
  }

  #fix(what: string, body: SurvivorsFixed): void {
    this.#ofAttempt(what, body, false)
    const cohort = this.#opened?.cohort.map(c => c.member) ?? []
    const survivors = body.survivors.map(s => s.member)
    if (!isSublist(survivors, cohort)) this.fail(`${what} has survivors that are not of the cohort`)
    const rest = cohort.filter(m => !survivors.includes(m)).join()
    if (body.leftOut.map(l => l.member).join() !== rest)
      this.fail(`${what} does not say who of the cohort is left out`)
    const least = survivorsMinOf(this.context, cohort.length)
    if (survivors.length < least) this.fail(`${what} fixes ${survivors.length} survivors of ${least}`)
    for (const { member, root } of body.survivors) {
      if (!this.isHonest(member)) continue
      if (this.#said.get(member)?.get(attemptName(body))?.root !== toHex(root))
        this.fail(`${what} names an input that ${member} has not given in ${attemptName(body)}`)
    }
    this.#fixed = true
  }

  #close(what: string, body: RoundClosed): void {
    this.#ofAttempt(what, body, true)
    const isSame = equalBytes(body.model, this.#model)
    if (taskOf(this.context.charter.training.rounds, body.round) === 'evaluate' && !isSame)
      this.fail(`${what} changes the model by evaluating it`)
    if (!this.#plan.applies && !isSame) this.fail(`${what} changes the model by a part of a round`)
    this.#model = body.model
    this.#round = body.round + 1
    this.#attempt = 0
    this.#opened = undefined
  }

  #ofAttempt(
    what: string,
    body: Entry['body'] & { readonly round: number; readonly attempt: number },
    afterFixed: boolean,
  ): void {
    if (!this.#opened) this.fail(`${what} is ${body.kind} without an open round`)
    else if (attemptName(body) !== attemptName(this.#opened))
      this.fail(`${what} is of ${attemptName(body)} instead of ${attemptName(this.#opened)}`)
    if (this.#fixed !== afterFixed)
      this.fail(`${what} is ${body.kind} ${afterFixed ? 'before' : 'after'} the survivors are fixed`)
  }
}

function taskOf(rounds: number, round: number): 'statistics' | 'train' | 'evaluate' {
  if (round === 0) return 'statistics'
  return round <= rounds ? 'train' : 'evaluate'
}

function isSublist(part: readonly MemberId[], whole: readonly MemberId[]): boolean {
  let at = 0
  for (const m of part) {
    at = whole.indexOf(m, at) + 1
    if (at === 0) return false
  }
  return true
}
