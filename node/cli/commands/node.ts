/** `medmesh node`: runs a hospital's peer until the study is finished or somebody stops it. */
import type { Command } from 'commander'
import { loadNodeConfig, readPassphrase } from '../../config.ts'
import type { EventLine } from '../../event-line.ts'
import type { RunOptions } from '../../main.ts'
import { EXIT, Exit } from '../exit.ts'
import { shortHash } from '../format.ts'
import type { Io } from '../io.ts'
import { NodeLog } from '../node-log.ts'

export function registerNode(program: Command, io: Io): void {
  program
    .command('node')
    .description('run the peer, until it is stopped or the study is finished')
    .argument('<dir>', "the hospital's directory")
    .option('--json', 'write each event as a line of JSON to stdout; the log for people goes to stderr')
    .option(
      '--until-stdin-ends',
      'stop also when stdin ends: the peer cannot outlive the program that started it',
    )
    .addHelpText(
      'after',
      `
SIGINT and SIGTERM stop the node cleanly; it goes on where it was when started again. Exit code 0: the study is
finished; 4: stopped before that.

Examples:
  medmesh node /srv/medmesh
  medmesh node /srv/medmesh --json 2>/dev/null | jq 'select(.event.kind == "roundClosed")'`,
    )
    .action(async (dir: string, options: { json?: boolean; untilStdinEnds?: boolean }) => {
      const { member, passphraseFile } = loadNodeConfig(dir)
      const passphrase = readPassphrase(passphraseFile, io.env)
      // Only now: libp2p and tfjs take a second to load, which no other command should pay.
      const { runNode } = await import('../../main.ts')
      const signal = options.untilStdinEnds ? AbortSignal.any([io.signal, stdinEnd()]) : io.signal
      const forPeople = new NodeLog(io, member)
      const onEvent = (line: EventLine) => {
        if (options.json) forPeople.out(`${JSON.stringify(line)}\n`)
        forPeople.event(line, describeEvent(line))
      }
      const log: NonNullable<RunOptions['log']> = (level, what, fields = {}) => {
        if (level === 'debug') return
        const details = Object.entries(fields).map(([name, value]) => ` ${name}=${value}`)
        forPeople.say(`${level === 'warn' ? 'warning: ' : ''}${what}${details.join('')}`)
      }
      const { finished } = await runNode(dir, { onEvent, signal, passphrase, log }).finally(() =>
        forPeople.end(),
      )
      if (!finished) throw new Exit(EXIT.unfinished)
    })
}

function stdinEnd(): AbortSignal {
  const end = new AbortController()
  for (const name of ['end', 'close', 'error'] as const)
    process.stdin.once(name, () => end.abort('stdin ended'))
  process.stdin.resume()
  // It must not keep a finished node alive.
  process.stdin.unref?.()
  return end.signal
}

/** One event in words; undefined for those that are only of use to programs. */
export function describeEvent({ event }: EventLine): string | undefined {
  switch (event.kind) {
    case 'ready':
      return `ready as ${event.peerId} on ${event.addresses.join(' ')}, computing with ${event.backend}`
    case 'peers':
      return event.connected.length === 0
        ? 'no peer is connected'
        : `connected to ${event.connected.join(', ')}`
    case 'started':
      return `started at ledger height ${event.height}, round ${event.round}`
    case 'roundOpened': {
      const away = event.absent.length === 0 ? '' : `; without ${event.absent.join(', ')}`
      return `round ${event.round}.${event.attempt} (${event.task}) opened with ${event.cohort.join(', ')}${away}`
    }
    case 'committee': {
      const decides = event.decides ? '; it also decides the round' : ''
      return `round ${event.round}: in committee ${event.index} of ${event.of} with ${event.members.join(', ')}${decides}`
    }
    case 'phase':
      return `round ${event.round}.${event.attempt}: ${event.phase}`
    case 'transfer':
      return undefined
    case 'survivorsFixed': {
      const left = event.leftOut.map(l => `${l.member} (${l.reason})`).join(', ')
      return `round ${event.round}.${event.attempt}: ${event.survivors.length} inputs count${left === '' ? '' : `; left out: ${left}`}`
    }
    case 'roundClosed': {
      const auc = event.metrics === undefined ? '' : `, AUC before it ${event.metrics.auc.toFixed(3)}`
      const faults = event.faults.map(f => `; ${f.member}: ${f.fault}`).join('')
      return `round ${event.round}.${event.attempt} closed: model ${shortHash(event.modelHash)}${auc}${faults}`
    }
    case 'roundAborted': {
      const who = event.culprits.length === 0 ? '' : ` (${event.culprits.join(', ')})`
      return `round ${event.round}.${event.attempt} given up: ${event.reason}${who}; it is tried again with fresh keys`
    }
    case 'studyFinished':
      return `study finished after ${event.rounds} rounds: model ${shortHash(event.modelHash)}`
    case 'waiting':
      return `waiting for ${event.reason}${event.for.length === 0 ? '' : `: ${event.for.join(', ')}`}`
    case 'settled':
      return 'all members hold the finished ledger'
    case 'jobFailed':
      return `local work failed: ${event.reason}`
    case 'budgetSpent': {
      const [spent, most] = [event.epsilon.toFixed(3), event.epsilonMax]
      return `privacy budget: epsilon ${spent} of one ${event.unit} is spent, and one more round would take it over ${most}; this hospital gives nothing more under this charter`
    }
  }
}
