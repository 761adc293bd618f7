/** `medmesh status`: where a hospital's study stands; answers also when the node is down. */
import type { Command } from 'commander'
import { protection } from '../../../config/charter.ts'
import { protectionInWords } from '../../../config/words.ts'
import { toHex } from '../../../protocol/bytes.ts'
import { standingOf } from '../../../protocol/contribution/standing.ts'
import type { LedgerState } from '../../../protocol/ledger/state.ts'
import { CHARGES_RECORD, decodeCharges } from '../../../protocol/privacy/charges.ts'
import { epsilonOfReleases } from '../../../protocol/privacy/policy.ts'
import { loadNodeConfig, type NodeConfig } from '../../config.ts'
import { asNodeStatus, isRunning } from '../../status.ts'
import type { Traffic, TransferLine } from '../../transfers.ts'
import { readTrusted } from '../charter-file.ts'
import type { Io } from '../io.ts'
import { readRecords, verifyRecords, withStore } from '../ledger-file.ts'
import { describeTraffic } from '../node-log.ts'

export function registerStatus(program: Command, io: Io): void {
  program
    .command('status')
    .description('round, peers, quorum, model, and what the node waits for')
    .argument('<dir>', "the hospital's directory")
    .option('--json', 'print the status as JSON')
    .addHelpText(
      'after',
      `
Reads the hospital's store; works while the node runs and when it is down, and says which.

Example:
  medmesh status cleveland --json | jq .waiting`,
    )
    .action((dir: string, { json }: { json?: boolean }) => {
      const status = readStatus(loadNodeConfig(dir))
      io.out(json ? `${JSON.stringify(status, null, 2)}\n` : forPeople(status))
    })
}

/** `phase`: of the ledger. `connected`, `waiting`, `transfers`, `traffic`: undefined when the node is down. Hashes are hex. */
export interface StatusReport {
  readonly member: string
  readonly study: string
  readonly running: boolean
  readonly lastSeen: string | undefined
  readonly phase: string
  readonly round: number | undefined
  readonly attempt: number | undefined
  readonly rounds: number
  readonly height: number
  readonly members: readonly string[]
  readonly connected: readonly string[] | undefined
  readonly quorum: { readonly needed: number; readonly present: number | undefined }
  readonly modelHash: string
  /** By what audits say of them (`medmesh contribution`). */
  readonly suspended: readonly string[]
  readonly onProbation: readonly string[]
  /** In words: what is protected by noise, or that nothing is. */
  readonly protected: string
  /** What this hospital has spent of its privacy budget; undefined: nothing is protected by noise. */
  readonly privacy: { readonly epsilon: number; readonly epsilonMax: number } | undefined
  readonly waiting: { readonly reason: string; readonly for: readonly string[] } | undefined
  /** Long vectors on their way, and all of one way together. */
  readonly transfers: readonly TransferLine[] | undefined
  readonly traffic: readonly Traffic[] | undefined
}

export function readStatus(config: NodeConfig): StatusReport {
  const { trust } = readTrusted(config.charterFile, undefined)
  const { records, row, charges } = withStore(config.storeFile, store => ({
    records: readRecords(store.load()),
    row: store.status(),
    charges: store.get(CHARGES_RECORD),
  }))
  const privacy = protection(trust.charter)
  const { state } = verifyRecords(trust, records)
  const running = isRunning(config.storeFile)
  const status = asNodeStatus(row)
  const connected = running ? status?.connected : undefined
  // This hospital counts itself.
  const present =
    connected === undefined ? undefined : connected.filter(m => state.voters.includes(m)).length + 1
  return {
    member: config.member,
    study: trust.charter.study.id,
    running,
    lastSeen: status === undefined ? undefined : new Date(status.at).toISOString(),
    ...placeOf(state),
    rounds: trust.charter.training.rounds,
    height: state.height,
    members: trust.charter.members.map(m => m.id),
    connected,
    quorum: { needed: state.quorum, present },
    modelHash: toHex(state.modelHash),
    suspended: state.suspended,
    onProbation: state.voters.filter(m => standingOf(trust.charter, state.tracked, m) === 'probation'),
    protected: protectionInWords(trust.charter),
    privacy: privacy && {
      epsilon: epsilonOfReleases(trust.charter, decodeCharges(charges)),
      epsilonMax: privacy.epsilonMax,
    },
    waiting: running ? status?.waiting : undefined,
    transfers: running ? status?.transfers : undefined,
    traffic: running ? status?.traffic : undefined,
  }
}

function placeOf({ phase }: LedgerState): Pick<StatusReport, 'phase' | 'round' | 'attempt'> {
  switch (phase.kind) {
    case 'between':
      return { phase: 'opening the next round', round: phase.round, attempt: phase.attempt }
    case 'opened':
      return { phase: 'collecting masked inputs', round: phase.opened.round, attempt: phase.opened.attempt }
    case 'fixed':
      return { phase: 'opening the sum', round: phase.opened.round, attempt: phase.opened.attempt }
    case 'complete':
      return { phase: 'finishing the study', round: undefined, attempt: undefined }
    case 'finished':
      return { phase: 'finished', round: undefined, attempt: undefined }
  }
}

function forPeople(s: StatusReport): string {
  const seen = s.lastSeen === undefined ? 'it has never run' : `last seen ${s.lastSeen}`
  const round = s.round === undefined ? '' : `round ${s.round} of ${s.rounds}, attempt ${s.attempt}: `
  const peers =
    s.connected === undefined
      ? 'unknown, the node is down'
      : s.connected.length === 0
        ? 'none'
        : s.connected.join(', ')
  const present = s.quorum.present === undefined ? '' : `, ${s.quorum.present} here`
  const short = s.quorum.present !== undefined && s.quorum.present < s.quorum.needed
  const missing = s.members.filter(m => m !== s.member && s.connected?.includes(m) === false)
  const lines = [
    ['node', s.running ? 'running' : `down (${seen})`],
    ['member', `${s.member} in ${s.study}`],
    ['study', `${round}${s.phase}`],
    ['ledger', `${s.height} entries`],
    ['peers', peers],
    [
      'quorum',
      `${s.quorum.needed} of ${s.members.length} needed${present}${short ? `: waits for ${missing.join(', ')}` : ''}`,
    ],
    ['model', s.modelHash],
    ['protected', s.protected],
    ...(s.suspended.length > 0
      ? [
          [
            'suspended',
            `${s.suspended.join(', ')}: their nodes are shut out (medmesh contribution, medmesh appeal)`,
          ],
        ]
      : []),
    ...(s.onProbation.length > 0
      ? [['probation', `${s.onProbation.join(', ')} (medmesh contribution)`]]
      : []),
    ...(s.privacy
      ? [['privacy', `epsilon ${s.privacy.epsilon.toFixed(3)} of ${s.privacy.epsilonMax} is spent`]]
      : []),
    ['waits for', s.waiting === undefined ? 'nothing' : `${s.waiting.reason}: ${s.waiting.for.join(', ')}`],
    ...(s.traffic ?? []).map(t => ['vectors', describeTraffic(t)]),
  ]
  const shown = s.running ? lines : lines.filter(([name]) => name !== 'waits for')
  return `${shown.map(([name, value]) => `${name!.padEnd(10)} ${value}`).join('\n')}\n`
}
