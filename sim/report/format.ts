/** Numbers as the report and the terminal show them. */
import type { Millis } from '../../protocol/ports.ts'

/** 0 s, 350 ms, 12.3 s, 6 min 10 s, 3 h 20 min, 2 d 4 h; `-` for undefined. */
export function formatDuration(ms: Millis | undefined): string {
  if (ms === undefined) return '-'
  if (ms === 0) return '0 s'
  if (ms < 10) return `${trimmed(ms, 1)} ms`
  if (ms < 999.5) return `${Math.round(ms)} ms`
  if (ms < 9_995) return `${(ms / 1000).toFixed(2)} s`
  if (ms < 59_950) return `${(ms / 1000).toFixed(1)} s`
  const seconds = Math.round(ms / 1000)
  if (seconds < 3600) return two(seconds, 60, 'min', 's')
  const minutes = Math.round(ms / 60_000)
  if (minutes < 1440) return two(minutes, 60, 'h', 'min')
  return two(Math.round(ms / 3_600_000), 24, 'd', 'h')
}

/** 1,234,567. */
export function formatCount(n: number): string {
  return String(Math.round(n)).replace(/\B(?=(\d{3})+$)/g, ',')
}

/** Three digits that mean something: 12.3, .00456; `-` for undefined. */
export function formatNumber(x: number | undefined): string {
  if (x === undefined || !Number.isFinite(x)) return '-'
  return x === 0 ? '0' : x.toPrecision(3).replace(/^(-?)0\./, '$1.')
}

/** 97 %, 99.6 %: of a share between 0 and 1; never 100 % for less than all, nor 0 % for more than nothing. */
export function formatShare(share: number): string {
  const percent = share * 100
  if (percent === 0 || percent === 100) return `${percent} %`
  if (percent < 0.1) return '< .1 %'
  if (percent > 99.9) return '> 99.9 %'
  return `${percent < 10 || percent > 90 ? trimmed(percent, 1) : Math.round(percent)} %`
}

/** `1 round`, `3 rounds`. */
export function plural(n: number, noun: string, more = `${noun}s`): string {
  return `${formatCount(n)} ${n === 1 ? noun : more}`
}

/** `a`, `a and b`, `a, b and c`; after `max` of them `and 7 more`. */
export function listed(items: readonly string[], max = 6): string {
  const shown = items.length > max ? [...items.slice(0, max), `${items.length - max} more`] : items
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`
}

function two(whole: number, per: number, big: string, small: string): string {
  const rest = whole % per
  const head = `${Math.floor(whole / per)} ${big}`
  return rest === 0 ? head : `${head} ${rest} ${small}`
}

function trimmed(x: number, digits: number): string {
  return x.toFixed(digits).replace(/\.0+$/, '')
}
