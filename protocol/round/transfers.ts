/**
 * Vectors and models between two peers, each by the hash that something signed names it by: whoever needs one asks who
 * holds it, a few parts at a time, and asks on as they come (SPEC W7). So nothing is sent that is on its way or here already, a
 * slow line is never sent more than it was asked for, and after a broken connection the next part goes on where the
 * last one ended.
 */
import { equalBytes, toHex } from '../bytes.ts'
import { longVector } from '../memory.ts'
import type { MemberId, Millis, TransferEvent, Vector } from '../ports.ts'
import { isStored, lengthOf } from '../stored.ts'
import { residueBytes } from '../sum/field.ts'
import { PART_BYTES } from '../wire/limits.ts'
import type { Body } from '../wire/messages.ts'

/** Parts on their way from one peer to another: a megabyte, which fills a line of 80 Mbit/s at 100 ms. */
export const WINDOW_PARTS = 4
/** Vectors that are checked at a time. */
export const CHECKS_MAX = 8
/** Longer vectors than a window are told of: at each further eighth, and at each 8 MiB of very long ones. */
const TOLD_EIGHTHS = 8
const TOLD_PARTS_MAX = 32
/** How often one peer is given as much as a whole vector has: slices of each shard in dispute, and some again. */
const GIVEN_VECTORS_MAX = 8

type Asked = Body<'modelAsk'>
type Given = Body<'modelPart'>

/** A vector that is needed now. */
export interface Wish {
  /** What it is for; the same wish again goes on with what has come of it. */
  readonly key: string
  readonly what: TransferEvent['what']
  /** SHA-256 of its little-endian bytes. */
  readonly hash: Uint8Array
  /** Elements. */
  readonly length: number
  /** Who may have it, the likeliest first. */
  readonly sources: readonly MemberId[]
  /** Asked once it comes: the name of a draft that nobody else writes into; undefined: it is fetched into memory. */
  readonly into: () => string | undefined
  /** Takes what the hash names: whole, and of residues or not. */
  readonly come: (vector: Vector, areResidues: boolean) => void
}

/** What a job found in the words of a transfer; those in memory it gives back. */
export interface Checked {
  readonly words: Uint32Array | undefined
  readonly hash: Uint8Array
  readonly areResidues: boolean
}

export interface TransferHands {
  now(): Millis
  connected(member: MemberId): boolean
  ask(to: MemberId, what: Asked): void
  give(to: MemberId, what: Given): void
  /** As `give`, where the data are bytes of a record, from `from` up to `end`. */
  giveStored(to: MemberId, what: Omit<Given, 'data'>, record: string, from: number, end: number): void
  /** Writes into a draft, from byte `at` on. */
  write(draft: string, at: number, data: Uint8Array): void
  /** Off the thread that answers the network. Words in memory are the job's until it is done. Undefined: they are lost. */
  check(words: Vector, done: (checked: Checked | undefined) => void): void
  /** `from` gave something else than the hash names. */
  wrong(from: MemberId): void
  /** How far a long vector is. */
  tell(progress: Progress): void
}

type Progress = Omit<TransferEvent, 'kind' | 'round' | 'attempt'>

const MISSING = 0
const ASKED = 1
const HERE = 2

interface Transfer {
  wish: Wish
  from: MemberId
  /** Undefined until the first part has come: whoever only names a large vector costs nothing; and while it is checked. */
  words: Vector | undefined
  checking: boolean
  /** `MISSING`, `ASKED` or `HERE`. */
  readonly parts: Uint8Array
  left: number
  /** Parts that were here when it was last told of; undefined: it was not. */
  told: number | undefined
  onTheWay: number
  /** When something was last asked for or came. */
  at: Millis
  /** Parts have come from several: none of them can be blamed for the whole. */
  mixed: boolean
  /** Who gave something else than the hash names. */
  readonly refused: Set<MemberId>
}

export class Transfers {
  readonly #hands: TransferHands
  readonly #givenMax: number
  readonly #transfers = new Map<string, Transfer>()
  /** Whole ones that wait to be checked, and how many are. */
  readonly #unchecked: { readonly t: Transfer; readonly words: Vector }[] = []
  #checks = 0
  /** What may be given, by hash. */
  readonly #held = new Map<string, { readonly vector: Vector; readonly what: TransferEvent['what'] }>()
  /** Bytes, by peer. */
  readonly #given = new Map<MemberId, number>()

  /** `length`: elements of the whole vector, of which slices and sums are parts. */
  constructor(length: number, hands: TransferHands) {
    this.#hands = hands
    this.#givenMax = GIVEN_VECTORS_MAX * (4 * length + PART_BYTES)
  }

