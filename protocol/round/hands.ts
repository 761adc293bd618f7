/** What the peer lends to an attempt: its voice, its store, its workers. All of it ends in effects. */

import type { FaultCode } from '../fault.ts'
import type { Event, Job, JobResult, MemberId, Millis, Task, Value, VectorWork } from '../ports.ts'
import type { RawEnvelope } from '../wire/envelope.ts'
import type { Body, GossipType, StreamType } from '../wire/messages.ts'

export interface Hands {
  readonly self: MemberId
  now(): Millis
  connected(member: MemberId): boolean
  /** Signs a message; nothing is sent yet. */
  sign<T extends GossipType>(type: T, body: Body<T>): Uint8Array
  /** Publishes a signed message of ours and keeps it for those who missed it. */
  publish(slot: string, message: Uint8Array): void
  /** Keeps another's signed message for those who missed it. */
  remember(slot: string, message: Uint8Array): void
  /** Sends to one member now and again whenever it reports that it lacks the message. */
  deliver<T extends StreamType>(to: MemberId, slot: string, type: T, body: Body<T>): void
  /** Sends to one member, once: whoever asked for it asks again. */
  send<T extends StreamType>(to: MemberId, type: T, body: Body<T>): void
  /** Sends a part whose data are bytes of a durable record, from `from` up to `end`. */
  sendStored(to: MemberId, of: Omit<Body<'part'>, 'data'>, record: string, from: number, end: number): void
  /** Makes records durable, then does what `release` emits. */
  store(puts: readonly (readonly [string, Value])[], release: () => void): void
  /** What one more input for `task` is charged with, and the record that says so: to be stored with it. None without noise. */
  charge(task: Task): readonly (readonly [string, Value])[]
  /** Writes into a draft, from byte `at` on. */
  write(draft: string, at: number, data: Uint8Array): void
  /**
   * Starts local work; `done` is called when it has ended, unless the attempt is over by then. With `failed`, which is
   * called when nothing comes of it, it goes on after the attempt.
   */
  work(work: VectorWork, done: (result: JobResult & { kind: 'vector' }) => void, failed?: () => void): void
  learn(job: Job & { kind: 'learn' }, done: (result: JobResult & { kind: 'learn' }) => void): void
  /** A message of a member of the charter whose signature holds; undefined for anything else. */
  authentic(message: Uint8Array): RawEnvelope | undefined
  fault(member: MemberId, code: FaultCode, detail: string): void
  event(event: Event): void
}

/** Something a member did wrong that a certified entry will name. */
export interface Finding {
  readonly member: MemberId
  readonly code: FaultCode
  /** The member's own signed messages that prove it, or their hashes where they are too large. */
  readonly evidence: readonly Uint8Array[]
}
