/** A member that shows every peer another state: heights, models, entries and keys. */
import { precommitBody } from '../../../protocol/consensus/message.ts'
import { sha256 } from '../../../protocol/crypto/hash.ts'
import { sign } from '../../../protocol/crypto/sign.ts'
import { encodeRecord } from '../../../protocol/ledger/certificate.ts'
import { type Body as EntryBody, encodeEntry, entryHash } from '../../../protocol/ledger/entry.ts'
import { encodeState, stateHash } from '../../../protocol/model/state.ts'
import { recordMessage } from '../../../protocol/peer.ts'
import { signingBytes } from '../../../protocol/wire/envelope.ts'
import { PART_BYTES } from '../../../protocol/wire/limits.ts'
import type { Body } from '../../../protocol/wire/messages.ts'
import type { Random } from '../../random.ts'
import type { Coalition } from '../coalition.ts'
import { about, flipped, type Liar, type Says, type Tactic } from '../liar.ts'
import { proposes } from '../lies/entries.ts'
import { twoKeys } from '../lies/shares.ts'
import { oneOf, together, varying } from './common.ts'
import { backsFellows } from './consensus.ts'
import { wrongStatus } from './silence.ts'

/**
 * Statuses that differ, other models for those who ask and for those who do not, forged entries under certificates that do
 * not hold, and rounds that it opens from another model or under another charter.
 */
export function showsOthers(coalition: Coalition, random: Random): Tactic {
  return together(
    { lie: wrongStatus(() => random.chance(0.5), random) },
    { lie: about('modelPart', part => otherPart(part, random)) },
    {
      lie: proposes(({ body }) =>
        body.kind === 'RoundOpened' && random.chance(0.5)
          ? random.chance(0.5)
            ? { ...body, model: flipped(body.model, 3) }
            : { ...body, charter: flipped(body.charter, 3) }
          : undefined,
      ),
    },
    varying(random, undefined, undefined, twoKeys),
    backsFellows(coalition),
    { besides: (_input, l) => (random.chance(0.1) ? unasked(coalition, l, random) : []) },
  )
}

function otherPart({ hash, part, data }: Body<'modelPart'>, random: Random): Body<'modelPart'> {
  const other = flipped(data, 16 + random.below(Math.max(1, data.length - 16)))
  return oneOf(random, [
    { hash, part, data: other },
    { hash: sha256(other), part, data: other },
    { hash, part, data: new Uint8Array(0) },
    { hash, part, data: data.subarray(0, data.length - 4) },
    { hash: random.bytes(32), part, data },
    { hash, part: part + 1, data },
  ])
}

/** A model that nobody asked for, under the name of the one in force; or an entry that nobody decided. */
function unasked(coalition: Coalition, l: Liar, random: Random): Says[] {
  const to = oneOf(random, l.others)
  const { state } = l.peer
  const model = l.wholeModel
  if (model && random.chance(0.5)) {
    const parameters = model.parameters.map(x => x + 1)
    const data = encodeState({ ...model, parameters }).subarray(0, PART_BYTES)
    const hash = random.chance(0.5) ? state.modelHash : stateHash({ ...model, parameters })
    return [{ to, bytes: l.says('modelPart', { hash, part: 0, data }) }]
  }
  return [{ to, bytes: forgedEntry(coalition, l, random) }]
}

/** What could come next, certified by too few, by the same one again and again, or by signatures that are none. */
export function forgedEntry(coalition: Coalition, l: Liar, random: Random): Uint8Array {
  const { state } = l.peer
  const height = state.height + 1
  const body = nextBody(l)
  const entry = encodeEntry({ height, prev: state.head, at: Math.max(state.at, Math.floor(l.now)), body })
  const view = random.below(3)
  const signed = precommitBody(height, view, entryHash(entry))
  const voteOf = (member: string, as: string) => {
    const { network, seed } = coalition.configOf(as)
    return { member, sig: sign(seed, signingBytes(network, 'precommit', member, signed)) }
  }
  const own = coalition.members.map(m => voteOf(m, m))
  const votes = oneOf(random, [
    own,
    // Honest names under a liar's key.
    [...own, ...coalition.honest.map(m => voteOf(m, l.self))],
    [...own, ...coalition.honest.map(member => ({ member, sig: random.bytes(64) }))],
    Array.from({ length: state.quorum }, () => voteOf(l.self, l.self)),
  ])
  return recordMessage(l.self, encodeRecord({ entry, certificate: { view, votes: votes.slice(0, 255) } }))
}

function nextBody(l: Liar): EntryBody {
  const { phase, charter, modelHash } = l.peer.state
  if ('opened' in phase) {
    const { round, attempt } = phase.opened
    const reason = phase.kind === 'opened' ? 'tooFewInputs' : 'notOpened'
    return { kind: 'RoundAborted', round, attempt, reason, culprits: [], conflicts: [] }
  }
  return { kind: 'StudyFinished', rounds: charter.training.rounds, model: modelHash }
}