  /** Vectors that are being fetched. */
  get size(): number {
    return this.#transfers.size
  }

  /** From now on gives `vector` to whoever asks for it by its hash. */
  hold(hash: Uint8Array, vector: Vector, what: TransferEvent['what'] = 'slice'): void {
    this.#held.set(toHex(hash), { vector, what })
  }

  /**
   * Goes on with these wishes, and drops what is wished for no more. A source that has been silent for `stallMs`, or is
   * away, has its place taken by the next; returns when that is due, undefined without a wish that can be met.
   */
  meet(wishes: readonly Wish[], stallMs: Millis): Millis | undefined {
    const wanted = new Map(wishes.map(w => [w.key, w]))
    for (const [key, t] of this.#transfers) {
      const again = wanted.get(key)
      if (again && equalBytes(again.hash, t.wish.hash)) continue
      this.#transfers.delete(key)
      if (t.told !== undefined) this.#tell(t, 'dropped')
    }
    let dueAt: Millis | undefined
    for (const wish of wishes) {
      const t = this.#transfers.get(wish.key) ?? begun(wish)
      t.wish = wish
      this.#transfers.set(wish.key, t)
      if (t.checking || !this.#hasSource(t, stallMs)) continue
      this.#askOn(t)
      dueAt = Math.min(dueAt ?? Number.POSITIVE_INFINITY, t.at + stallMs)
    }
    return dueAt
  }

  /** What was asked of `peer` before its connection broke may never come. */
  reconnected(peer: MemberId): void {
    for (const t of this.#transfers.values()) if (t.from === peer) askAnew(t)
  }

  /** Gives what is held here; nothing for what is not, or to whoever has had enough. */
  give(to: MemberId, { hash, part, parts }: Asked): void {
    const held = this.#held.get(toHex(hash))
    if (!held) return
    const { vector, what } = held
    const length = lengthOf(vector)
    const all = partsOf(length)
    for (let i = part; i < Math.min(part + Math.min(parts, WINDOW_PARTS), all); i++) {
      const from = i * PART_BYTES
      const end = Math.min(from + PART_BYTES, 4 * length)
      const given = (this.#given.get(to) ?? 0) + end - from
      if (given > this.#givenMax) return
      this.#given.set(to, given)
      this.#givePart(to, { hash, part: i }, vector, from, end)
      if (all <= WINDOW_PARTS || (i > 0 && !isTold(i + 1, all))) continue
      this.#hands.tell({
        way: 'to',
        what,
        vector: nameOf(hash),
        peer: to,
        bytesDone: end,
        bytesTotal: 4 * length,
        state: i + 1 === all ? 'done' : 'going',
      })
    }
  }

  #givePart(
    to: MemberId,
    of: { hash: Uint8Array; part: number },
    vector: Vector,
    from: number,
    end: number,
  ): void {
    if (isStored(vector)) {
      const start = 4 * vector.from
      this.#hands.giveStored(to, of, vector.record, start + from, start + end)
    } else this.#hands.give(to, { ...of, data: residueBytes(vector).subarray(from, end) })
  }

  /** Takes in a part; undefined: nobody asked `from` for it. False: it, or with it the whole, is not what was asked for. */
  take(from: MemberId, { hash, part, data }: Given): boolean | undefined {
    for (const t of this.#transfers.values()) {
      if (t.from === from && t.parts[part] === ASKED && equalBytes(t.wish.hash, hash))
        return this.#takeInto(t, part, data)
    }
    return undefined
  }

  #takeInto(t: Transfer, part: number, data: Uint8Array): boolean {
    const { length } = t.wish
    const from = part * PART_BYTES
    if (data.length !== Math.min(PART_BYTES, 4 * length - from)) {
      this.#refuse(t)
      return false
    }
    t.words ??= placeFor(t.wish)
    if (isStored(t.words)) this.#hands.write(t.words.record, from, data)
    else residueBytes(t.words).set(data, from)
    t.parts[part] = HERE
    t.left--
    t.onTheWay--
    t.at = this.#hands.now()
    this.#tellOf(t)
    if (t.left > 0) {
      this.#askOn(t)
      return true
    }
    this.#check(t, t.words)
    return true
  }

