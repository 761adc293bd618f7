/** The figures of a swarm as people read them in a terminal. */
import { table } from '../../node/cli/format.ts'
import { formatCount, formatDuration } from '../report/format.ts'
import type { SwarmFigures } from '../swarm-figures.ts'

export function figuresTable(f: SwarmFigures, elapsedMs: number): string {
  const seconds = Math.max(0.001, elapsedMs / 1000)
  const lines = table([
    ['seeds', `${formatCount(f.seeds)}, ${f.failures.length} failed`],
    ['events', `${formatCount(f.events)}, ${formatCount(f.events / seconds)} a second`],
    ['simulated', `${formatDuration(f.virtualMs)} in ${formatDuration(elapsedMs)}`],
    ['rounds', `${formatCount(f.rounds)} closed, in ${formatCount(f.attempts)} attempts`],
    ['faults', counts(f.injected)],
    ['liars', counts(f.liars)],
    ['checked', counts(f.checked)],
  ])
  const failed = [...new Set(f.failures.map(x => x.checker))].map(
    checker =>
      `${checker}: seeds ${f.failures
        .filter(x => x.checker === checker)
        .map(x => x.seed)
        .join(', ')}`,
  )
  return `${[...lines, ...failed].join('\n')}\n`
}

/** The most frequent first. */
function counts(of: Readonly<Record<string, number>>): string {
  const sorted = Object.entries(of).sort((a, b) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1))
  return sorted.length === 0 ? 'none' : sorted.map(([name, n]) => `${name} ${formatCount(n)}`).join(', ')
}
