import type { TransferEvent } from '../../protocol/ports.ts'

/** What a machine tells of a slice of `bytesTotal` that comes from basel. */
export function slice(bytesDone: number, bytesTotal: number): TransferEvent {
  return {
    kind: 'transfer',
    round: 1,
    attempt: 0,
    way: 'from',
    peer: 'basel',
    what: 'slice',
    vector: '00',
    bytesDone,
    bytesTotal,
    state: bytesDone === bytesTotal ? 'done' : 'going',
  }
}
