/** Numbers and tables as people read them in a terminal. */

/** 0 B, 12.3 kB, 4.5 MB: powers of 1000. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  const units = ['kB', 'MB', 'GB', 'TB']
  let value = bytes / 1000
  let unit = 0
  while (value >= 999.95 && unit < units.length - 1) {
    value /= 1000
    unit++
  }
  return `${value.toFixed(1)} ${units[unit]}`
}

/** .8731 as in the literature on AUC: without the leading zero; `-` for undefined. */
export function formatScore(score: number | undefined, digits = 3): string {
  if (score === undefined || Number.isNaN(score)) return '-'
  return score.toFixed(digits).replace(/^(-?)0\./, '$1.')
}

export function formatSeconds(seconds: number | undefined): string {
  return seconds === undefined ? '-' : `${seconds.toFixed(seconds < 10 ? 2 : 1)} s`
}

/** 40 s, 12 min, 3.5 h: how long something takes, roughly. */
export function formatDuration(ms: number): string {
  const seconds = Math.ceil(ms / 1000)
  if (seconds < 100) return `${seconds} s`
  const minutes = Math.round(seconds / 60)
  return minutes < 100 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`
}

/** First digits of a hash: enough to compare by eye, too few to be mistaken for the whole. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12)
}

/**
 * Rows of equal length as aligned lines, two spaces between columns. `right`: columns (from 0) to align right.
 */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string[] {
  const widths: number[] = []
  for (const row of rows) {
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  }
  return rows.map(row =>
    row
      .map((cell, i) => (right.includes(i) ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  )
}
