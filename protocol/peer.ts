/**
 * The machine: one hospital's peer as a pure function of its inputs (SPEC M1 to M5). It keeps the ledger's state,
 * one consensus instance for the next entry and one attempt of a round; after each input it does all that has
 * become possible and returns the effects at once. What it keeps is in `peer/books.ts`, what it does in `peer/`.
 */
import { toHex } from './bytes.ts'
import type { LedgerState } from './ledger/state.ts'
import { stateHash } from './model/state.ts'
import { advance, start, wakeAt } from './peer/advance.ts'
import { Books, type PeerConfig } from './peer/books.ts'
import { tell } from './peer/catchup.ts'
import { newConsensus } from './peer/decide.ts'
import { type Footprint, footprint } from './peer/footprint.ts'
import { receive } from './peer/receive.ts'
import type {
  Effect,
  HeldModel,
  Input,
  Machine,
  MemberId,
  Millis,
  ModelState,
  Output,
  Verdict,
} from './ports.ts'
import { encode } from './wire/codec.ts'
import { plainEnvelope } from './wire/envelope.ts'

export type { PeerConfig } from './peer/books.ts'
export type { Footprint } from './peer/footprint.ts'

export class Peer implements Machine {
  readonly #books: Books

  constructor(config: PeerConfig) {
    this.#books = new Books(config)
    this.#books.consensus = newConsensus(this.#books)
  }

  /** The ledger's state as this peer holds it. */
  get state(): LedgerState {
    return this.#books.state
  }

  /** The global model of the last closed round, if this peer holds it; a long one in its record. */
  get model(): HeldModel | undefined {
    return this.#books.model
  }

  /** The certified sum of a ledger that hands it on, if this peer has opened it in this life. */
  get sum(): Uint32Array | undefined {
    return this.#books.sum
  }

  /**
   * What this hospital still has to add of former updates; undefined: nothing, or it is open whether an input will be summed
   * that has some of it.
   */
  get residual(): Float32Array | undefined {
    const { attempt, residual } = this.#books
    return attempt?.inputSent && !attempt.opening ? undefined : residual
  }

  /** How much this peer keeps of what others send. */
  get footprint(): Footprint {
    return footprint(this.#books)
  }

  handle(input: Input, now: Millis): Output {
    const b = this.#books
    b.now = now
    let verdict: Verdict | undefined
    switch (input.kind) {
      case 'start':
        start(b, input.entropy, input.durable)
        break
      case 'connected':
        b.connected.add(input.peer)
        b.attempt?.transfers.reconnected(input.peer)
        b.models.reconnected(input.peer)
        tell(b, input.peer)
        break
      case 'disconnected':
        b.connected.delete(input.peer)
        break
      case 'message':
        verdict = receive(b, input.from, input.via, input.bytes)
        break
      case 'jobDone':
        b.effects.jobDone(input.id, input.result)
        break
      case 'jobFailed':
        b.effects.jobFailed(input.id, input.reason)
        break
      case 'appeal':
        b.appeals.set(input.member, input.signatures)
        break
      case 'tick':
        break
    }
    if (b.entropy) advance(b)
    return { effects: b.effects.take(), wakeAt: wakeAt(b), verdict }
  }
}

/** The message in which a stored ledger record travels: what the effect `sendRecord` sends. */
export function recordMessage(self: MemberId, record: Uint8Array): Uint8Array {
  return plainEnvelope('entry', self, record)
}

/** The message in which a part of a vector or model travels: what the effect `sendPart` sends. */
export function partMessage(
  self: MemberId,
  { type, of, within }: Pick<Effect & { kind: 'sendPart' }, 'type' | 'of' | 'within'>,
  data: Uint8Array,
): Uint8Array {
  const message = plainEnvelope(type, self, encode({ ...of, data }))
  return within ? plainEnvelope('committee', self, encode({ ...within, message })) : message
}

/** Hex of a model state's hash, as people compare it. */
export function modelHashHex(model: ModelState): string {
  return toHex(stateHash(model))
}
