/** The two courses side by side, for people; whether they agree, and what their difference comes from. No I/O here. */
import { type Figures, isWithin } from './course.ts'

/** How far the simulator may be off. */
export const TOLERANCE = 0.25

interface Row {
  readonly name: keyof Figures
  readonly says: string
  /** Divided by, and how it is then written. */
  readonly unit: number
  readonly in: string
  readonly digits: number
  /** False: shown, not judged. */
  readonly judged: boolean
}

const S = { unit: 1000, in: 's', digits: 2 }
const MB = { unit: 1e6, in: 'MB', digits: 2 }

const ROWS: readonly Row[] = [
  { name: 'roundMs', says: 'a round, from opening to opening', ...S, judged: true },
  { name: 'openMs', says: 'of it, from opening to its end', ...S, judged: true },
  { name: 'roundBytes', says: 'bytes of a round, all hospitals', ...MB, judged: true },
  { name: 'cutRoundMs', says: 'from the cut to the next end of a round', ...S, judged: true },
  { name: 'recoveryMs', says: 'of it, after the cut was over', ...S, judged: false },
  { name: 'cutBytes', says: 'bytes in that time', ...MB, judged: false },
  { name: 'studyMs', says: 'the whole study', ...S, judged: true },
  { name: 'studyBytes', says: 'bytes of the whole study', ...MB, judged: true },
]

export interface Verdict {
  readonly agree: boolean
  readonly lines: readonly string[]
}

/** `each`: a simulated run a seed; `apart`: one where each hospital has a machine of its own, for information. */
export function compare(
  real: Figures,
  simulated: Figures,
  each: readonly Figures[],
  apart: Figures,
): Verdict {
  let agree = true
  const lines = [row('', 'real', 'simulated', 'ratio', 'seeds', 'own machines')]
  for (const r of ROWS) {
    const write = (f: Figures) => (f[r.name] / r.unit).toFixed(r.digits)
    const within = isWithin(real[r.name], simulated[r.name], TOLERANCE)
    if (r.judged && !within) agree = false
    const mark = within ? '' : r.judged ? '  OFF' : ' *'
    const values = each.map(f => f[r.name] / r.unit)
    const spread = `${Math.min(...values).toFixed(r.digits)} to ${Math.max(...values).toFixed(r.digits)}`
    const ratio = (simulated[r.name] / real[r.name]).toFixed(2)
    lines.push(
      row(`${r.says}, ${r.in}`, write(real), write(simulated), `${ratio}${mark}`, spread, write(apart)),
    )
  }
  return { agree, lines }
}

/** Rounds of the same course of events with one thing more each time, in milliseconds. */
export interface Parts {
  /** Latency and training alone; then also lost packets, the work on messages, and the wait for a processor. */
  readonly bare: number
  readonly lossy: number
  readonly working: number
  readonly waiting: number
}

/** What a round's time and bytes are made of, and why the two sides are not the same. */
export function explain({ bare, lossy, working, waiting }: Parts, real: RealBytes): readonly string[] {
  const s = (ms: number) => (ms / 1000).toFixed(2)
  const percent = (bytes: number) => `${((100 * bytes) / real.bytes).toFixed(0)} %`
  const headers = real.bytes - real.payloadBytes - real.ackBytes
  return [
    `Of a simulated round of ${s(waiting)} s, ${s(bare)} s are latency and training, ${s(lossy - bare)} s lost packets,`,
    `${s(working - lossy)} s the work on messages and ${s(waiting - working)} s the wait for a processor.`,
    `Of the real bytes, ${percent(real.payloadBytes)} are what TCP carried, ${percent(headers)} its headers and IP's, ${percent(real.ackBytes)} bare acknowledgements.`,
    '',
    'Why they differ:',
    '  times  the simulator puts all work of a round on its messages, one after the other; real nodes do some of it',
    '         while they wait for others anyhow; and it says how late a lost packet is from what was sent lately, as it',
    '         does not know what will be sent next',
    '  bytes  who is whose neighbour in the gossip mesh is chance, here as there: with d neighbours each, a message of',
    '         one of eight hospitals goes 8 d - 7 times, and d was 5.0 to 6.3 in real runs',
    '  *      not judged: how soon rounds go on after a cut hangs on when the next look for lost members, the next try of',
    "         the transport's doubled timer and the next status come, one to several seconds; and what is sent meanwhile",
    '         on where in a round the cut has struck',
  ]
}

export interface RealBytes {
  readonly bytes: number
  readonly payloadBytes: number
  readonly ackBytes: number
}

function row(says: string, ...cells: readonly string[]): string {
  const widths = [9, 11, 10, 18, 14]
  return says.padEnd(46) + cells.map((cell, i) => cell.padStart(widths[i]!)).join('')
}
