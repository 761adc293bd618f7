/** Durable records of an attempt: what a restarted peer must know to say nothing else than it has said (SPEC M3). */

/** All are forgotten when the attempt is over. */
export const RECORDS = {
  seed: 'attempt/seed',
  shares: 'attempt/shares',
  input: 'attempt/input',
  masked: 'attempt/masked',
  held: 'attempt/held',
  reveal: 'attempt/reveal',
  /** What the round gives, from the vote for it on. */
  outcome: 'attempt/outcome',
} as const
