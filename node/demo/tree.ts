/**
 * The live tree of rounds: a row for each round, a column for each hospital, and what went wrong as branches. On a
 * terminal the open rounds are drawn again and again; elsewhere each row is written once, when nothing in it can change.
 */
import { formatBytes, formatScore, formatSeconds } from '../cli/format.ts'
import type { Io } from '../cli/io.ts'
import type { Board, RoundView } from './board.ts'

const NAME_WIDTH = 16
const CELL_WIDTH = 13

export function treeHeader(board: Board): string {
  const cells = board.members.map(m => fitted(m, CELL_WIDTH)).join(' ')
  return `   ${''.padEnd(NAME_WIDTH)} cohort surv.   AUC      time  ${cells}`
}

/** The row of a round, and under it a branch for each thing that people should notice. `rounds`: training rounds. */
export function roundRows(board: Board, view: RoundView, rounds: number): string[] {
  const seconds = view.closedAt === undefined ? undefined : (view.closedAt - view.openedAt) / 1000
  const cells = board.members.map(m => fitted(cell(board, view, m), CELL_WIDTH)).join(' ')
  const auc = view.task === 'train' ? formatScore(board.metricsAfter(view.round)?.auc) : ''
  const row = [
    `├─ ${roundName(view, rounds).padEnd(NAME_WIDTH)}`,
    String(view.cohort.length).padStart(6),
    (view.survivors.length === 0 ? '-' : String(view.survivors.length)).padStart(5),
    auc.padStart(5),
    formatSeconds(seconds).padStart(9),
    ` ${cells}`,
  ].join(' ')
  return [row.trimEnd(), ...notes(board, view).map(note => `│  └─ ${note}`)]
}

export function roundName(view: { readonly round: number; readonly task: string }, rounds: number): string {
  if (view.task === 'statistics') return 'statistics'
  if (view.task === 'evaluate') return 'evaluation'
  return `round ${view.round} of ${rounds}`
}

/** What a reader of the tree must not miss in `view`. */
export function notes(board: Board, view: RoundView): string[] {
  const said: string[] = []
  for (const abort of view.aborted) {
    said.push(`attempt ${abort.attempt} given up: ${abortReason(abort)}; tried again with fresh keys`)
  }
  for (const outage of board.outages) {
    if (outage.round === view.round) {
      const counted = view.survivors.includes(outage.member)
      const fate = counted
        ? 'its input had been delivered and counts'
        : 'the others close the round without it'
      said.push(`${outage.member} killed (SIGKILL) in phase ${outage.phase}; ${fate}`)
    }
    if (outage.backInRound === view.round) said.push(`${outage.member} is back in the cohort`)
  }
  for (const left of view.leftOut) said.push(`${left.member} left out: ${left.reason}`)
  for (const fault of view.faults) said.push(`${fault.member}: ${fault.fault}`)
  return said
}

/** Why an attempt was given up, in words. */
export function abortReason({
  reason,
  culprits,
}: {
  readonly reason: string
  readonly culprits: readonly string[]
}): string {
  const words: Readonly<Record<string, string>> = {
    tooFewInputs: 'too few inputs in time',
    notOpened: 'too few seed shares in time',
    culprit: 'it could not go on with',
  }
  return [words[reason] ?? reason, culprits.join(', ')].join(' ').trimEnd()
}

/** Nothing in the row can change any more: its round is closed, and the metrics of its model are there. */
export function isSettled(board: Board, view: RoundView): boolean {
  if (view.closedAt === undefined) return false
  return view.task === 'train' ? board.rounds.get(view.round + 1)?.closedAt !== undefined : true
}

function cell(board: Board, view: RoundView, member: string): string {
  const bytes = view.bytesSent.get(member) ?? 0
  if (view.closedAt === undefined) {
    if (board.isDown(member)) return 'down'
    return board.phaseOf(member, view.round) ?? (view.cohort.includes(member) ? '…' : 'away')
  }
  if (!view.cohort.includes(member)) return bytes === 0 ? 'away' : `(${formatBytes(bytes)})`
  return `${formatBytes(bytes)}${view.survivors.includes(member) ? '' : ' ✗'}`
}

function fitted(text: string, width: number): string {
  return text.length > width ? `${text.slice(0, width - 1)}…` : text.padEnd(width)
}

export interface TreeView {
  /** Draws what has changed on the board. */
  readonly update: () => void
  /** Writes what is left; afterwards nothing is drawn. */
  readonly end: () => void
  /** A line of its own between the rows. */
  readonly say: (text: string) => void
}

export function treeView(board: Board, rounds: number, io: Io): TreeView {
  let next = 0
  let live = 0
  let headed = false
  const erase = () => {
    if (live > 0) io.out(`\x1b[${live}A\x1b[J`)
    live = 0
  }
  const settled = (all: boolean): string[] => {
    const lines: string[] = []
    for (;;) {
      const view = board.rounds.get(next)
      if (view === undefined || (!all && !isSettled(board, view))) return lines
      if (!headed) lines.push(treeHeader(board))
      headed = true
      lines.push(...roundRows(board, view, rounds))
      next++
    }
  }
  const liveLines = (): string[] => {
    const lines: string[] = []
    for (const view of board.ordered()) if (view.round >= next) lines.push(...roundRows(board, view, rounds))
    for (const [member, reason] of board.waiting) lines.push(`   ${member} waits: ${reason}`)
    return lines.map(line => line.slice(0, Math.max(20, io.columns() - 1)))
  }
  const draw = (all: boolean) => {
    erase()
    const lines = settled(all)
    if (lines.length > 0) io.out(`${lines.join('\n')}\n`)
    if (io.terminal && !all) {
      const open = liveLines()
      if (open.length > 0) io.out(`${open.join('\n')}\n`)
      live = open.length
    }
  }
  return {
    update: () => draw(false),
    end: () => draw(true),
    say: text => {
      erase()
      io.out(`${text}\n`)
      draw(false)
    },
  }
}
