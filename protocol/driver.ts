/**
 * The one interpreter of effects: between a machine and a host's ports, the same for the node and the simulator. It
 * keeps the one promise that matters: nothing leaves before the host says that all is durable which the machine has stored by
 * then. What a store effect releases waits for it, and so do all messages that follow: the machine takes a record for stored
 * once it has said so, and answers others from it.
 */
import type { Fault } from './fault.ts'
import { partMessage, recordMessage } from './peer.ts'
import type { Effect, Event, Input, Job, Machine, MemberId, Millis, Value, Verdict } from './ports.ts'
import { storedOf } from './stored.ts'

/** What a host supplies. All calls return at once; what takes time comes back as an input. */
export interface HostPorts {
  publish(bytes: Uint8Array): void
  send(to: MemberId, bytes: Uint8Array): void
  /** One transaction. Calls `durable` once it is on disk, never before, and in the order of the commits. */
  commit(puts: readonly (readonly [string, Value])[], deletes: readonly string[], durable: () => void): void
  /** Writes into a draft, which is made where it is not there. */
  write(draft: string, at: number, data: Uint8Array): void
  /** A durable record. */
  read(key: string): Uint8Array | undefined
  /** Bytes of a durable record or a draft, from `from` up to `end`; undefined where it has not so many. */
  readBytes(key: string, from: number, end: number): Uint8Array | undefined
  startJob(id: number, job: Job): void
  cancelJob(id: number): void
  fault(peer: MemberId, fault: Fault): void
  /** Closes the connections with these members and makes none, until another set is named. */
  shutOut(peers: readonly MemberId[]): void
  event(event: Event): void
  /** A `tick` must come at this time; replaces the time given before. */
  wakeAt(at: Millis | undefined): void
}

export class Driver {
  readonly #machine: Machine
  readonly #self: MemberId
  readonly #ports: HostPorts
  /** For each commit that is not durable yet, in their order: what was to leave after it was begun, and before the next was. */
  readonly #held: Effect[][] = []
  /** The same record goes to several, as the same bytes. */
  readonly #recordMessages = new WeakMap<Uint8Array, Uint8Array>()

  constructor(machine: Machine, self: MemberId, ports: HostPorts) {
    this.#machine = machine
    this.#self = self
    this.#ports = ports
  }

  /** Hands one input to the machine and performs what follows; the verdict, where the input was a message. */
  input(input: Input, now: Millis): Verdict | undefined {
    const output = this.#machine.handle(input, now)
    this.#perform(output.effects)
    this.#ports.wakeAt(output.wakeAt)
    return output.verdict
  }

  #perform(effects: readonly Effect[]): void {
    for (const effect of effects) {
      const held = this.#held.at(-1)
      if (held && waits(effect)) held.push(effect)
      else this.#performOne(effect)
    }
  }

  #performOne(effect: Effect): void {
    const ports = this.#ports
    switch (effect.kind) {
      case 'publish':
        ports.publish(effect.bytes)
        break
      case 'send':
        ports.send(effect.to, effect.bytes)
        break
      case 'store':
        this.#store(effect)
        break
      case 'write':
        ports.write(effect.draft, effect.at, effect.data)
        break
      case 'sendRecord': {
        const record = ports.read(effect.key)
        if (record) ports.send(effect.to, this.#recordMessage(record))
        break
      }
      case 'sendPart': {
        const data = ports.readBytes(effect.key, effect.from, effect.end)
        if (data) ports.send(effect.to, partMessage(this.#self, effect, data))
        break
      }
      case 'job':
        ports.startJob(effect.id, effect.job)
        break
      case 'cancel':
        ports.cancelJob(effect.id)
        break
      case 'fault':
        ports.fault(effect.peer, effect.fault)
        break
      case 'shutOut':
        ports.shutOut(effect.peers)
        break
      case 'event':
        ports.event(effect.event)
        break
    }
  }

  #recordMessage(record: Uint8Array): Uint8Array {
    const known = this.#recordMessages.get(record)
    if (known) return known
    const message = recordMessage(this.#self, record)
    this.#recordMessages.set(record, message)
    return message
  }

  #store({ puts, deletes, release }: Effect & { kind: 'store' }): void {
    this.#held.push([])
    this.#ports.commit(puts, deletes, () => {
      const after = this.#held.shift() ?? []
      let begun = false
      for (const effect of [...release, ...after]) {
        // What follows a record waits for it, also where it is itself released by another.
        if (begun) this.#perform([effect])
        else this.#performOne(effect)
        begun ||= effect.kind === 'store'
      }
    })
  }
}

/** What leaves, and what reads records that may not be there before. */
function waits(effect: Effect): boolean {
  switch (effect.kind) {
    case 'publish':
    case 'send':
    case 'sendRecord':
    case 'sendPart':
      return true
    case 'job':
      return storedOf(effect.job).length > 0
    default:
      return false
  }
}
