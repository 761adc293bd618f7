/** Who lies how: for each behaviour of a scenario the machine or the learner of a hospital that behaves so. */
import { BEHAVIOURS, type Behaviour } from '../../config/scenario.ts'
import { CommitteePeer } from '../../protocol/committees/peer.ts'
import type { PeerConfig } from '../../protocol/peer.ts'
import type { Machine } from '../../protocol/ports.ts'
import type { Learner } from '../host.ts'
import type { Random } from '../random.ts'
import type { Coalition } from './coalition.ts'
import * as learning from './learning.ts'
import { Liar, type Tactic } from './liar.ts'
import { accuses } from './tactics/accusations.ts'
import { eachAttempt, oneOf, together } from './tactics/common.ts'
import { anyOther, backsFellows, splitProposals, votesForAll } from './tactics/consensus.ts'
import { dealsWrong, withholdsShares } from './tactics/dealing.ts'
import { comesLate, givesTwo, scales } from './tactics/inputs.ts'
import { showsOthers } from './tactics/models.ts'
import { floods, garbles, replays } from './tactics/noise.ts'
import { receiptsWrong, revealsWrong, sumsWrong, tagsWrong } from './tactics/opening.ts'
import { isolates, vanishes } from './tactics/silence.ts'
import { twoSets } from './tactics/survivors.ts'

export interface Adversary {
  /** One sentence: what it does. */
  readonly does: string
  /** One sentence: which rule of SPEC stops it, or that none does. */
  readonly stoppedBy: string
  /**
   * The machine of one life of a member of the coalition; undefined: an honest one. `random` is its own, and goes on over
   * its lives.
   */
  readonly machine?: (config: PeerConfig, coalition: Coalition, random: Random) => Machine
  /** What stands in the place of its honest learner; undefined: the honest one. */
  readonly learner?: (honest: Learner, random: Random) => Learner
}

type MakeTactic = (coalition: Coalition, random: Random) => Tactic
type MakeLearner = (honest: Learner, random: Random) => Learner

interface Part {
  readonly does: string
  readonly stoppedBy: string
  readonly tactic?: MakeTactic
  readonly learner?: MakeLearner
}

const PARTS: Readonly<Record<Exclude<Behaviour, 'everything'>, Part>> = {
  equivocatingProposer: {
    does: 'Proposes two entries in one view, one to each half of the honest members; the coalition votes for both.',
    stoppedBy:
      'Two quorums meet in an honest member, who prevotes once a view (L2, C1); both proposals are passed on and name the proposer (W4, F3).',
    tactic: coalition => together(splitProposals(anyOther), backsFellows(coalition)),
  },
  equivocatingVoter: {
    does: 'Votes in every view for every entry that it hears of, to one half of the members, and nil to the other.',
    stoppedBy:
      'First votes count and others only once enough members back them; f such votes are too few beside the locked honest ones (C1, L2).',
    tactic: () => votesForAll(),
  },
  twoSurvivorSets: {
    does: 'Gives one input so late that some count it and some do not, and proposes and votes for both sets of survivors.',
    stoppedBy: 'One certified SurvivorsFixed at each attempt (L2, L6); reveals follow nothing else (S10).',
    tactic: twoSets,
  },
  wrongShares: {
    does: 'Deals seed shares that do not open, not to their digests, or not to one secret; or two offers, or unusable keys.',
    stoppedBy:
      'Digests in the offer, complaints of more than f, one hash over all offers in each input, and seeds that must fit what was announced (S3, S5, S9, S11).',
    tactic: dealsWrong,
  },
  withheldShares: {
    does: 'Sends no seed shares to some honest members, the same ones as its fellows or others, and at times no input or reveal.',
    stoppedBy:
      'More complaints than f exclude the dealer; of those in conflict one is in no later attempt of the round (S5, L6, L8).',
    tactic: withholdsShares,
  },
  wrongSum: {
    does: 'As an owner claims or sends a wrong shard sum, two or none; as a proposer it closes the round with another result.',
    stoppedBy:
      'Claims before the coin, tags that must add up, opened slices (S12, S13); each voter has computed the result itself (L7).',
    tactic: sumsWrong,
  },
  wrongTags: {
    does: 'Publishes wrong tags, two or none, of other claims, or such as cancel those of a fellow.',
    stoppedBy:
      'Where tags do not add up or are missing, slices are opened and show whose tag was wrong (S13).',
    tactic: tagsWrong,
  },
  lateInput: {
    does: 'Gives its input and slices about or after the deadline, or only when the survivors are fixed.',
    stoppedBy: 'Nobody waits beyond the deadline, and what is not in the entry is in no sum (L6, S9).',
    tactic: (_coalition, random) => comesLate(random),
  },
  replay: {
    does: 'Says again what was said in earlier attempts and rounds, by itself and by others, as it was or under a new name.',
    stoppedBy: 'Each message names its attempt and entry, each key the entry (W4, W5, S2, S15).',
    tactic: replays,
  },
  garbage: {
    does: 'Sends malformed messages of every kind: random, cut, mistyped, with huge lengths, other versions and names.',
    stoppedBy: 'One deterministic encoding with every length bounded, and a table of faults (W1, F1, M5).',
    tactic: garbles,
  },
  flood: {
    does: 'Says as much as bounds allow and more: views and attempts far ahead, receipts and complaints without end, questions.',
    stoppedBy: 'Everything is bounded for each author, and answers are paced (M5, W6).',
    tactic: (_coalition, random) => floods(random),
  },
  twoInputs: {
    does: 'Gives two masked inputs, each with the slices that fit it, to two halves of the members, or a second one at the end.',
    stoppedBy:
      'Who sent two before the survivors are fixed is not among them; after it the entry says which counts (S9, W4).',
    tactic: (_coalition, random) => givesTwo(random),
  },
  twoModels: {
    does: 'Shows each peer other heights, models, keys and entries: false statuses, unasked models, certificates that do not hold.',
    stoppedBy:
      'A model is taken by its certified hash alone, an entry by its certificate; the model is in every key (D1, L2, S2).',
    tactic: showsOthers,
  },
  eclipse: {
    does: 'Isolates one honest member: neither speaks to it nor relays for it, or too late, and lies to it about the height.',
    stoppedBy:
      'Any other peer gives it what it lacks (W6), and who delivered in time may not be left out (L6).',
    tactic: isolates,
  },
  vanish: {
    does: 'Falls silent at some step of an attempt, and is back in a later attempt.',
    stoppedBy:
      'Deadlines, the next owner of a shard, thresholds below the number of the honest (L5, L6, S8, S11, S12).',
    tactic: (_coalition, random) => vanishes(random),
  },
  falseReceipts: {
    does: 'Signs that it holds slices that it does not, of other commitments, or of its fellows only.',
    stoppedBy:
      'A receipt names the commitment, and binds: who gives no sum is named, and the next owner sums; receipts that contradict each other count for nothing (W4, S9, S12, S13).',
    tactic: receiptsWrong,
  },
  falseAccusation: {
    does: 'Complains of an honest member and proposes to leave it out or to name it, with evidence that shows nothing.',
    stoppedBy:
      'A voter concurs with what it found itself or what speaks for itself, and f complaints are too few (F3, L6, L8).',
    tactic: accuses,
  },
  wrongReveal: {
    does: 'Reveals wrong shares, two versions, those of the other seed, too early, or none.',
    stoppedBy:
      'Each share is checked against its digest, and f shares of the other seed are too few (S10, S11).',
    tactic: revealsWrong,
  },
  zeroUpdate: {
    does: 'Takes part and gives a zero update.',
    stoppedBy: 'Nothing stops it: a masked input shows nothing of itself (THREATS, Poisoning).',
    learner: learning.zero,
  },
  scaledUpdate: {
    does: `Gives ${learning.SCALE} times what clipping would leave of its update, within the field.`,
    stoppedBy:
      'Nothing stops it: clipping is the honest node’s, and nothing bounds a masked input (THREATS, Poisoning).',
    tactic: () => scales(learning.SCALE),
    learner: learning.scaled,
  },
  signFlipped: {
    does: 'Gives its update with the sign turned.',
    stoppedBy: 'Nothing stops it beyond clipNorm and weightMax (D2; THREATS, Poisoning).',
    learner: learning.signFlipped,
  },
  labelFlipped: {
    does: 'Trains and evaluates on its rows with the labels exchanged.',
    stoppedBy: 'Nothing stops it beyond clipNorm and weightMax (D2; THREATS, Poisoning).',
    learner: learning.labelFlipped,
  },
}

