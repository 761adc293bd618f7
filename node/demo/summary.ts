/** What the demo says at its end: tables of scores, the lost hospital, bytes, the ledger, and what it all does not mean. */
import { protectionInWords } from '../../config/words.ts'
import { formatBytes, formatScore, formatSeconds, shortHash, table } from '../cli/format.ts'
import type { ScoreRow } from './compare.ts'
import { type DemoFault, type DemoRecord, faultsOf } from './result.ts'
import { abortReason } from './tree.ts'

export const CAVEAT =
  'A research demonstration on public records of the 1980s. Its models are not for use on patients; secure summing alone is not anonymity.'

export function summary(record: DemoRecord): string[] {
  const { board, comparison, ledger } = record
  const final = [...board.finished.values()][0] ?? ''
  return [
    '',
    ...scoreTable(record, 'auc', 'AUC on test rows'),
    '',
    ...scoreTable(record, 'accuracy', 'Accuracy on test rows'),
    '  * for comparison only: pooled is what the study avoids, all records in one place',
    ...oneClassNotes(record).map(note => `  ${note}`),
    ...(hasGap(comparison.federated, record)
      ? ['  - one class only among the test rows: nothing can be ranked']
      : []),
    '',
    'What went wrong',
    ...lines(faultsOf(board).map(describeFault), 'nothing'),
    '',
    'Bytes sent',
    ...table(
      board.members.map(m => [`  ${m}`, formatBytes(board.bytesOf(m))]),
      [1],
    ),
    '',
    `Model    ${shortHash(final)}, the same in all ${board.finished.size} hospitals; no two held different ones after any round`,
    `Ledger   ${ledger.verified ? 'verified' : 'NOT VERIFIED'}: ${ledger.entries.length} entries, ${ledger.signatures} signatures, one chain in ${board.members.length} copies`,
    `Time     ${formatSeconds(record.seconds)}`,
    '',
    CAVEAT,
    `In this study: ${protectionInWords(record)}.`,
  ]
}

/** Hospitals whose scores alone are chance, since they have one class to learn from. */
export function oneClassNotes({ hospitals }: DemoRecord): string[] {
  return hospitals
    .filter(h => h.oneClass)
    .map(
      h =>
        `All training rows of ${h.member} are of one class: alone it learns nothing, and its AUC is chance.`,
    )
}

/** Rows: models; columns: the test rows of each hospital and of all. Header first. */
export function scoreCells(record: DemoRecord, of: 'auc' | 'accuracy'): string[][] {
  const { comparison, hospitals } = record
  const row = (name: string, scores: ScoreRow) => [
    name,
    ...hospitals.map(h => formatScore(scores.on.get(h.member)?.[of])),
    formatScore(scores.all[of]),
  ]
  return [
    ['model', ...hospitals.map(h => h.member), 'all'],
    ...hospitals.map(h => row(`${h.member} alone *`, comparison.own.get(h.member)!)),
    row('federated', comparison.federated),
    row('pooled *', comparison.pooled),
  ]
}

export function describeFault(fault: DemoFault): string {
  switch (fault.kind) {
    case 'killed': {
      const fate = fault.survivor
        ? 'its input was delivered and counts'
        : 'the others closed the round without it'
      const away =
        fault.secondsAway === null ? '' : `, started again after ${formatSeconds(fault.secondsAway)}`
      const back =
        fault.backInRound === null
          ? ', in no later cohort'
          : `, back in the cohort of round ${fault.backInRound}`
      return `round ${fault.round}: ${fault.member} was killed (${fault.signal}) in phase ${fault.phase}; ${fate}${away}${back}`
    }
    case 'leftOut':
      return `round ${fault.round}: ${fault.member} left out (${fault.reason}), by an entry of the ledger`
    case 'fault':
      return `round ${fault.round}: ${fault.member}: ${fault.fault}, with evidence in the ledger`
    case 'aborted':
      return `round ${fault.round}: attempt ${fault.attempt} given up (${abortReason(fault)}) and made again with fresh keys`
  }
}

function scoreTable(record: DemoRecord, of: 'auc' | 'accuracy', title: string): string[] {
  const cells = scoreCells(record, of)
  return [title, ...table(cells, cells[0]!.map((_, i) => i).slice(1)).map(line => `  ${line}`)]
}

function hasGap(row: ScoreRow, record: DemoRecord): boolean {
  return record.hospitals.some(h => row.on.get(h.member)?.auc === undefined)
}

function lines(items: readonly string[], none: string): string[] {
  return items.length === 0 ? [`  ${none}`] : items.map(item => `  ${item}`)
}
