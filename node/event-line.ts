/** One line of `medmesh node --json`: what a program that watches a node reads. */
import type { Event, MemberId, Millis, TransferEvent } from '../protocol/ports.ts'
import type { TransferLine } from './transfers.ts'

/** What the node itself has to say beside the machine's events. */
export type NodeEvent =
  | {
      readonly kind: 'ready'
      readonly peerId: string
      readonly backend: string
      readonly addresses: readonly string[]
    }
  | { readonly kind: 'peers'; readonly connected: readonly MemberId[] }
  | TransferLine

export interface EventLine {
  readonly at: Millis
  readonly member: MemberId
  /** Bytes written to sockets since this process started. */
  readonly bytesSent: number
  readonly event: Exclude<Event, TransferEvent> | NodeEvent
}

/** A line of a node's stdout; undefined when it is something else. */
export function parseEventLine(text: string): EventLine | undefined {
  if (!text.startsWith('{')) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const line = value as Partial<EventLine>
  const plausible =
    typeof line.at === 'number' &&
    typeof line.member === 'string' &&
    typeof line.bytesSent === 'number' &&
    typeof line.event?.kind === 'string'
  return plausible ? (line as EventLine) : undefined
}
