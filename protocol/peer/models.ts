/**
 * The model that the ledger names: how it is kept, and its way between peers (SPEC D1, W7): who lacks it fetches it in parts
 * from those that say they have it; who has it gives it. It outlasts attempts.
 */
import type { Charter } from '../../config/charter.ts'
import { equalBytes } from '../bytes.ts'
import { fault } from '../fault.ts'
import type { LedgerState } from '../ledger/state.ts'
import { decodeState, encodedBytesAfter, encodedBytesOf, encodeState, storedModel } from '../model/state.ts'
import type { HeldModel, MemberId, Millis, ModelState, Vector, Verdict } from '../ports.ts'
import { Transfers, type Wish } from '../round/transfers.ts'
import { isLong, isStored, isWhole, lengthOf } from '../stored.ts'
import { residueBytes, residuesIn } from '../sum/field.ts'
import type { Body } from '../wire/messages.ts'
import type { Books } from './books.ts'

/** Each time that a holder was silent the next one is waited for longer, up to so many times as long as the first. */
const PATIENCE_MAX = 32

/** Key of the durable record that holds the encoding of the model. */
export const MODEL_RECORD = 'model'

/** What of a model that is in its record, or will be before anything else leaves, is kept in memory. */
export function keptModel(model: HeldModel, charter: Charter): HeldModel {
  if (!isLong(encodedBytesOf(model), charter)) return model
  return storedModel(lengthOf(model.parameters), model, MODEL_RECORD)
}

/** What it needs of a peer's books, with committees or without. */
export interface ModelBooks extends Pick<Books, 'config' | 'connected' | 'effects' | 'blame'> {
  readonly now: Millis
  readonly state: LedgerState
  readonly model: HeldModel | undefined
  send<T extends 'modelAsk' | 'modelPart'>(to: MemberId, type: T, body: Body<T>): void
}

export class Models {
  readonly #b: ModelBooks
  /** Which model each member last said it has. */
  readonly #said = new Map<MemberId, Uint8Array>()
  #hash: Uint8Array
  #transfers: Transfers
  /** The job in which it is checked. */
  #check: number | undefined
  #patience = 1
  /** What the ledger names is no model of the charter: nothing can be done with it. */
  #useless = false
  /** When another holder's turn is; undefined: nothing is waited for. */
  dueAt: Millis | undefined

  constructor(books: ModelBooks) {
    this.#b = books
    this.#hash = books.state.modelHash
    this.#transfers = this.#begin()
  }

  /** Models that are being fetched: one at most. */
  get size(): number {
    return this.#transfers.size
  }

  /** `member` says that it has the model of this hash; none has the one that is all zeros. */
  says(member: MemberId, hash: Uint8Array): void {
    this.#said.set(member, hash.slice())
  }

  /** What was asked of `peer` before its connection broke may never come. */
  reconnected(peer: MemberId): void {
    this.#transfers.reconnected(peer)
  }