  #check(t: Transfer, words: Vector): void {
    t.words = undefined
    t.checking = true
    this.#unchecked.push({ t, words })
    this.#checkOn()
  }

  #checkOn(): void {
    if (this.#checks >= CHECKS_MAX) return
    const next = this.#unchecked.shift()
    if (!next) return
    const { t, words } = next
    this.#checks++
    this.#hands.check(words, checked => {
      this.#checks--
      this.#checkOn()
      t.checking = false
      // It may have been given up meanwhile, or be one of another vector now.
      if (this.#transfers.get(t.wish.key) !== t) return
      if (!checked) {
        restart(t)
        return
      }
      if (equalBytes(checked.hash, t.wish.hash)) {
        this.#transfers.delete(t.wish.key)
        t.wish.come(cameBack(words, checked), checked.areResidues)
        return
      }
      if (!t.mixed) this.#hands.wrong(t.from)
      this.#refuse(t)
    })
  }

  /** All is fetched again; from its source only if others have had a hand in what came. */
  #refuse(t: Transfer): void {
    if (!t.mixed) t.refused.add(t.from)
    restart(t)
  }

  /** Keeps to its source or turns to the next; false: none is there. */
  #hasSource(t: Transfer, stallMs: Millis): boolean {
    const good = t.wish.sources.filter(m => !t.refused.has(m) && this.#hands.connected(m))
    const now = this.#hands.now()
    const stalls = t.onTheWay > 0 && now >= t.at + stallMs
    if (good.includes(t.from) && !stalls) return true
    askAnew(t)
    if (good.length === 0) return false
    const next = good[(good.indexOf(t.from) + 1) % good.length]!
    t.mixed = t.left < t.parts.length && (t.mixed || next !== t.from)
    t.from = next
    t.at = now
    return true
  }

  /** Fills the window again when half of it has come. */
  #askOn(t: Transfer): void {
    if (t.onTheWay > WINDOW_PARTS / 2) return
    let room = WINDOW_PARTS - t.onTheWay
    for (let part = 0; room > 0; ) {
      part = t.parts.indexOf(MISSING, part)
      if (part < 0) return
      let parts = 0
      while (parts < room && t.parts[part + parts] === MISSING) t.parts[part + parts++] = ASKED
      if (t.onTheWay === 0) t.at = this.#hands.now()
      t.onTheWay += parts
      room -= parts
      this.#hands.ask(t.from, { hash: t.wish.hash, part, parts })
      part += parts
    }
    this.#tellOf(t)
  }

  #tellOf(t: Transfer): void {
    const all = t.parts.length
    const here = all - t.left
    if (all <= WINDOW_PARTS || here === t.told || !isTold(here, all)) return
    t.told = here
    this.#tell(t, t.left === 0 ? 'done' : 'going')
  }

  #tell({ wish, from, parts, left }: Transfer, state: TransferEvent['state']): void {
    const bytesTotal = 4 * wish.length
    const bytesDone = Math.min((parts.length - left) * PART_BYTES, bytesTotal)
    const { what, hash } = wish
    this.#hands.tell({ way: 'from', what, vector: nameOf(hash), peer: from, bytesDone, bytesTotal, state })
  }
}

function placeFor({ length, into }: Wish): Vector {
  const record = into()
  return record === undefined ? longVector(length) : { record, from: 0, to: length }
}

/** What was lent to a job: memory that threads share has been here all the time. */
function cameBack(lent: Vector, { words }: Checked): Vector {
  if (isStored(lent) || lent.buffer instanceof SharedArrayBuffer) return lent
  return words ?? lent
}

function begun(wish: Wish): Transfer {
  const parts = partsOf(wish.length)
  return {
    wish,
    from: '',
    words: undefined,
    checking: false,
    parts: new Uint8Array(parts),
    left: parts,
    told: undefined,
    onTheWay: 0,
    at: 0,
    mixed: false,
    refused: new Set(),
  }
}

function restart(t: Transfer): void {
  t.parts.fill(MISSING)
  t.left = t.parts.length
  t.onTheWay = 0
  t.words = undefined
  t.mixed = false
}

function askAnew(t: Transfer): void {
  t.onTheWay = 0
  for (let i = 0; i < t.parts.length; i++) if (t.parts[i] === ASKED) t.parts[i] = MISSING
}

function nameOf(hash: Uint8Array): string {
  return toHex(hash.subarray(0, 8))
}

function isTold(parts: number, all: number): boolean {
  return parts === all || parts % Math.min(Math.ceil(all / TOLD_EIGHTHS), TOLD_PARTS_MAX) === 0
}

/** Of a vector without elements one part, without bytes. */
function partsOf(length: number): number {
  return Math.max(1, Math.ceil((4 * length) / PART_BYTES))
}
