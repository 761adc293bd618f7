/** Which phase of a round a hospital is in, as its events and effects tell. */
import type { Effect, Event, MemberId } from '../../protocol/ports.ts'

const PHASES: Readonly<Record<string, string>> = { delivered: 'delivered', revealed: 'opening' }

/** What a hospital does after it has heard of this; `round`: where it was. */
export function phaseAfter(
  event: Event,
  self: MemberId,
  round: number,
): { readonly what: string; readonly round: number } | undefined {
  switch (event.kind) {
    case 'started':
    case 'roundAborted':
      return { what: 'between', round: event.round }
    case 'roundOpened':
      return { what: event.cohort.includes(self) ? 'sharing' : 'aside', round: event.round }
    case 'committee':
      return { what: 'between', round: event.round }
    case 'phase':
      return { what: PHASES[event.phase] ?? 'sharing', round: event.round }
    case 'survivorsFixed':
      return { what: 'opening', round: event.round }
    case 'roundClosed':
      return { what: 'between', round: event.round + 1 }
    case 'studyFinished':
      return { what: 'finished', round }
    default:
      return undefined
  }
}

/** The round that a learning job among the effects is for. */
export function learnsIn(effects: readonly Effect[]): number | undefined {
  for (const effect of effects) {
    if (effect.kind === 'job' && effect.job.kind === 'learn') return effect.job.round
    const round = effect.kind === 'store' ? learnsIn(effect.release) : undefined
    if (round !== undefined) return round
  }
  return undefined
}
