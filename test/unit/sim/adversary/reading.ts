/** What liars said in a run, as tests ask for it. */

import type { Behaviour } from '../../../../config/scenario.ts'
import { parseConsensus } from '../../../../protocol/consensus/message.ts'
import { decodeEntry, type Body as EntryBody } from '../../../../protocol/ledger/entry.ts'
import type { MemberId } from '../../../../protocol/ports.ts'
import { decode } from '../../../../protocol/wire/codec.ts'
import { openEnvelope } from '../../../../protocol/wire/envelope.ts'
import { BODIES, type Body, type BodyType } from '../../../../protocol/wire/messages.ts'
import { type HostileOptions, type HostileRun, hostileRun, type SaidBy } from '../../../support/hostile.ts'

/** A study of two training rounds in which the members `liars` behave so; the others are honest. */
export function studyWith(
  behaviour: Behaviour,
  o: { n?: 4 | 7; seed?: number; shards?: boolean; rounds?: number } & Partial<HostileOptions> = {},
): HostileRun {
  const { n = 4, seed = 1, shards = false, rounds = 2, ...rest } = o
  const f = n === 4 ? 1 : 2
  const adversaries = new Map(liarsOf(n, seed).map(i => [i, behaviour]))
  return hostileRun({ n, f, rounds, seed, gossipBytesMax: shards ? 0 : 32_768, adversaries, ...rest })
}

/** Indices of the liars of a study, f of them. */
export function liarsOf(n: 4 | 7, seed: number): number[] {
  return n === 4 ? [(seed + 2) % 4] : [(seed + 2) % 7, (seed + 3) % 7]
}

export interface Read<T> extends SaidBy {
  /** Whose words they are, or are made to look. */
  readonly author: MemberId
  readonly body: T
}

/** All well-formed messages of a type that left the liars. */
export function saidOf<T extends BodyType>(r: HostileRun, type: T): Read<Body<T>>[] {
  return r.said.flatMap(s => {
    const raw = openEnvelope(s.bytes)
    if (!raw.ok || raw.value.type !== type) return []
    const body = decode<Body<T>>(raw.value.body, BODIES[type] as never)
    return body.ok ? [{ ...s, author: raw.value.from, body: body.value }] : []
  })
}

export function consensusOf(r: HostileRun) {
  return r.said.flatMap(s => {
    const raw = openEnvelope(s.bytes)
    const parsed = raw.ok ? parseConsensus(raw.value) : raw
    return parsed.ok ? [{ ...s, message: parsed.value }] : []
  })
}

/** Bodies of the entries that were proposed, by `height/view` and their recipient ('' where published). */
export function proposedOf(
  r: HostileRun,
): { slot: string; to: MemberId; by: MemberId; body: EntryBody; value: string }[] {
  return consensusOf(r).flatMap(({ message: m, to }) => {
    if (m.type !== 'proposal') return []
    const entry = decodeEntry(m.value)
    const slot = `${m.height}/${m.view}`
    return entry.ok ? [{ slot, to: to ?? '', by: m.from, body: entry.value.body, value: m.id.join() }] : []
  })
}

/** Number of different things in each group. */
export function variety<T>(
  list: readonly T[],
  groupOf: (x: T) => string,
  differBy: (x: T) => string,
): Map<string, Set<string>> {
  const out = new Map<string, Set<string>>()
  for (const x of list) {
    const values = out.get(groupOf(x)) ?? new Set<string>()
    out.set(groupOf(x), values.add(differBy(x)))
  }
  return out
}

/** What is wrong in a run beside honest members that were kept out of a sum. */
export function wrongIn(r: HostileRun): string[] {
  return r.problems.filter(p => !/names the honest \S+: (silent|undelivered|absent|unshared)$/.test(p))
}
