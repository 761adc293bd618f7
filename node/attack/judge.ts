/**
 * What an attack reached, against what somebody without the update reaches, and the verdict. Two comparisons, as either alone
 * can be deceived: a guess from the prior (an attack that knows nothing may still be nearer to people than it, or further), and
 * strangers (what was reconstructed is held against people who gave nothing: if it is no nearer to its own person than to
 * them, it tells nothing of that person).
 */

/** Of a table an input that is so near, in standard deviations, counts as known (the measure of TabLeak, Vero et al. 2023). */
export const TOLERANCE = 0.1
/** dB above which an image counts as reconstructed. */
export const PSNR_MIN = 20
/** Mean share of a table's inputs that a control must know. */
export const KNOWN_MIN = 0.5
/** Share above which a patient counts as reconstructed; of half of the inputs, many yes or no, strangers have as many in common. */
export const PATIENT_MIN = 0.9
/** Above this many standard errors an attack beats the guess from the prior. */
export const GUESS_ERRORS = 2
/**
 * The same for strangers. Where a target tells nothing the difference is pure chance, in a dozen rows of a table: with 2 every fourth seed
 * would accuse somebody, with 3.5 one in three hundred.
 */
export const STRANGER_ERRORS = 3.5

export interface Figure {
  readonly mean: number
  readonly standardError: number
}

/** Of the nearest pair of a candidate and a person. */
export interface Match {
  /** Root of the mean squared difference over inputs: standard deviations of a table's, ink of an image's. */
  readonly error: number
  /** Share of inputs within TOLERANCE. */
  readonly known: number
}

/** One trial: the attack on its own persons, the guess on them, the attack held against strangers. */
export interface Trial {
  readonly attack: Match
  readonly guess: Match
  readonly strangers: Match
}

/**
 * What a row must show. `tells nothing`: beats neither the guess nor is nearer to its own persons than to strangers, as of something
 * independent of them. `no better than the prior`: does not beat the guess; noise makes a trace small, not nothing.
 */
export type Limit = 'succeeds' | 'tells nothing' | 'no better than the prior' | 'none'

export interface InversionRow {
  readonly subject: string
  readonly kind: 'table' | 'image'
  readonly target: string
  readonly attack: string
  readonly trials: number
  readonly error: Figure
  readonly guess: Figure
  readonly strangers: Figure
  /** Error of the guess, and against strangers, less that of the attack; positive: the attack knows something. */
  readonly overGuess: Figure
  readonly overStrangers: Figure
  /** Share of inputs within TOLERANCE, and of strangers' inputs: so many are chance. */
  readonly known: Figure
  readonly strangersKnown: Figure
  /** Mean peak signal to noise ratio of images, dB; at most 100. */
  readonly psnr: number | undefined
  /** Share of trials in which a person was reconstructed: PSNR_MIN, or PATIENT_MIN of the inputs. */
  readonly reconstructed: number
  /** The same of strangers: so often it is chance. */
  readonly strangersReconstructed: number
  readonly found: Found
  readonly limit: Limit
  readonly isKept: boolean
}

/** What an attack found: whole persons more often than by chance, something of them, or nothing that shows. */
export type Found = 'persons' | 'a trace' | 'nothing'

type Measured = Omit<InversionRow, 'found' | 'isKept'>

export function figureOf(xs: readonly number[]): Figure {
  const mean = xs.reduce((a, x) => a + x, 0) / xs.length
  const variance = xs.reduce((a, x) => a + (x - mean) ** 2, 0) / Math.max(1, xs.length - 1)
  return { mean, standardError: Math.sqrt(variance / xs.length) }
}

export function nearest(candidates: readonly Float32Array[], persons: readonly Float32Array[]): Match {
  let best: Match = { error: Number.POSITIVE_INFINITY, known: 0 }
  for (const candidate of candidates) {
    for (const person of persons) {
      const match = compare(candidate, person)
      if (match.error < best.error) best = match
    }
  }
  return best
}

function compare(candidate: Float32Array, person: Float32Array): Match {
  let squares = 0
  let known = 0
  for (let i = 0; i < person.length; i++) {
    const off = Math.abs(candidate[i]! - person[i]!)
    squares += off * off
    if (off <= TOLERANCE) known++
  }
  return { error: Math.sqrt(squares / person.length), known: known / person.length }
}

/** Of images, whose ink is between 0 and 1. */
export function psnrOf(error: number): number {
  return Math.min(100, -20 * Math.log10(error))
}

type Of = Pick<InversionRow, 'subject' | 'kind' | 'target' | 'attack' | 'limit'>

export function rowOf(of: Of, trials: readonly Trial[]): InversionRow {
  const isImage = of.kind === 'image'
  const mean = (xs: readonly number[]) => figureOf(xs).mean
  const isPerson = ({ error, known }: Match) =>
    Number(isImage ? psnrOf(error) > PSNR_MIN : known > PATIENT_MIN)
  const row = {
    ...of,
    trials: trials.length,
    error: figureOf(trials.map(t => t.attack.error)),
    guess: figureOf(trials.map(t => t.guess.error)),
    strangers: figureOf(trials.map(t => t.strangers.error)),
    overGuess: figureOf(trials.map(t => t.guess.error - t.attack.error)),
    overStrangers: figureOf(trials.map(t => t.strangers.error - t.attack.error)),
    known: figureOf(trials.map(t => t.attack.known)),
    strangersKnown: figureOf(trials.map(t => t.strangers.known)),
    psnr: isImage ? mean(trials.map(t => psnrOf(t.attack.error))) : undefined,
    reconstructed: mean(trials.map(t => isPerson(t.attack))),
    strangersReconstructed: mean(trials.map(t => isPerson(t.strangers))),
  }
  return { ...row, found: foundBy(row), isKept: isKept(row) }
}

function isKept(row: Measured): boolean {
  const { overGuess, overStrangers, psnr, known } = row
  switch (row.limit) {
    case 'succeeds':
      return psnr === undefined ? known.mean > KNOWN_MIN : psnr > PSNR_MIN
    case 'tells nothing':
      return isWithin(overGuess, GUESS_ERRORS) && isWithin(overStrangers, STRANGER_ERRORS)
    case 'no better than the prior':
      return isWithin(overGuess, GUESS_ERRORS)
    case 'none':
      return true
  }
}

/** Of few inputs strangers have all in common by chance: then whole persons count only where there is a trace. */
function foundBy(row: Measured): Found {
  const { reconstructed, strangersReconstructed: byChance, trials, overGuess, overStrangers } = row
  const isTrace = !isWithin(overGuess, GUESS_ERRORS) || !isWithin(overStrangers, STRANGER_ERRORS)
  const isMore = reconstructed > byChance + GUESS_ERRORS * Math.sqrt((byChance * (1 - byChance)) / trials)
  if (isMore && (isTrace || byChance === 0)) return 'persons'
  return isTrace ? 'a trace' : 'nothing'
}

/** Not positive, as far as so many standard errors can tell. */
function isWithin({ mean, standardError }: Figure, errors: number): boolean {
  return mean <= errors * standardError
}
