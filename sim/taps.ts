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

/** Each argument by its name: a list of them would be made at each call. */
type Call = (a: never, b: never, c: never) => void

// A fourth argument would be lost.
type Longest = Parameters<Required<Observer>[Tap]>['length']
const short: [Longest] extends [0 | 1 | 2 | 3] ? true : Longest = true

export function tapsOf(observers: readonly Observer[]): Observer {
  const taps: Record<string, Call> = {}
  for (const tap of complete && short ? TAPS : []) {
    const calls = observers.flatMap(o => {
      const call = o[tap] as Call | undefined
      return call ? [call.bind(o)] : []
    })
    if (calls.length > 0) taps[tap] = calls.reduce(both)
  }
  return taps as Observer
}

function both(first: Call, second: Call): Call {
  return (a, b, c) => {
    first(a, b, c)
    second(a, b, c)
  }
}