  /** Goes on with the model that is missing here, if one is, and hands it to `come`. */
  advance(come: (model: ModelState) => void): void {
    const { config, model, state, now } = this.#b
    this.#follow(state.modelHash)
    if (model || this.#useless) return
    const wish = this.#wish(come)
    const meet = () => this.#transfers.meet([wish], this.#patience * stallMs(config.charter))
    const isDue = this.dueAt !== undefined && now >= this.dueAt
    this.dueAt = meet()
    if (!isDue) return
    // Another has been asked, and has more time: a slow line must not be given up for ever.
    this.#patience = Math.min(this.#patience + 1, PATIENCE_MAX)
    this.dueAt = meet()
  }

  onAsk(from: MemberId, ask: Body<'modelAsk'>): Verdict {
    const { model, state } = this.#b
    if (!model || !equalBytes(ask.hash, state.modelHash)) return 'accept'
    // Whoever wants the first one makes it.
    if ('initial' in model.parameters) return 'accept'
    this.#follow(state.modelHash)
    this.#transfers.hold(ask.hash, this.#encodingOf(model), 'model')
    this.#transfers.give(from, ask)
    return 'accept'
  }

  /** Taken by the hash that the ledger names, from whoever has it. */
  onPart(from: MemberId, part: Body<'modelPart'>): Verdict {
    const good = this.#transfers.take(from, part)
    if (good === undefined) return 'ignore'
    return good ? 'accept' : this.#b.blame(from, fault('badModel', 'a part of another length'))
  }

  /** The ledger names another model: the one before is needed no more. */
  #follow(hash: Uint8Array): void {
    if (hash === this.#hash || equalBytes(hash, this.#hash)) return
    this.#transfers.meet([], 1)
    if (this.#check !== undefined) this.#b.effects.cancel(this.#check)
    this.#hash = hash
    this.#transfers = this.#begin()
    this.#patience = 1
    this.#useless = false
    this.dueAt = undefined
  }

  #encodingOf(model: HeldModel): Vector {
    const length = encodedBytesOf(model) / 4
    return isWhole(model)
      ? residuesIn(encodeState(model), 0, length)
      : { record: MODEL_RECORD, from: 0, to: length }
  }

  #wish(come: (model: ModelState) => void): Wish {
    const { config, state } = this.#b
    return {
      key: 'model',
      what: 'model',
      hash: this.#hash,
      length: wordsOf(state),
      sources: [...this.#said].filter(([, hash]) => equalBytes(hash, this.#hash)).map(([member]) => member),
      // Once in a life, by who was away.
      into: () => undefined,
      come: words => {
        this.dueAt = undefined
        if (isStored(words)) return
        const model = decodeState(residueBytes(words), config.charter)
        if (model.ok) come(model.value)
        else this.#useless = true
      },
    }
  }

  /** For one model: whoever has been given enough of it may ask for the next again. */
  #begin(): Transfers {
    const b = this.#b
    return new Transfers(wordsOf(b.state), {
      now: () => b.now,
      connected: member => b.connected.has(member),
      ask: (to, what) => b.send(to, 'modelAsk', what),
      give: (to, what) => b.send(to, 'modelPart', what),
      giveStored: (to, of, key, from, end) =>
        b.effects.emit({ kind: 'sendPart', to, type: 'modelPart', of, key, from, end, within: undefined }),
      write: () => {},
      check: (words, done) => {
        const job = { kind: 'vector', work: { kind: 'check', words } } as const
        this.#check = b.effects.run(
          job,
          r => done(r.kind === 'vector' && r.output.kind === 'check' ? r.output : undefined),
          () => done(undefined),
        )
      },
      wrong: from => void b.blame(from, fault('badModel', 'fetched model')),
      tell: progress => {
        b.effects.emit({ kind: 'event', event: { kind: 'transfer', ...placeOf(b.state), ...progress } })
      },
    })
  }
}

/** Elements of the encoding of the model that the ledger names, but of the first one, which nobody fetches: it follows from the charter. */
function wordsOf({ charter, phase, plan }: LedgerState): number {
  const open = phase.kind === 'between' ? phase : 'opened' in phase ? phase.opened : undefined
  return encodedBytesAfter(charter, open ? open.round - 1 : plan.last) / 4
}

/** How long who gives the model may be silent before the next is asked: as with sums in the charter's deadline (SPEC S12). */
function stallMs({ secureSum, committees, maliciousMax }: Charter): number {
  return Math.max(1, secureSum.openDeadlineMs / (2 * ((committees?.maliciousMax ?? maliciousMax) + 2)))
}

function placeOf({ phase, plan }: LedgerState): { readonly round: number; readonly attempt: number } {
  const at = phase.kind === 'between' ? phase : 'opened' in phase ? phase.opened : undefined
  return { round: at?.round ?? plan.last, attempt: at?.attempt ?? 0 }
}
