import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { type Match, rowOf, type Trial } from '../../../../node/attack/judge.ts'

const OF = { subject: 's', kind: 'table', target: 't', attack: 'a', limit: 'none' } as const
const match = (error: number, known: number): Match => ({ error, known })
const found = (trials: readonly Trial[]) => rowOf(OF, trials).found

/** Errors about 1, other ones in each trial. */
const about = (t: number, known = 0.3) => match(1 + 0.1 * Math.sin(1 + t), known)
const twenty = (trial: (t: number) => Trial) => Array.from({ length: 20 }, (_, t) => trial(t))

describe('what an attack found', () => {
  it('is persons where they come out whole, also in few trials', () => {
    const whole = { attack: match(0, 1), guess: about(1), strangers: about(2) }
    expect(found(twenty(() => whole))).toBe('persons')
    const none = (t: number) => ({ attack: about(t), guess: about(t + 7), strangers: about(t + 11) })
    expect(found([whole, ...twenty(none)])).toBe('persons')
  })

  it('is a trace where it is nearer than by chance, and nobody comes out', () => {
    const near = (t: number) => match(0.5 + 0.1 * Math.sin(t), 0.4)
    expect(found(twenty(t => ({ attack: near(t), guess: about(t), strangers: about(t + 5) })))).toBe(
      'a trace',
    )
    // Nearer to its own than to strangers, though not than the guess.
    const far = (t: number) => match(2 + 0.1 * Math.sin(t), 0.3)
    expect(found(twenty(t => ({ attack: about(t), guess: near(t), strangers: far(t) })))).toBe('a trace')
    // Nearer than the guess, though to strangers too.
    expect(found(twenty(t => ({ attack: near(t), guess: about(t), strangers: near(t) })))).toBe('a trace')
  })

  it('is nothing where the guess is nearer, and strangers as near', () => {
    const guess = match(0.5, 0.3)
    expect(found(twenty(t => ({ attack: about(t), guess, strangers: about(t + 11) })))).toBe('nothing')
  })

  it('is not persons where as many strangers come out', () => {
    const all = (t: number) => match(0.1 * (1 + (t % 3)), 1)
    const guess = match(0.1, 1)
    expect(found(twenty(t => ({ attack: all(t), guess, strangers: all(t + 1) })))).toBe('nothing')
  })

  it('is not persons where a stranger comes out too, and they are no nearer', () => {
    const trial = (t: number) => ({
      attack: about(t, t < 6 ? 1 : 0.3),
      guess: match(0.5, 0.3),
      strangers: about(t + 11, t < 1 ? 1 : 0.3),
    })
    expect(found(twenty(trial))).toBe('nothing')
  })

  it('never is anything where attack, guess and strangers are all alike', () => {
    const some = fc.record({ error: fc.double({ min: 0, max: 5, noNaN: true }), known: fc.constant(0.5) })
    fc.assert(
      fc.property(fc.array(some, { minLength: 8, maxLength: 40 }), errors => {
        expect(found(errors.map(same => ({ attack: same, guess: same, strangers: same })))).toBe('nothing')
      }),
    )
  })
})
