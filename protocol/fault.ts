/**
 * The one table of faults (SPEC F1): what a peer can do wrong, and what the network does about it.
 * `ignore`: not forwarded, costs nothing (late, repeated, not yet understood). `reject`: no honest peer sends this.
 */
export const FAULTS = {
  malformed: { verdict: 'reject', says: 'not a message of this protocol version, or over a bound' },
  badSignature: { verdict: 'reject', says: "the signature is not the named member's" },
  notMember: { verdict: 'reject', says: 'names a member that the charter does not know' },
  wrongNetwork: { verdict: 'reject', says: 'is of another study' },
  wrongChannel: { verdict: 'reject', says: 'a kind of message that does not come this way' },
  equivocation: { verdict: 'reject', says: 'two different signed messages for one slot' },
  invalidProposal: { verdict: 'reject', says: 'proposes an entry that can never be valid' },
  notProposer: { verdict: 'reject', says: 'proposes out of turn' },
  badCertificate: { verdict: 'reject', says: 'a certificate that does not hold' },
  badShare: { verdict: 'reject', says: 'a share that is not the one its owner committed to' },
  badShard: { verdict: 'reject', says: 'a shard that is not the one committed to' },
  badTag: { verdict: 'reject', says: "a tag that is not its slice's" },
  badSum: { verdict: 'reject', says: "a shard sum that is not the sum of the survivors' slices" },
  badModel: { verdict: 'reject', says: 'a model that is not the certified one' },
  unshared: { verdict: 'ignore', says: 'dealt no shares in time, as more than f members say' },
  withheld: {
    verdict: 'ignore',
    says: 'signed that it holds slices, and gave no sum of them in time; its line may have been down',
  },
  stale: { verdict: 'ignore', says: 'of a height, round or attempt that is over' },
  early: { verdict: 'ignore', says: 'further ahead than the bound' },
  duplicate: { verdict: 'ignore', says: 'already known' },
  overQuota: { verdict: 'ignore', says: 'more than a peer may send' },
} as const satisfies Record<string, { verdict: 'ignore' | 'reject'; says: string }>

export type FaultCode = keyof typeof FAULTS

export interface Fault {
  readonly code: FaultCode
  /** Our own words on what and where; never bytes of the message. */
  readonly detail: string
}

export function fault(code: FaultCode, detail: string): Fault {
  return { code, detail }
}

export function verdictOf(f: Fault): 'ignore' | 'reject' {
  return FAULTS[f.code].verdict
}
