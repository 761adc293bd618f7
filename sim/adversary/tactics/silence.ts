/** Going silent: to all from some step of an attempt on, or to one member that is to be isolated. */
import type { Input, MemberId } from '../../../protocol/ports.ts'
import { openEnvelope } from '../../../protocol/wire/envelope.ts'
import type { Body } from '../../../protocol/wire/messages.ts'
import type { Random } from '../../random.ts'
import type { Coalition } from '../coalition.ts'
import { about, type Leaves, type Liar, type Lie, type Tactic } from '../liar.ts'
import { eachAttempt, Later, oneOf, together } from './common.ts'

/** In which step of an attempt a hospital vanishes: with the first of these words. */
const STEPS = [
  ['keys'],
  ['offer', 'sealed'],
  ['input'],
  ['part'],
  ['receipt'],
  ['claim'],
  ['reveal'],
  ['tags'],
  ['proposal'],
  ['prevote'],
  ['precommit'],
] as const

/** In most attempts nothing leaves it any more from a step on, until the next attempt, or the one after it. */
export function vanishes(random: Random): Tactic {
  let silent = false
  const plan = eachAttempt((): readonly string[] => {
    // Who stays away for another attempt begins it in silence.
    silent = silent && random.chance(0.3)
    return random.chance(0.75) ? oneOf(random, STEPS) : []
  })
  return {
    leaves: (effect, l) => {
      const words = plan(l)
      if ('bytes' in effect) {
        const raw = openEnvelope(effect.bytes)
        if (raw.ok && raw.value.from === l.self && words.includes(raw.value.type)) silent = true
      }
      return silent ? [] : undefined
    },
    verdict: () => (silent ? 'ignore' : undefined),
  }
}

/** Honest member that a coalition isolates, the same for a whole study. */
export function isolatedOf(coalition: Coalition): MemberId | undefined {
  return coalition.shuffled('isolated', coalition.honest)[0]
}

/**
 * To one honest member it says nothing, or what it says comes too late, or is a lie about where the study stands; nor does
 * it pass on anything, and it gives the others no word of that member to hear.
 */
export function isolates(coalition: Coalition, random: Random): Tactic {
  const later = new Later()
  const released = new WeakSet<Uint8Array>()
  const victim = isolatedOf(coalition)
  const deaf = eachAttempt(() => random.chance(0.5))
  const delayMs = eachAttempt(() => (random.chance(0.4) ? undefined : 500 + 15_000 * random.unit()))
  const toVictim = (bytes: Uint8Array, l: Liar): readonly Leaves[] => {
    if (victim === undefined) return []
    const raw = openEnvelope(bytes)
    const isStatus = raw.ok && raw.value.type === 'status'
    if (isStatus || released.delete(bytes)) return [{ kind: 'send', to: victim, bytes }]
    const ms = delayMs(l)
    if (ms !== undefined) later.add(l.now + ms, { to: victim, bytes })
    return []
  }
  return together(
    { lie: wrongStatus(to => to === victim, random) },
    {
      hears: (input, l) => (deaf(l) && isFrom(input, victim) ? undefined : input),
      leaves: (effect, l) => {
        if (effect.kind === 'publish') {
          const others = l.others.filter(to => to !== victim)
          return [
            ...others.map(to => ({ kind: 'send', to, bytes: effect.bytes }) as const),
            ...toVictim(effect.bytes, l),
          ]
        }
        if (effect.to !== victim) return undefined
        return effect.kind === 'send' ? toVictim(effect.bytes, l) : []
      },
      besides: (_input, l) => {
        const due = later.due(l.now)
        for (const says of due) released.add(says.bytes)
        return due
      },
      wakeAt: () => later.nextAt,
      verdict: () => 'ignore',
    },
  )
}

function isFrom(input: Input, author: MemberId | undefined): boolean {
  if (input.kind !== 'message') return false
  const raw = openEnvelope(input.bytes)
  return raw.ok && raw.value.from === author
}

/** Heights that are not its own, and messages that it says it holds, so that it gets none. */
export function wrongStatus(to: (member: MemberId) => boolean, random: Random): Lie {
  return about('status', (body, _l, said) => {
    if (said.to === undefined || !to(said.to)) return undefined
    return oneOf(random, [
      { ...body, height: Math.max(0, body.height - 1 - random.below(4)) },
      { ...body, height: body.height + 1 + random.below(1000) },
      { ...body, have: new Uint8Array(0) },
      { ...body, have: random.bytes(8 * (1 + random.below(32))) },
      { ...body, model: random.bytes(32) },
    ] satisfies Body<'status'>[])
  })
}
