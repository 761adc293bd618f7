/**
 * Store before release (SPEC M2, M3): when something leaves an honest hospital that commits it, its disk holds the record
 * that it will say the same by after a crash. And no input is made durable after the survivors are.
 */
import { protection } from '../../config/charter.ts'
import { equalBytes, toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { Job, JobResult, MemberId } from '../../protocol/ports.ts'
import { CHARGES_RECORD, decodeCharges } from '../../protocol/privacy/charges.ts'
import { membersOf } from '../../protocol/round/bitmap.ts'
import { decodeSeed } from '../../protocol/round/join.ts'
import { prefixOf } from '../../protocol/round/known.ts'
import { decodeHeld, RECORDS, sliceKey } from '../../protocol/round/records.ts'
import type { Body } from '../../protocol/wire/messages.ts'
import type { SimHost } from '../host.ts'
import type { Checker } from '../observer.ts'
import { attemptName, type CheckContext } from './context.ts'
import { Judge } from './judge.ts'
import { bodyOf, heightOfKey, type Message, readMessage, readRecord } from './read.ts'

export function durability(context: CheckContext): Checker {
  return new Durability(context)
}

/** Bytes of a root that a receipt names a commitment by. */
const ROOT_BYTES = 16

/** Commitments that are remembered by their hash, so that each host's stored copy needs not be read again. */
const INPUTS_MAX = 4096

/** What of one disk is needed at every message. */
interface Mirror {
  height: number
  /** Consensus messages that are durable, as hex of hashes, by key. */
  readonly votes: Map<string, string>
  /** The attempt that the ledger on it is in; hex of the hashes of its entries. */
  opened: { readonly name: string; readonly cohort: readonly MemberId[] } | undefined
  fixed: string | undefined
  /** Commitments that it has on record for its receipts, by author. */
  held: ReadonlyMap<MemberId, Committed> | undefined
}

interface Committed {
  readonly author: MemberId
  /** Of its commitment, in hex. */
  readonly root: string
  /** The vector is in the commitment, not in slices. */
  readonly isWhole: boolean
}

class Durability extends Judge {
  readonly #mirrors = new Map<MemberId, Mirror>()
  /** Each commitment that was sent, by the hash of the message. */
  readonly #inputs = new Map<string, Committed>()

  /** Attempts of which each one's input has left, where it costs something. */
  readonly #given = new Map<MemberId, Set<string>>()
  /** Hashes of the slices of each one's own masked inputs. */
  readonly #slices = new Map<MemberId, Set<string>>()

  constructor(context: CheckContext) {
    super('durability', context)
  }

  onJob(host: SimHost, _job: Job, result: JobResult): void {
    if (result.kind !== 'vector' || result.output.kind !== 'mask') return
    const { shardHashes } = result.output
    if (shardHashes.length > 1) this.#slices.set(host.id, new Set(shardHashes.map(toHex)))
  }

  #mirror(host: MemberId): Mirror {
    const known = this.#mirrors.get(host) ?? {
      height: 0,
      votes: new Map(),
      opened: undefined,
      fixed: undefined,
      held: undefined,
    }
    this.#mirrors.set(host, known)
    return known
  }

  onCommit(
    host: SimHost,
    puts: readonly (readonly [string, Uint8Array])[],
    deletes: readonly string[],
  ): void {
    if (!this.isHonest(host.id)) return
    const mirror = this.#mirror(host.id)
    for (const key of deletes) mirror.votes.delete(key)
    for (const [key, value] of puts) {
      const height = heightOfKey(key)
      if (height !== undefined) entryOf(mirror, height, value)
      else if (key.startsWith('consensus/')) mirror.votes.set(key, prefixOf(value))
      else if (key === RECORDS.held) mirror.held = undefined
      else if (key === RECORDS.input && mirror.fixed !== undefined)
        this.fail(`${host.id} makes an input when the survivors are fixed`)
    }
  }

  onRelease(host: SimHost, _to: MemberId | undefined, bytes: Uint8Array): void {
    const message = this.isNew(bytes) ? readMessage(bytes) : undefined
    const input = message && bodyOf(message, 'input')
    if (input) this.#committed(bytes)
    if (!message || message.author !== host.id || !this.isHonest(host.id)) return
    const missing = this.#missing(host, message, bytes)
    if (missing !== undefined) this.fail(`${host.id} sends ${message.type} before ${missing} durable`)
  }

  /** What should be on the disk and is not; undefined: nothing. */
  #missing(host: SimHost, message: Message, bytes: Uint8Array): string | undefined {
    switch (message.type) {
      case 'proposal':
      case 'prevote':
      case 'precommit':
        return this.#vote(host.id, message, bytes)
      case 'keys':
      case 'offer':
      case 'sealed':
        return this.#seed(host, message.body as Body<'keys'>)
      case 'input':
        return this.#same(host, RECORDS.input, bytes)
          ? (this.#shares(host) ?? this.#charge(host, bodyOf(message, 'input')!))
          : 'its input is'
      case 'part':
        return this.#slice(host, bodyOf(message, 'part')!)
      case 'receipt':
        return this.#receipt(host, bodyOf(message, 'receipt')!)
      case 'reveal':
        return this.#reveal(host, bodyOf(message, 'reveal')!, bytes)
      case 'pairs':
        return this.#same(host, RECORDS.pairs, bytes) ? undefined : 'they are'
      case 'tags':
        return this.#same(host, RECORDS.tags, bytes) ? undefined : 'they are'
      default:
        return undefined
    }
  }

  #vote(host: MemberId, { vote }: Message, bytes: Uint8Array): string | undefined {
    const { height, votes } = this.#mirror(host)
    // What is decided needs no vote any more, and what was said of it can be said again by nobody.
    if (vote!.height <= height) return undefined
    this.checked++
    const name = prefixOf(bytes)
    for (const durable of votes.values()) if (durable === name) return undefined
    return 'it is'
  }

  #seed(host: SimHost, body: { readonly round: number; readonly attempt: number }): string | undefined {
    this.checked++
    const record = decodeSeed(host.disk.get(RECORDS.seed))
    return record && attemptName(record) === attemptName(body) ? undefined : 'the seed of its attempt is'
  }

  #same(host: SimHost, key: string, bytes: Uint8Array): boolean {
    this.checked++
    const durable = host.disk.get(key)
    return durable !== undefined && equalBytes(durable, bytes)
  }

  #shares(host: SimHost): string | undefined {
    return host.disk.has(RECORDS.shares) ? undefined : 'the shares of all members are'
  }

  /** As many charges as inputs that have left, of all lives together: the same input may leave again, and no other for it. */
  #charge(host: SimHost, body: Body<'input'>): string | undefined {
    if (!protection(this.context.charter)) return undefined
    this.checked++
    const inputs = this.#given.get(host.id) ?? new Set()
    this.#given.set(host.id, inputs.add(attemptName(body)))
    const charges = Object.values(decodeCharges(host.disk.get(CHARGES_RECORD))).reduce((a, b) => a + b, 0)
    return charges >= inputs.size ? undefined : 'what it costs is'
  }

  /** An own slice: the input that it is of may never be made anew under the same masks. Without elements all are the same. */
  #slice(host: SimHost, body: Body<'part'>): string | undefined {
    if (body.data.length === 0 || !this.#slices.get(host.id)?.has(toHex(body.hash))) return undefined
    this.checked++
    const durable = host.disk.get(RECORDS.input)
    const message = durable && readMessage(durable)
    const input = message && bodyOf(message, 'input')
    const isThis = input && equalBytes(input.opened, body.opened) && host.disk.has(RECORDS.masked)
    return isThis ? undefined : 'its input is'
  }

  /** All slices that it says it holds, and the commitments that they were checked against. */
  #receipt(host: SimHost, body: Body<'receipt'>): string | undefined {
    const mirror = this.#mirror(host.id)
    const { opened } = mirror
    if (opened?.name !== toHex(body.opened)) return 'the entry that opens its round is'
    this.checked++
    mirror.held ??= this.#heldOn(host)
    const inputs = mirror.held
    for (const { shard, from } of body.held) {
      for (const member of membersOf(opened.cohort, from) ?? []) {
        const at = ROOT_BYTES * opened.cohort.indexOf(member)
        const root = toHex(body.roots.subarray(at, at + ROOT_BYTES))
        const input = inputs.get(member)
        if (!input?.root.startsWith(root)) return 'a commitment that it names is'
        const key = member === host.id ? RECORDS.masked : sliceKey(shard, member)
        if (!input.isWhole && !host.disk.has(key)) return 'a slice that it names is'
      }
    }
    return undefined
  }

  #heldOn(host: SimHost): NonNullable<Mirror['held']> {
    const inputs = new Map<MemberId, Committed>()
    for (const commitment of decodeHeld(host.disk.get(RECORDS.held))?.inputs ?? []) {
      const input = this.#committed(commitment)
      if (input) inputs.set(input.author, input)
    }
    return inputs
  }

  #committed(commitment: Uint8Array): Committed | undefined {
    const name = prefixOf(commitment)
    const known = this.#inputs.get(name)
    if (known) return known
    const message = readMessage(commitment)
    const input = message && bodyOf(message, 'input')
    if (!input) return undefined
    const isWhole = input.data.length > 0
    const committed = { author: message.author, root: toHex(sha256(input.hashes)), isWhole }
    this.#inputs.set(name, committed)
    for (const old of this.#inputs.keys()) if (this.#inputs.size > INPUTS_MAX) this.#inputs.delete(old)
    return committed
  }

  #reveal(host: SimHost, body: Body<'reveal'>, bytes: Uint8Array): string | undefined {
    if (this.#mirror(host.id).fixed !== toHex(body.fixed)) return 'the entry that it follows from is'
    return this.#same(host, RECORDS.reveal, bytes) ? undefined : 'it is'
  }
}

function entryOf(mirror: Mirror, height: number, value: Uint8Array): void {
  const certified = readRecord(value)
  const body = certified?.entry.body
  mirror.height = height
  mirror.fixed = body?.kind === 'SurvivorsFixed' ? certified!.name : undefined
  if (body?.kind === 'RoundOpened')
    mirror.opened = { name: certified!.name, cohort: body.cohort.map(c => c.member) }
  else if (body?.kind !== 'SurvivorsFixed') mirror.opened = undefined
}
