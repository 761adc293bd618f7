/** Words out of place: said again later, malformed, and more of them than anybody needs. */

import { fromHex } from '../../../protocol/bytes.ts'
import { proposalBody, voteBody } from '../../../protocol/consensus/message.ts'
import { proposerAt } from '../../../protocol/consensus/tendermint.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import type { Millis } from '../../../protocol/ports.ts'
import { encode } from '../../../protocol/wire/codec.ts'
import { openEnvelope, sealEnvelope } from '../../../protocol/wire/envelope.ts'
import { ENTRY_BYTES_MAX, PARTS_MAX, VIEWS_AHEAD_MAX } from '../../../protocol/wire/limits.ts'
import { BODIES, type Body, GOSSIP_TYPES, type GossipType } from '../../../protocol/wire/messages.ts'
import type { Random } from '../../random.ts'
import type { Coalition } from '../coalition.ts'
import type { Liar, Lie, Says, Tactic } from '../liar.ts'
import { type Forger, forged } from '../mutate.ts'
import { eachAttempt, oneOf, together } from './common.ts'

/** Speaks at most so often, so that noise costs its hearers and not the whole simulation. */
class Pace {
  #next: Millis = 0
  readonly #ms: Millis

  constructor(ms: Millis) {
    this.#ms = ms
  }

