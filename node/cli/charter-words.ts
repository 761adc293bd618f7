/** A charter for people who are to sign it. */
import {
  type Charter,
  type CharterDraft,
  parameterCount,
  quorum,
  survivorsFloor,
} from '../../config/charter.ts'
import { LANE_MAX, lanesOf } from '../../config/lanes.ts'
import {
  committeeCount,
  committeeLargest,
  drawnTail,
  exposure,
  roundFailure,
  studyFailure,
} from '../../config/tail.ts'
import { privacyInWords } from '../privacy.ts'

/** `keyids`: whose signatures are there, unchecked. */
export function describeCharter(charter: Charter | CharterDraft, keyids: readonly string[]): string[] {
  const { study, members, training: t, secureSum: s, maliciousMax: f } = charter
  const n = members.length
  const signed = (key: string | undefined) =>
    key !== undefined && keyids.includes(key) ? ' (signature there)' : ''
  const features = charter.data.features.map(feature => {
    if (feature.type === 'number')
      return `${feature.name} (${feature.unit}, ${feature.min} to ${feature.max})`
    return feature.type === 'boolean'
      ? `${feature.name} (0 or 1)`
      : `${feature.name} (${feature.values.join(', ')})`
  })
  return [
    `${study.title}`,
    `  study ${study.id}, charter version ${charter.version}, valid ${study.validFrom} to ${study.validUntil}`,
    `  purpose: ${study.purpose.trim()}`,
    `  legal basis: ${study.legalBasis.trim()}`,
    `  agreement: ${study.agreement.title} (SHA-256 ${study.agreement.sha256})`,
    '',
    `Members (${n}; ${charter.threshold} signatures put the charter in force)`,
    ...members.map(
      m => `  ${m.id}: ${m.name}, ${m.addresses?.join(' ') ?? 'address open'}${signed(m.publicKey)}`,
    ),
    ...(charter.committees
      ? describeCommittees(charter, charter.committees)
      : [`  up to ${f} may be malicious; a decision needs ${quorum(n, f)} of ${n}`]),
    '',
    `Data: ${features.join('; ')}`,
    `  label ${charter.data.label.name}: ${charter.data.label.description}`,
    '',
    `Model: ${parameterCount(charter as Charter)} parameters in ${charter.model.weights.length} weights`,
    `Training: ${t.rounds} rounds of ${t.localUpdates} updates of ${t.batchSize} rows, ${t.optimizer}, learning rate ${t.learningRate}`,
    `  a hospital's update is clipped to norm ${t.clipNorm}, weighted by ${t.weighting}`,
    `Secure sum: opened for at least ${s.survivorsMin} survivors; inputs within ${s.inputDeadlineMs} ms`,
    ...(s.compression ? [describeCompression(n, s.compression)] : []),
    ...privacyInWords(charter as Charter),
    ...describeContribution(charter),
    `Export of the model: ${charter.export.model}`,
  ]
}

/** What of hospitals' contributions will be seen, and by whom it could be misused. */
function describeContribution(charter: Charter | CharterDraft): string[] {
  const { contribution, maliciousMax: f } = charter
  if (!contribution) return ['Contribution: not looked at; who gives nothing is not noticed']
  const { oneIn, groupSize } = contribution.audit
  const least = survivorsFloor(charter)
  const rounds =
    oneIn === 1
      ? 'each training round'
      : `about one in ${oneIn} training rounds, drawn when the inputs are fixed,`
  const { unit } = charter.privacy
  return [
    `Contribution: of ${rounds} the sums of groups of ${groupSize} or more, drawn by lot, are opened to all members`,
    `  a group has fewer than two honest hospitals with probability ${probability(exposure(least, f, groupSize))} at most; then one's update is open to ${f} that collude`,
    ...(unit === 'none'
      ? [
          "  over some ten audits every member can work out each hospital's mean update; how many rows each trains on is told to all",
        ]
      : []),
  ]
}

/** How coarse the updates are: a step is the smallest change of one hospital that the sum can show. */
function describeCompression(
  n: number,
  compression: NonNullable<Charter['secureSum']['compression']>,
): string {
  const { bitsPerValue, rotation, oneIn, rank } = compression
  const steps = Math.floor(LANE_MAX[lanesOf({ compression })] / n)
  const first = rotation ? 'rotated, then ' : ''
  const some = oneIn ? `; one in ${oneIn} is summed each round, the rest is kept for later ones` : ''
  const factors = rank
    ? `; of each matrix a factor of rank ${rank} is summed each round, the rest is kept for later ones`
    : ''
  return `  ${bitsPerValue} bits for each value of an update: ${first}rounded by chance to one of ${2 * steps + 1} steps${some}${factors}`
}

/** Who decides where not all do, and how sure it is that a lot draws good ones. */
function describeCommittees(
  charter: Charter | CharterDraft,
  { size, maliciousMax }: NonNullable<Charter['committees']>,
): string[] {
  const n = charter.members.length
  const f = charter.maliciousMax
  const largest = committeeLargest(n, size)
  const sizes = largest === size ? `${size}` : `${Math.floor(n / committeeCount(n, size))} to ${largest}`
  const more = `more than ${maliciousMax} malicious members`
  return [
    `  up to ${f} may be malicious`,
    `Committees: each round ${committeeCount(n, size)} of ${sizes} members by lot, and one of ${largest} that decides`,
    `  up to ${maliciousMax} of one may be malicious; its decision needs ${quorum(largest, maliciousMax)} of ${largest}`,
    `  one drawn committee has ${more} with probability ${probability(drawnTail(n, f, largest, maliciousMax))}`,
    `  any committee of a round: at most ${probability(roundFailure(n, f, size, maliciousMax))}; of the whole study: at most ${probability(studyFailure(charter, { size, maliciousMax }))}`,
  ]
}

function probability(p: number): string {
  return p === 0 ? '0' : p.toPrecision(2)
}
