/** The one place where a study's machine is made: all together, or by committees, as the charter says. */
import { CommitteePeer } from './committees/peer.ts'
import type { LedgerState } from './ledger/state.ts'
import { type Footprint, Peer, type PeerConfig } from './peer.ts'
import type { HeldModel, Machine } from './ports.ts'

/** A machine of a study, and what a host may look at. */
export interface StudyMachine extends Machine {
  /** The state of the study's ledger. */
  readonly state: LedgerState
  /** The model that the ledger names, if it is here. */
  readonly model: HeldModel | undefined
  /** How much it keeps of what others send. */
  readonly footprint: Footprint
}

export function machineFor(config: PeerConfig): StudyMachine {
  return config.charter.committees ? new CommitteePeer(config) : new Peer(config)
}

/** Whether a machine in its place shows a study's state: one of ours, or one that wraps it. */
export function isStudyMachine(machine: Machine): machine is StudyMachine {
  return machine instanceof Peer || machine instanceof CommitteePeer
}