  /** Whether it is time; then it is not again for a while. */
  due(now: Millis, random: Random): boolean {
    if (now < this.#next) return false
    this.#next = now + this.#ms * (0.5 + random.unit())
    return true
  }
}

/** To everybody, or over a stream to one. */
function somehow(bytes: Uint8Array, l: Liar, random: Random): Says {
  return random.chance(0.5) ? { bytes } : { to: oneOf(random, l.others), bytes }
}

/** Messages of each kind of its own earlier attempts. */
const OLD_MAX = 64

/** Says again what it, its fellows and others said in earlier attempts, as it was, or under the present attempt's name. */
export function replays(coalition: Coalition, random: Random): Tactic {
  const old: Uint8Array[] = []
  const pace = new Pace(150)
  return together(
    { lie: renamed(random) },
    {
      leaves: (effect, l) => {
        if (!('bytes' in effect)) return undefined
        const raw = openEnvelope(effect.bytes)
        if (raw.ok && raw.value.from === l.self && raw.value.type !== 'status') {
          old.push(effect.bytes)
          if (old.length > OLD_MAX) old.splice(random.below(OLD_MAX), 1)
        }
        return undefined
      },
      besides: (_input, l) => {
        if (!pace.due(l.now, random)) return []
        const says: Says[] = []
        for (let i = 1 + random.below(4); i > 0; i--) {
          const pool = random.chance(0.5) ? old : coalition.heard.map(h => h.bytes)
          if (pool.length > 0) says.push(somehow(oneOf(random, pool), l, random))
        }
        return says
      },
    },
  )
}

/** What it said in an earlier attempt, in the name of the present one. */
function renamed(random: Random): Lie {
  const before = new Map<GossipType, { readonly attempt: string; readonly body: Record<string, unknown> }>()
  const last = new Map<GossipType, { readonly attempt: string; readonly body: Record<string, unknown> }>()
  const chosen = eachAttempt(() => (random.chance(0.5) ? oneOf(random, GOSSIP_TYPES) : undefined))
  return (said, l) => {
    if (!(GOSSIP_TYPES as readonly string[]).includes(said.type)) return undefined
    const type = said.type as GossipType
    const body = said.body as Record<string, unknown>
    const latest = last.get(type)
    if (latest && latest.attempt !== l.attempt) before.set(type, latest)
    if (latest?.attempt !== l.attempt) last.set(type, { attempt: l.attempt, body })
    const earlier = before.get(type)
    if (chosen(l) !== type || !earlier) return undefined
    const { round, attempt } = body
    const place = Object.fromEntries(
      ['head', 'opened', 'fixed'].filter(k => k in body).map(k => [k, body[k]]),
    )
    const again = { ...earlier.body, round, attempt, ...place } as Body<GossipType>
    return [{ bytes: l.says(type, again) }]
  }
}

/** Malformed messages of every kind, in its own name and in others'. */
export function garbles(coalition: Coalition, random: Random): Tactic {
  const pace = new Pace(120)
  return {
    besides: (_input, l) => {
      if (!pace.due(l.now, random)) return []
      const says: Says[] = []
      for (let i = 1 + random.below(4); i > 0; i--)
        says.push(somehow(garbage(coalition, l, random), l, random))
      return says
    },
  }
}

/** One malformed message; never empty. */
export function garbage(coalition: Coalition, l: Liar, random: Random): Uint8Array {
  const heard = coalition.heard.length > 0 ? oneOf(random, coalition.heard).bytes : undefined
  const { network, self, seed } = l.config
  const raw = heard && openEnvelope(heard)
  switch (random.below(10)) {
    case 0:
      return random.bytes(1 + random.below(300))
    case 1:
      return Uint8Array.of(0x9b, 0, 0, 0, 1, 0, 0, 0, 0, ...random.bytes(8))
    case 2:
      return new Uint8Array(1 + random.below(2_000)).fill(0x81)
    case 3:
      return encode([2, 'keys', self, random.bytes(40), new Uint8Array(64)])
    case 4:
      return sealEnvelope({ network, type: 'noSuchType', from: self, seed }, random.bytes(20))
    case 5:
      return sealEnvelope(
        { network: sha256(network), type: 'keys', from: self, seed },
        raw?.ok ? raw.value.body : random.bytes(20),
      )
    case 6:
      return raw?.ok
        ? encode([1, raw.value.type, 'who-is-this', raw.value.body, raw.value.sig])
        : random.bytes(99)
    case 7:
      return raw?.ok
        ? sealEnvelope(
            { network, type: oneOf(random, Object.keys(BODIES)), from: self, seed },
            raw.value.body,
          )
        : random.bytes(7)
    default: {
      const by: Forger = {
        network,
        authors: coalition.members.map(id => ({ id, seed: coalition.configOf(id).seed })),
        names: l.config.charter.members.map(m => m.id),
      }
      const out = heard ? forged(heard, by, random) : random.bytes(50)
      return out.length > 0 ? out : Uint8Array.of(0)
    }
  }
}

/** As much as bounds allow, and more: once in each attempt all of it, and a handful in between. */
export function floods(random: Random): Tactic {
  const pace = new Pace(1_500)
  const full = eachAttempt(() => ({ done: false }))
  return {
    besides: (_input, l) => {
      if (!pace.due(l.now, random)) return []
      const first = !full(l).done && random.chance(0.5)
      if (first) full(l).done = true
      const all = [
        ...views(l, random),
        ...laterAttempts(l, random),
        ...replaced(l, random),
        ...questions(l, random),
      ]
      const some = first ? all : all.filter(() => random.chance(0.1))
      return some.map(s =>
        s.to === undefined && random.chance(0.3) ? { ...s, to: oneOf(random, l.others) } : s,
      )
    },
  }
}

/** Votes and proposals of views that nobody has reached, up to and beyond the bound. */
function* views(l: Liar, random: Random): Iterable<Says> {
  const { state } = l.peer
  const height = state.height + 1
  for (let view = 0; view <= VIEWS_AHEAD_MAX + 2; view++) {
    const id = random.bytes(32)
    yield { bytes: l.signs('prevote', voteBody(height, view, id)) }
    yield { bytes: l.signs('precommit', voteBody(height, view, random.chance(0.5) ? null : id)) }
    if (proposerAt(state.voters, height, view) === l.self) {
      const value = random.bytes(random.chance(0.1) ? ENTRY_BYTES_MAX : 200)
      yield { bytes: l.signs('proposal', proposalBody(height, view, -1, value)) }
    }
  }
  for (let ahead = 1; ahead <= 4; ahead++) {
    yield { bytes: l.signs('prevote', voteBody(height + ahead, 0, random.bytes(32))) }
  }
  yield { bytes: l.signs('precommit', voteBody(4_294_967_295, 4_294_967_295, random.bytes(32))) }
}

/** Messages of attempts and rounds to come: more than are kept for one author. */
function* laterAttempts(l: Liar, random: Random): Iterable<Says> {
  const [round, attempt] = attemptOf(l)
  for (let i = 0; i < 52; i++) {
    const next = random.chance(0.5)
      ? { round, attempt: attempt + 1 + i }
      : { round: round + 1 + i, attempt: 0 }
    const body: Body<'input'> = {
      ...next,
      opened: random.bytes(32),
      offers: random.bytes(32),
      hashes: random.bytes(32),
      data: new Uint8Array(i === 0 ? 40_000 : 0),
    }
    yield { bytes: l.says('input', body) }
  }
}

/** Receipts and complaints, each another one, which may be replaced without end. */
function* replaced(l: Liar, random: Random): Iterable<Says> {
  const { phase } = l.peer.state
  if (!('opened' in phase)) return
  const [round, attempt] = attemptOf(l)
  const n = l.cohort.length
  const bits = () => {
    const out = random.bytes(Math.ceil(n / 8))
    if (n % 8 !== 0) out[out.length - 1]! &= (1 << (n % 8)) - 1
    return out
  }
  for (let i = 0; i < 20; i++) {
    const head = { round, attempt, opened: phase.openedHash }
    yield { bytes: l.says('complaint', { ...head, missing: bits() }) }
    yield {
      bytes: l.says('receipt', { ...head, roots: random.bytes(16 * n), held: [{ shard: 0, from: bits() }] }),
    }
  }
}

/** Questions that take an answer. */
function* questions(l: Liar, random: Random): Iterable<Says> {
  const { phase, height, modelHash } = l.peer.state
  for (let i = 0; i < 8; i++) {
    const to = oneOf(random, l.others)
    const status = {
      height: random.below(height + 1),
      have: random.bytes(8 * random.below(4)),
      model: modelHash,
    }
    yield { to, bytes: l.says('status', status) }
    const model = { hash: modelHash, part: random.below(3) }
    yield { to, bytes: l.says('modelAsk', { ...model, parts: PARTS_MAX }) }
    yield { to, bytes: l.says('modelPart', { ...model, data: random.bytes(64) }) }
    if (!('opened' in phase)) continue
    const [round, attempt] = attemptOf(l)
    const hash = l.slices.size > 0 && random.chance(0.5) ? fromHex([...l.slices][0]!) : random.bytes(32)
    const what = { round, attempt, opened: phase.openedHash, hash, part: random.below(3) }
    yield { to, bytes: l.says('ask', { ...what, parts: PARTS_MAX }) }
    yield { to, bytes: l.says('part', { ...what, data: random.bytes(64) }) }
  }
}

function attemptOf(l: Liar): [round: number, attempt: number] {
  const [round, attempt] = l.attempt.split('/').map(Number)
  return [round ?? 0, attempt ?? 0]
}
