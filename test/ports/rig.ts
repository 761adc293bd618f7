/** What the compliance suite needs of a host: three of them, each with a machine that does what the test says. */
import type { Fault } from '../../protocol/fault.ts'
import type {
  Effect,
  Event,
  Input,
  Job,
  JobResult,
  Learned,
  Machine,
  MemberId,
  Millis,
  Output,
  Value,
  Verdict,
} from '../../protocol/ports.ts'
import type { StoreAccess } from '../../protocol/stored.ts'
import { runVectorWork } from '../../protocol/sum/kernels.ts'
import { memberName, testCharter } from '../support/consortium.ts'

export const CHARTER = testCharter({ n: 3 })
export const [A, B, C] = [memberName(0), memberName(1), memberName(2)]
export const ALL: readonly MemberId[] = [A, B, C]

export interface Reply {
  readonly effects?: readonly Effect[]
  readonly wakeAt?: Millis | undefined
  readonly verdict?: Verdict
}

export interface Heard {
  readonly input: Input
  readonly now: Millis
}

/** One hospital's machines, life by life: what they heard, and what they are to answer. */
export class Script {
  readonly lives: Heard[][] = []
  /** What a machine answers to what comes from outside. */
  answer: (input: Input) => Reply = () => ({})
  #next: Reply | undefined
  #wakeAt: Millis | undefined

  get heard(): readonly Heard[] {
    return this.lives.at(-1) ?? []
  }

  /** Inputs of one kind in the present life. */
  of<K extends Input['kind']>(kind: K): (Input & { kind: K })[] {
    return this.heard.map(h => h.input).filter((i): i is Input & { kind: K } => i.kind === kind)
  }

  /** Texts of the messages of the present life, as `from via text`. */
  messages(): string[] {
    return this.of('message').map(m => `${m.from} ${m.via} ${text(m.bytes)}`)
  }

  /** The next input is answered by `reply` and not noted. */
  prepare(reply: Reply): void {
    this.#next = reply
  }

  machine(): Machine {
    const heard: Heard[] = []
    this.lives.push(heard)
    this.#wakeAt = undefined
    let busy = false
    return {
      handle: (input, now): Output => {
        if (busy) throw new Error('an input came while another was being handled')
        busy = true
        try {
          return this.#handle(heard, input, now)
        } finally {
          busy = false
        }
      },
    }
  }

  #handle(heard: Heard[], input: Input, now: Millis): Output {
    const prepared = this.#next
    this.#next = undefined
    if (!prepared) heard.push({ input, now })
    if (input.kind === 'tick' && !prepared) this.#wakeAt = undefined
    const reply = prepared ?? this.answer(input)
    if ('wakeAt' in reply) this.#wakeAt = reply.wakeAt
    return { effects: reply.effects ?? [], wakeAt: this.#wakeAt, verdict: reply.verdict }
  }
}

export interface Told<T> {
  readonly host: MemberId
  readonly what: T
  /** The host's records on its disk when it was told. */
  readonly disk: ReadonlyMap<string, Uint8Array>
}

/** Three hosts, of which none is up. Records outlast a life. */
export interface Rig {
  readonly scripts: ReadonlyMap<MemberId, Script>
  readonly events: Told<Event>[]
  readonly faults: Told<{ readonly peer: MemberId; readonly fault: Fault }>[]
  readonly broken: { readonly host: MemberId; readonly error: unknown }[]
  /** The host's clock. */
  now(): Millis
  /** Begins a life: of the first, or after a crash. */
  start(id: MemberId): Promise<void>
  /** Ends a life as if the process were gone. */
  crash(id: MemberId): Promise<void>
  /** Ends the life at its next commit: before anything is durable, or after and before anything is released. */
  crashAtCommit(id: MemberId, when: 'before' | 'after'): void
  input(id: MemberId, input: Input): Verdict | undefined
  records(id: MemberId): ReadonlyMap<string, Uint8Array>
  /** Lets time pass until the condition holds; throws when it does not within reason. */
  until(what: string, condition: () => boolean): Promise<void>
  close(): Promise<void>
}

/** Hands the host an input to which its machine answers `reply`. */
export function act(rig: Rig, id: MemberId, ...effects: readonly Effect[]): void {
  reply(rig, id, { effects })
}

export function reply(rig: Rig, id: MemberId, answer: Reply): void {
  rig.scripts.get(id)!.prepare(answer)
  rig.input(id, { kind: 'tick' })
}

// --- effects ---

export const bytes = (said: string) => new TextEncoder().encode(said)
export const text = (said: Uint8Array) => new TextDecoder().decode(said)
export const publish = (said: string): Effect => ({ kind: 'publish', bytes: bytes(said) })
export const send = (to: MemberId, said: string): Effect => ({ kind: 'send', to, bytes: bytes(said) })
export const note = (phase: string): Effect => ({
  kind: 'event',
  event: { kind: 'phase', round: 1, attempt: 0, phase },
})
export const store = (
  puts: Readonly<Record<string, string>>,
  release: readonly Effect[] = [],
  deletes: readonly string[] = [],
): Effect => storing(puts, value => bytes(value), release, deletes)

/** Stores records that are to be the same as a draft or record. */
export const adopt = (
  puts: Readonly<Record<string, string>>,
  release: readonly Effect[] = [],
  deletes: readonly string[] = [],
): Effect => storing(puts, sameAs => ({ sameAs }), release, deletes)

function storing(
  puts: Readonly<Record<string, string>>,
  value: (said: string) => Value,
  release: readonly Effect[],
  deletes: readonly string[],
): Effect {
  return {
    kind: 'store',
    puts: Object.entries(puts).map(([key, said]) => [key, value(said)]),
    deletes,
    release,
  }
}
export const write = (draft: string, at: number, data: string | Uint8Array): Effect => ({
  kind: 'write',
  draft,
  at,
  data: typeof data === 'string' ? bytes(data) : data,
})
export const sendPart = (to: MemberId, key: string, from: number, end: number) =>
  ({
    kind: 'sendPart',
    to,
    type: 'modelPart',
    of: { hash: new Uint8Array(32), part: 0 },
    key,
    from,
    end,
    within: undefined,
  }) as const

/** The notes of one host, in order. */
export function notes(rig: Rig, id: MemberId): string[] {
  return rig.events.filter(e => e.host === id && e.what.kind === 'phase').map(e => phaseOf(e.what))
}

export function phaseOf(event: Event): string {
  return event.kind === 'phase' ? event.phase : ''
}

/** Keys and texts of records. */
export function asTexts(records: ReadonlyMap<string, Uint8Array>): Record<string, string> {
  return Object.fromEntries([...records].map(([key, value]) => [key, text(value)]))
}

// --- jobs ---

/** A learner with this round in its job fails. */
export const DOOMED = 13

export function learnJob(round: number): Job {
  const model = {
    parameters: new Float32Array(4),
    mean: new Float64Array(0),
    deviation: new Float64Array(0),
  }
  return { kind: 'learn', task: 'train', round, model, seed: new Uint8Array(32) }
}

export function learn(job: Job & { kind: 'learn' }): Learned {
  if (job.round === DOOMED) throw new Error('this learner fails')
  return { samples: job.round }
}

/** `access`: to drafts and records, where the host's jobs have it. */
export function runJob(job: Job, access?: StoreAccess): JobResult {
  return job.kind === 'learn'
    ? { kind: 'learn', learned: learn(job) }
    : { kind: 'vector', output: runVectorWork(job.work, access) }
}
