/** Wrong and withheld seed shares. */

import { quorum } from '../../../config/charter.ts'
import { concatBytes } from '../../../protocol/bytes.ts'
import { isAuditable } from '../../../protocol/contribution/groups.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import type { RoundOpened } from '../../../protocol/ledger/entry.ts'
import type { MemberId } from '../../../protocol/ports.ts'
import { levelsAbove } from '../../../protocol/privacy/shares.ts'
import type { CohortContext, PublicKeys } from '../../../protocol/round/context.ts'
import { attemptKeys, dealShares, type OwnShares } from '../../../protocol/round/secrets.ts'
import { layoutFor } from '../../../protocol/sum/layout.ts'
import { decode } from '../../../protocol/wire/codec.ts'
import { openEnvelope } from '../../../protocol/wire/envelope.ts'
import { BODIES, type Body } from '../../../protocol/wire/messages.ts'
import type { Random } from '../../random.ts'
import type { Coalition } from '../coalition.ts'
import { about, flipped, type Liar, type Lie, type Tactic } from '../liar.ts'
import * as lies from '../lies/shares.ts'
import { otherAnchor } from './anchor.ts'
import { eachAttempt, oneOf } from './common.ts'

/** Shares that are wrong in one way or another, in each attempt another. */
export function dealsWrong(coalition: Coalition, random: Random): Tactic {
  const known = new Announced()
  const polynomials = twoPolynomials(coalition, known)
  const anchor = otherAnchor()
  const lie = eachAttempt((l): Lie => {
    const some = coalition.honest.filter(() => random.chance(0.5))
    return oneOf(random, [
      lies.wrongSealed(),
      lies.wrongSealed(some),
      lies.twoOffers,
      lies.garbageCiphertexts,
      lies.garbageKeys,
      wrongDigests(some, l.others),
      polynomials,
      l.config.charter.privacy.unit === 'none' ? polynomials : anchor.lie,
    ])
  })
  return {
    hears: (input, l) => {
      if (input.kind === 'message') known.take(input.bytes, l)
      return anchor.hears(input, l)
    },
    lie: (said, l) => {
      known.take(said.bytes, l)
      return lie(l)(said, l)
    },
  }
}

/** The same offer to all, in which the digests of some members' shares are of other shares. */
function wrongDigests(of: readonly MemberId[], others: readonly MemberId[]): Lie {
  return about('offer', (body, l) => {
    const named = of.length > 0 ? of : others.slice(0, 1)
    let digests = body.digests
    const each = digests.length / l.cohort.length
    for (const m of named) if (l.cohort.includes(m)) digests = flipped(digests, each * l.cohort.indexOf(m))
    return { ...body, digests }
  })
}

/** Key announcements of the present attempt, as they were heard: an entry names them by their hash. */
class Announced {
  readonly #byHash = new Map<string, PublicKeys>()
  #attempt = ''

  take(message: Uint8Array, l: Liar): void {
    if (this.#attempt !== l.attempt && l.cohort.length === 0) {
      this.#byHash.clear()
      this.#attempt = l.attempt
    }
    const raw = openEnvelope(message)
    if (!raw.ok || raw.value.type !== 'keys' || this.#byHash.size > 1_000) return
    const body = decode(raw.value.body, BODIES.keys)
    if (body.ok) this.#byHash.set(sha256(message).join(), body.value)
  }

  keysOf(opened: RoundOpened): Map<MemberId, PublicKeys> | undefined {
    const out = new Map<MemberId, PublicKeys>()
    for (const { member, keys } of opened.cohort) {
      const body = this.#byHash.get(keys.join())
      if (!body) return undefined
      out.set(member, body)
    }
    return out
  }
}

/**
 * Each share opens to its digest, but half of the members hold points of one polynomial and half of another: no
 * threshold of shares that mixes them gives the secret.
 */
function twoPolynomials(coalition: Coalition, known: Announced): Lie {
  const dealt = eachAttempt((l): OwnShares | undefined => {
    const { phase } = l.peer.state
    const seed = coalition.seeds.get(l.self)
    if (!('opened' in phase) || !seed) return undefined
    const keys = known.keysOf(phase.opened)
    if (!keys) return undefined
    const cohort = l.cohort
    const { round, attempt, task } = phase.opened
    const { charter } = l.config
    const threshold = quorum(cohort.length, charter.maliciousMax)
    const audits = isAuditable(charter, task)
    const levels = levelsAbove(layoutFor(charter, task, cohort.length, round))
    const context: CohortContext = {
      round,
      attempt,
      opened: phase.openedHash,
      cohort,
      keys,
      threshold,
      audits,
      levels,
    }
    // Both secrets are as announced; only what they are shared with is drawn anew.
    return dealShares(context, l.self, { ...attemptKeys(seed), seed: sha256(seed) })
  })
  const isSecond = (l: Liar, to: MemberId) =>
    !coalition.includes(to) && coalition.half(`poly ${l.attempt}`, to) === 1
  return (said, l) => {
    if (said.type !== 'offer' && said.type !== 'sealed') return undefined
    const second = l.cohort.length > 0 ? dealt(l) : undefined
    if (!second) return undefined
    if (said.type === 'sealed') {
      const body = said.to !== undefined && isSecond(l, said.to) ? second.sealed.get(said.to) : undefined
      return body && [{ bytes: l.says('sealed', body) }]
    }
    const first = said.body as Body<'offer'>
    const each = first.digests.length / l.cohort.length
    const digests = l.cohort.map((m, i) =>
      (isSecond(l, m) ? second.offer : first).digests.subarray(each * i, each * (i + 1)),
    )
    return [{ bytes: l.says('offer', { ...first, digests: concatBytes(...digests) }) }]
  }
}

/**
 * Keeps its shares from some honest members, the same as its fellows or others than they: mostly so few that no dealer is
 * shown to be at fault. In some attempts it gives no input either, or has no share to reveal.
 */
export function withholdsShares(coalition: Coalition, random: Random): Tactic {
  const plan = eachAttempt(l => {
    const alike = coalition.random(`withheld ${l.attempt}`)
    const f = Math.max(1, l.config.charter.maliciousMax)
    const count = alike.chance(0.7) ? 1 + alike.below(f) : 1 + alike.below(coalition.honest.length)
    const order = coalition.shuffled(`withheld ${l.attempt}`, coalition.honest)
    const from = alike.chance(0.5) ? 0 : f * coalition.members.indexOf(l.self)
    const of = [...order, ...order].slice(from % order.length).slice(0, count)
    const keeps = ['offer', 'input', 'reveal', '', '', ''][random.below(6)]!
    return { of, keeps }
  })
  return {
    lie: (said, l) => {
      const { of, keeps } = plan(l)
      if (said.type === keeps) return []
      return said.type === 'sealed' && of.includes(said.to!) ? [] : undefined
    },
  }
}
