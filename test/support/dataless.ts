/** A node with everything but data: sockets, store, worker and machine as ever; what it would have learned, it is given. */
import { join } from 'node:path'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { type Charter, parameterCount } from '../../config/charter.ts'
import { NodeHost } from '../../node/host.ts'
import { createNet } from '../../node/net/net.ts'
import type { Net, NetOptions } from '../../node/net/options.ts'
import { openStore, type Store } from '../../node/store/store.ts'
import { Lane } from '../../node/worker/lane.ts'
import { concatBytes } from '../../protocol/bytes.ts'
import { publicKeyOf } from '../../protocol/crypto/sign.ts'
import type { Event, Given, Job, JobResult, Stored } from '../../protocol/ports.ts'
import { PIECE } from '../../protocol/sum/pieces.ts'
import { peerConfigs, seedOf } from '../../sim/charter.ts'

export interface Attempt {
  readonly round: number
  readonly attempt: number
}

export interface DatalessOptions {
  /** Made by `simCharter`, whose keys are known. */
  readonly charter: Charter
  /** Place in the charter. */
  readonly index: number
  /** Multiaddr to listen on, and those at which this node looks for the members, in the charter's order. */
  readonly listen: string
  readonly addresses: readonly string[]
  /** Of its own: the store is there. */
  readonly dir: string
  readonly net?: Partial<NetOptions>
  /** Does the vector work, in place of a worker of its own; closed with the node. */
  readonly vectors?: Lane
  /** What was learned in a round of training; handed over, so each time another array, or in the store. */
  readonly update: (round: number, store: Store) => Float32Array<ArrayBuffer> | Stored
  readonly onEvent: (event: Event) => void
  /** An invariant is broken. */
  readonly onBroken: (error: unknown) => void
  /** Before a job begins. `attempt`: round and attempt that the machine is in; undefined between attempts. */
  readonly onJob?: (job: Job, attempt: Attempt | undefined) => void
  /** What a job gave that was begun in this attempt. */
  readonly onResult?: (result: JobResult, attempt: Attempt | undefined) => void
}

export interface Dataless {
  readonly net: Net
  /** Listens and dials; the machine begins when `begin` is called. */
  readonly listen: () => Promise<void>
  readonly begin: () => void
  readonly stop: () => Promise<void>
}

/** Of the member at `index`, as the charter names it. */
export function privateKeyOf(index: number): Ed25519PrivateKey {
  const seed = seedOf(index)
  return privateKeyFromRaw(concatBytes(seed, publicKeyOf(seed))) as Ed25519PrivateKey
}

export function dataless(o: DatalessOptions): Dataless {
  const { charter, index } = o
  const config = peerConfigs(charter)[index]!
  const net = createNet({
    privateKey: privateKeyOf(index),
    self: config.self,
    members: charter.members.map((m, i) => ({
      id: m.id,
      publicKeyHex: m.publicKey,
      addresses: [o.addresses[i]!],
    })),
    listen: [o.listen],
    networkId: config.network,
    ...o.net,
  })
  const vectors = o.vectors ?? new Lane(() => undefined)
  const store = openStore(join(o.dir, 'store.db'))
  const host = new NodeHost({
    config,
    net,
    store,
    jobs: {
      run: async (id, job, records) => {
        const phase = host.peer?.state.phase
        const attempt = phase && 'opened' in phase ? phase.opened : undefined
        o.onJob?.(job, attempt)
        const result: JobResult =
          job.kind === 'vector'
            ? await vectors.run(id, job, records)
            : { kind: 'learn', learned: learnedOf(charter, job, round => o.update(round, store)) }
        o.onResult?.(result, attempt)
        return result
      },
      cancel: id => vectors.cancel(id),
    },
    onEvent: o.onEvent,
    onFault: () => {},
    onBroken: o.onBroken,
  })
  net.onMessage((peer, via, bytes) => host.message(peer, via, bytes))
  net.onConnected(peer => void host.input({ kind: 'connected', peer }))
  net.onDisconnected(peer => void host.input({ kind: 'disconnected', peer }))
  return {
    net,
    listen: () => net.start(),
    begin: () => host.start(net.connected()),
    stop: async () => {
      host.stop()
      await Promise.all([net.stop(), vectors.close()])
      store.close()
    },
  }
}

/** Of 100 rows, none of them to test with. */
export function learnedOf(
  charter: Charter,
  { task, round }: Pick<Job & { kind: 'learn' }, 'task' | 'round'>,
  update: (round: number) => Float32Array<ArrayBuffer> | Stored,
): Given {
  const counts = () => new Float64Array(charter.evaluation.bins)
  const evaluation = { positives: counts(), negatives: counts(), correct: 0, lossSum: 0 }
  if (task === 'evaluate') return { samples: 0, evaluation }
  if (task === 'train') return { samples: 100, delta: update(round), evaluation }
  const sums = new Float64Array(charter.data.features.length)
  return { samples: 100, featureSums: { first: sums, second: sums } }
}

/** An update of which no two members and no two rounds have the same. */
export function madeUpUpdate(charter: Charter, index: number, round: number): Float32Array<ArrayBuffer> {
  const update = new Float32Array(parameterCount(charter))
  makeUp(update, index, round, 0)
  return update
}

/** The same in the store, in the clear, and in memory never more than a piece of it. */
export function storedUpdate(charter: Charter, index: number, round: number, store: Store): Stored {
  const to = parameterCount(charter)
  const some = new Float32Array(PIECE)
  for (let from = 0; from < to; from += PIECE) {
    const piece = some.subarray(0, Math.min(PIECE, to - from))
    makeUp(piece, index, round, from)
    store.write('update', 4 * from, new Uint8Array(piece.buffer, 0, piece.byteLength))
  }
  return { record: 'update', from: 0, to }
}

function makeUp(update: Float32Array, index: number, round: number, from: number): void {
  for (let i = 0; i < update.length; i++) update[i] = (((from + i + index + 7 * round) % 2001) - 1000) / 1e6
}
