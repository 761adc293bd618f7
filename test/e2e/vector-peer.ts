/**
 * A peer of `vectors.ts`, and what it tells of itself. As a program: one in a process of its own, to be killed, which tells its
 * parent.
 */
import type { Charter } from '../../config/charter.ts'
import { toHex } from '../../protocol/bytes.ts'
import type { Event } from '../../protocol/ports.ts'
import { type Attempt, type Dataless, dataless, madeUpUpdate } from '../support/dataless.ts'

export interface PeerPlan {
  readonly charter: Charter
  readonly index: number
  readonly listen: string
  readonly addresses: readonly string[]
  readonly dir: string
}

export type FromPeer =
  | { readonly kind: 'listens' }
  | { readonly kind: 'event'; readonly event: Event }
  /** What its input was rounded with, in hex: what it masked follows from that. */
  | { readonly kind: 'masks'; readonly attempt: string; readonly roundingKey: string }
  /** Hash of the model that it has made of the sum, in hex. */
  | { readonly kind: 'opened'; readonly attempt: string; readonly model: string }
  | { readonly kind: 'broken'; readonly why: string }

export function vectorPeer(plan: PeerPlan, tell: (message: FromPeer) => void): Dataless {
  const { charter, index } = plan
  return dataless({
    ...plan,
    // Whoever is away is looked for more often than a node does.
    net: { lookMs: 200 },
    update: round => madeUpUpdate(charter, index, round),
    onEvent: event => tell({ kind: 'event', event }),
    onBroken: error => tell({ kind: 'broken', why: String(error) }),
    onJob: (job, attempt) => {
      if (!attempt || job.kind !== 'vector' || job.work.kind !== 'mask') return
      tell({ kind: 'masks', attempt: attemptName(attempt), roundingKey: toHex(job.work.roundingKey) })
    },
    onResult: (result, attempt) => {
      if (!attempt || result.kind !== 'vector' || result.output.kind !== 'apply') return
      const { next } = result.output.stepped!
      if (next) tell({ kind: 'opened', attempt: attemptName(attempt), model: toHex(next.hash) })
    },
  })
}

export function attemptName({ round, attempt }: Attempt): string {
  return `${round}.${attempt}`
}

if (import.meta.main) {
  const tell = (message: FromPeer) => void process.send!(message)
  const node = vectorPeer(JSON.parse(process.argv[2]!) as PeerPlan, tell)
  process.on('message', () => node.begin())
  // Its parent has ended without a word.
  process.once('disconnect', () => process.exit())
  await node.listen()
  tell({ kind: 'listens' })
}
