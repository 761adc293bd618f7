/** Several observers as one, which has only the taps that one of them has: who is not watched costs nothing. */
import type { Observer } from './observer.ts'

type Tap = keyof Observer

const TAPS = [
  'onWorld',
  'onStart',
  'onCrash',
  'onInput',
  'onOutput',
  'onCommit',
  'onLostCommit',
  'onRelease',
  'onHop',
  'onDelivered',
  'onLoss',
  'onJob',
  'onEvent',
  'onFault',
  'onInjected',
  'afterEvent',
] as const satisfies readonly Tap[]

// A tap that is missing in the list above would never be called.
type Missing = Exclude<Tap, (typeof TAPS)[number]>
const complete: [Missing] extends [never] ? true : Missing = true

export function tapsOf(observers: readonly Observer[]): Observer {
  const taps: Record<string, (...args: never[]) => void> = {}
  for (const tap of complete ? TAPS : []) {
    const calls = observers.flatMap(o => {
      const call = o[tap] as ((...args: never[]) => void) | undefined
      return call ? [call.bind(o)] : []
    })
    if (calls.length === 1) taps[tap] = calls[0]!
    else if (calls.length > 1) {
      taps[tap] = (...args) => {
        for (const call of calls) call(...args)
      }
    }
  }
  return taps as Observer
}