/** Another of these in each attempt. */
function changing(tactics: readonly MakeTactic[], coalition: Coalition, random: Random): Tactic {
  const now = eachAttempt(() => oneOf(random, tactics)(coalition, random))
  return {
    lie: (said, l) => now(l).lie?.(said, l),
    hears: (input, l) => {
      const { hears } = now(l)
      return hears ? hears(input, l) : input
    },
    besides: (input, l) => now(l).besides?.(input, l) ?? [],
    leaves: (effect, l) => now(l).leaves?.(effect, l),
    wakeAt: l => now(l).wakeAt?.(l),
    verdict: (input, l) => now(l).verdict?.(input, l),
  }
}

function adversary({ does, stoppedBy, tactic, learner }: Part): Adversary {
  return {
    does,
    stoppedBy,
    ...(tactic && { machine: (config, coalition, random) => machine(tactic, config, coalition, random) }),
    ...(learner ? { learner } : {}),
  }
}

/** Where committees sum, it lies in the one that the lot brings it to; what it says to all it says as it is. */
function machine(tactic: MakeTactic, config: PeerConfig, all: Coalition, random: Random): Machine {
  const lies = (c: PeerConfig, coalition: Coalition) =>
    new Liar(c, [tactic(coalition, random)], coalition, random)
  if (!config.charter.committees) return lies(config, all)
  return new CommitteePeer(config, part => lies(part, all.within(part)))
}

const parts: readonly Part[] = Object.values(PARTS)

const everything: Adversary = adversary({
  does: 'Does another of all these in each attempt, and honest work in none.',
  stoppedBy: 'What stops each of them.',
  tactic: (coalition, random) =>
    changing(
      parts.flatMap(p => (p.tactic ? [p.tactic] : [])),
      coalition,
      random,
    ),
  learner: (honest, random) => {
    const learners = [honest, ...parts.flatMap(p => (p.learner ? [p.learner(honest, random)] : []))]
    return job => oneOf(random, learners)(job)
  },
})

export const catalogue: Readonly<Record<Behaviour, Adversary>> = Object.fromEntries(
  BEHAVIOURS.map(name => [name, name === 'everything' ? everything : adversary(PARTS[name])]),
) as Record<Behaviour, Adversary>
