/** Whether the bandwidth that a hospital gives is enough for the charter's deadlines. */
import type { Charter } from '../config/charter.ts'
import { MedmeshError } from '../config/error.ts'
import { committeeLargest } from '../config/tail.ts'
import { WINDOW_PARTS } from '../protocol/round/transfers.ts'
import { layoutFor, vectorLength } from '../protocol/sum/layout.ts'
import { PART_BYTES } from '../protocol/wire/limits.ts'
import { formatBytes, formatDuration } from './cli/format.ts'
import type { BandwidthMax } from './net/options.ts'

/** Deadlines grow with each attempt of a round, up to so many times the charter's (SPEC S9). */
const PATIENCE_MAX = 8

/**
 * What to warn of: a bound at which the vectors of a round of training take longer than a deadline, whatever else goes, or
 * a member's window of parts longer than the others wait before they think this hospital silent.
 * Throws MedmeshError NODE_BANDWIDTH where even the longest deadline is too short.
 */
export function bandwidthWarnings(charter: Charter, bandwidth: BandwidthMax): string[] {
  const { secureSum, members, committees } = charter
  const { maliciousMax } = committees ?? charter
  const cohort = committees ? committeeLargest(members.length, committees.size) : members.length
  const lengths = [1, 2].map(round => vectorLength(layoutFor(charter, 'train', members.length, round)))
  const vector = 4 * Math.max(...lengths)
  if (vector <= secureSum.gossipBytesMax) return []
  // Slices before the one deadline and sums before the other: as many come as go.
  const slice = vector / cohort
  const bytes = slice * (cohort - 1)
  const inFlight = Math.min(slice, WINDOW_PARTS * PART_BYTES) * (cohort - 1)
  const silentMs = Math.min(
    secureSum.inputDeadlineMs / (maliciousMax + 3),
    secureSum.openDeadlineMs / (2 * (maliciousMax + 2)),
  )
  const LATE = {
    inputDeadlineMs: 'its input comes too late to count, training not reckoned',
    openDeadlineMs: 'sums come late',
  } as const
  const warnings: string[] = []
  for (const way of ['uploadMbps', 'downloadMbps'] as const) {
    const mbps = bandwidth[way]
    if (mbps === undefined) continue
    const msOf = (n: number) => n / (mbps * 125)
    const takes = `bandwidthMax.${way} of ${mbps}: ${formatBytes(bytes)} of vectors take ${formatDuration(msOf(bytes))}`
    const before = warnings.length
    for (const deadline of ['inputDeadlineMs', 'openDeadlineMs'] as const) {
      const allowed = secureSum[deadline]
      if (msOf(bytes) > PATIENCE_MAX * allowed) {
        throw new MedmeshError(
          'NODE_BANDWIDTH',
          `${takes}; the charter's ${deadline} of ${formatDuration(allowed)} never allows more than ${formatDuration(PATIENCE_MAX * allowed)}`,
          'raise the bound in node.yaml; or have the charter amended: a longer deadline, a smaller model',
        )
      }
      if (msOf(bytes) > allowed) {
        warnings.push(
          `${takes}, longer than the charter's ${deadline} of ${formatDuration(allowed)}: ${LATE[deadline]}`,
        )
      }
    }
    if (warnings.length === before && msOf(inFlight) > silentMs) {
      warnings.push(
        `bandwidthMax.${way} of ${mbps}: the ${formatBytes(inFlight)} that are asked for at once take ${formatDuration(msOf(inFlight))}; after ${formatDuration(silentMs)} a member counts as silent, and the same is asked for again`,
      )
    }
  }
  return warnings
}
