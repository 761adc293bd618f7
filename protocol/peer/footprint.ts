/** How much of what others send a peer keeps: for whoever checks that all of it is bounded (SPEC M5). Numbers only. */
import type { Books } from './books.ts'

export interface Footprint {
  /** Kept for later steps, of the author of whom most is kept. */
  readonly futureMessages: number
  readonly futureBytes: number
  /** Messages of this attempt, keys of them that were announced twice, direct ones taken in, direct ones to be sent again. */
  readonly known: number
  readonly announced: number
  readonly seen: number
  readonly direct: number
  /** Messages of this height's consensus. */
  readonly heard: number
  /** Slices, sums and models that are being fetched; second inputs; claims, and sums given for them; faults found. */
  readonly transfers: number
  readonly versions: number
  readonly claims: number
  readonly given: number
  readonly findings: number
  /** Local work that has not ended. */
  readonly jobs: number
}

export function footprint(b: Books): Footprint {
  const a = b.attempt
  const o = a?.opening
  const inAll = (maps: Iterable<{ readonly size: number }> | undefined) =>
    [...(maps ?? [])].reduce((n, m) => n + m.size, 0)
  return {
    futureMessages: b.future.fullest.messages,
    futureBytes: b.future.fullest.bytes,
    known: b.known.size,
    announced: b.join.kept,
    seen: b.sync.seen,
    direct: b.sync.direct,
    heard: b.consensus.messages().length,
    transfers: (a?.transfers.size ?? 0) + b.models.size,
    versions: [...(a?.versions.values() ?? [])].reduce((n, v) => n + v.length, 0),
    claims: inAll(o?.claims.values()),
    given: o?.given.size ?? 0,
    findings: (a?.findings.length ?? 0) + b.charges.length,
    jobs: b.effects.jobs,
  }
}
