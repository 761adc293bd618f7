/** Attempts that were opened, and nothing said in them yet. */
import type { Charter } from '../../config/charter.ts'
import type { RoundOpened } from '../../protocol/ledger/entry.ts'
import { studyPlan } from '../../protocol/ledger/plan.ts'
import { Attempt, type AttemptSetup } from '../../protocol/round/attempt.ts'
import type { Hands } from '../../protocol/round/hands.ts'
import { memberName, testCharter } from './consortium.ts'

export const ATTEMPT_OPENED = new Uint8Array(32).fill(7)

/** Makes attempts of the first round with these cohorts' members, as the first of them sees it. */
export function attempts(
  n: number,
  gossipBytesMax: number,
  edit?: (charter: Charter) => Charter,
): {
  readonly charter: Charter
  readonly body: RoundOpened
  /** `keys`: of all members and of this one, where secrets are opened. */
  readonly fresh: (keys?: Pick<AttemptSetup, 'keys' | 'own'>) => Attempt
} {
  const charter = testCharter({ n, f: 1, gossipBytesMax, ...(edit && { edit }) })
  const zeros = new Uint8Array(32)
  const cohort = Array.from({ length: n }, (_, i) => memberName(i))
  const hands = { self: cohort[0]!, now: () => 1000, fault: () => {} } as unknown as Hands
  const body: RoundOpened = {
    kind: 'RoundOpened',
    round: 0,
    attempt: 0,
    task: 'statistics',
    charter: zeros,
    model: zeros,
    cohort: cohort.map(member => ({ member, keys: zeros })),
    absent: [],
  }
  const plan = studyPlan(charter)
  const opened = ATTEMPT_OPENED
  const offer = { round: 0, attempt: 0, opened, digests: new Uint8Array(64 * n), ciphertexts: [] }
  const fresh: ReturnType<typeof attempts>['fresh'] = (
    { keys, own } = { keys: new Map(), own: undefined },
  ) => {
    const setup = { charter, plan, body, opened, keys, own, openedAt: 0, residual: undefined }
    const a = new Attempt(setup, undefined, hands)
    for (const m of cohort) a.offers.set(m, offer)
    return a
  }
  return { charter, body, fresh }
}
