/** A simulated world of hosts whose machines do what a test says, and what was seen of it. */
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { Effect, Input, MemberId, Millis, Verdict } from '../../protocol/ports.ts'
import type { HostSetup } from '../../sim/host.ts'
import type { Hop, Injected, Loss } from '../../sim/observer.ts'
import { World, type WorldOptions } from '../../sim/world.ts'
import { memberName, seedOf, testCharter } from './consortium.ts'

export interface Heard {
  /** The host's own clock, and the world's time since its beginning. */
  readonly now: Millis
  readonly at: Millis
  readonly input: Input
}

export interface ScriptedOptions {
  readonly n: number
  readonly seed?: number
  readonly network?: WorldOptions['network']
  readonly observers?: WorldOptions['observers']
  readonly onStep?: WorldOptions['onStep']
  readonly onBroken?: WorldOptions['onBroken']
  readonly site?: (index: number) => Partial<HostSetup>
  /** What a machine makes of a message; default accept. */
  readonly verdict?: (id: MemberId, text: string) => Verdict
  /** What a machine answers to an input. */
  readonly answer?: (id: MemberId, input: Input) => readonly Effect[]
}

const CHARTER = testCharter({ n: 3 })
const HASH = sha256(new Uint8Array(1))

export class Scripted {
  readonly world: World
  readonly ids: readonly MemberId[]
  readonly hops: Hop[] = []
  readonly delivered: (Hop & { readonly at: Millis })[] = []
  readonly losses: { readonly hop: Hop; readonly why: Loss }[] = []
  readonly injected: Injected[] = []
  readonly #start: Millis
  readonly #heard = new Map<MemberId, Heard[][]>()
  readonly #next = new Map<MemberId, { effects: readonly Effect[]; wakeAt: Millis | undefined }>()

  constructor(o: ScriptedOptions) {
    this.ids = Array.from({ length: o.n }, (_, i) => memberName(i))
    this.world = new World({
      seed: o.seed ?? 1,
      ...(o.network && { network: o.network }),
      ...(o.onStep && { onStep: o.onStep }),
      ...(o.onBroken && { onBroken: o.onBroken }),
      observers: [
        {
          onHop: hop => void this.hops.push(hop),
          onDelivered: hop => void this.delivered.push({ ...hop, at: this.at }),
          onLoss: (hop, why) => void this.losses.push({ hop, why }),
          onInjected: what => void this.injected.push(what),
        },
        ...(o.observers ?? []),
      ],
      hosts: this.ids.map((id, i) => ({
        id,
        config: { charter: CHARTER, charterHash: HASH, network: HASH, self: id, seed: seedOf(i) },
        learner: job => ({ samples: job.round }),
        machine: () => this.#machine(id, o),
        ...o.site?.(i),
      })),
    })
    this.#start = this.world.now
  }

  /** Milliseconds since the world's beginning. */
  get at(): Millis {
    return this.world.now - this.#start
  }

  id(index: number): MemberId {
    return this.ids[index]!
  }

  /** What a host's machine was given, in its present (or last) life. */
  heard(index: number): readonly Heard[] {
    return this.#heard.get(this.id(index))?.at(-1) ?? []
  }

  /** Texts of the messages that it was given, with what brought them. */
  texts(index: number, via?: 'gossip' | 'stream'): string[] {
    return this.heard(index).flatMap(({ input }) =>
      input.kind === 'message' && (via ?? input.via) === input.via ? [textOf(input.bytes)] : [],
    )
  }

  /** `connected` and `disconnected` of one other, with when. */
  contacts(index: number, other: number): { readonly kind: string; readonly at: Millis }[] {
    return this.heard(index).flatMap(({ input, at }) =>
      (input.kind === 'connected' || input.kind === 'disconnected') && input.peer === this.id(other)
        ? [{ kind: input.kind, at }]
        : [],
    )
  }

  /** The host's machine does this now. */
  act(index: number, ...effects: readonly Effect[]): void {
    this.#answer(index, effects, undefined)
  }

  wake(index: number, at: Millis | undefined): void {
    this.#answer(index, [], at)
  }

  startAll(): this {
    this.world.startAll()
    this.pass(5000)
    return this
  }

  /** Lets so much virtual time pass. */
  pass(ms: Millis): void {
    this.world.run(() => false, ms)
  }

  publish(index: number, text: string): void {
    this.act(index, { kind: 'publish', bytes: bytesOf(text) })
  }

  send(from: number, to: number, text: string): void {
    this.act(from, { kind: 'send', to: this.id(to), bytes: bytesOf(text) })
  }

  #answer(index: number, effects: readonly Effect[], wakeAt: Millis | undefined): void {
    const id = this.id(index)
    this.#next.set(id, { effects, wakeAt })
    this.world.host(id).input({ kind: 'tick' })
    this.#next.delete(id)
  }

  #machine(id: MemberId, o: ScriptedOptions) {
    const lives = this.#heard.get(id) ?? []
    const heard: Heard[] = []
    lives.push(heard)
    this.#heard.set(id, lives)
    let wakeAt: Millis | undefined
    return {
      handle: (input: Input, now: Millis) => {
        const next = this.#next.get(id)
        this.#next.delete(id)
        if (next) {
          wakeAt = next.wakeAt ?? wakeAt
          return { effects: next.effects, wakeAt, verdict: undefined }
        }
        heard.push({ now, at: this.at, input })
        if (input.kind === 'tick') wakeAt = undefined
        const verdict =
          input.kind === 'message' ? (o.verdict?.(id, textOf(input.bytes)) ?? 'accept') : undefined
        return { effects: o.answer?.(id, input) ?? [], wakeAt, verdict }
      },
    }
  }
}

export function scripted(o: ScriptedOptions): Scripted {
  return new Scripted(o)
}

export function bytesOf(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

/** Links that are alike in all directions, and lose nothing unless told so. */
export function alike(link: {
  latencyMs: number | { from: number; to: number } | { base: number; jitter: number }
  lossRate?: number
  duplicateRate?: number
  reorderRate?: number
}): NonNullable<WorldOptions['network']> {
  return { links: () => ({ lossRate: 0, duplicateRate: 0, reorderRate: 0, ...link }) }
}
