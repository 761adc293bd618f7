/** A swarm in one process or many: each takes a few seeds at a time, so that all are busy until the end. */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { SwarmOptions } from '../campaign.ts'
import { addFigures, type Failure, NO_FIGURES, type SwarmFigures } from '../swarm-figures.ts'
import { type Crypto, useCrypto } from './options.ts'

export interface WorkersOptions extends SwarmOptions {
  readonly workers: number
  readonly crypto: Crypto
  /** Seeds that a process takes at a time; default 25. */
  readonly pieceSeeds?: number
  /** After each seed that a child has played: the processor's milliseconds that it took. */
  readonly onCpu?: (ms: number) => void
}

const PIECE_SEEDS = 25

/** From parent to child: play these, then say so. */
export interface Piece {
  readonly from: number
  readonly to: number
}

export async function runWorkers(o: WorkersOptions): Promise<SwarmFigures> {
  if (o.workers > 1) return await runChildren(o)
  await useCrypto(o.crypto)
  const { runSwarm } = await import('../campaign.ts')
  return await runSwarm(o)
}

async function runChildren(o: WorkersOptions): Promise<SwarmFigures> {
  const start = performance.now()
  let figures = NO_FIGURES
  const size = o.pieceSeeds ?? PIECE_SEEDS
  let next = o.from
  const nextPiece = (): Piece | undefined => {
    const over = o.signal?.aborted || performance.now() - start > (o.limitMs ?? Number.POSITIVE_INFINITY)
    if (over || next > o.to) return undefined
    const piece = { from: next, to: Math.min(o.to, next + size - 1) }
    next = piece.to + 1
    return piece
  }
  const told = (one: SwarmFigures) => {
    figures = addFigures(figures, one)
    for (const failure of one.failures) o.onFailure?.(failure)
    o.onProgress?.(figures)
  }
  const count = Math.min(o.workers, Math.ceil((o.to - o.from + 1) / size))
  await Promise.all(Array.from({ length: count }, () => work(o, nextPiece, told)))
  return figures
}

/** One child, until there is nothing left to do. */
function work(
  o: WorkersOptions,
  nextPiece: () => Piece | undefined,
  told: (one: SwarmFigures) => void,
): Promise<void> {
  const child = fork(fileURLToPath(new URL('swarm-worker.ts', import.meta.url)), [o.crypto], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    // The caller's collector has room for one large network, each of these plays a small one.
    execArgv: [],
  })
  return new Promise((resolve, reject) => {
    let playing: Piece | undefined
    const give = () => {
      playing = nextPiece()
      if (playing === undefined) child.disconnect()
      else child.send(playing)
    }
    child.on('message', (message: WorkerSays) => {
      if (message.kind === 'ready') return give()
      o.onCpu?.(message.cpuMs)
      told(message.figures)
    })
    child.on('error', reject)
    child.on('exit', (code, signal) => {
      if (playing === undefined || o.signal?.aborted) return resolve()
      // A process that dies, for want of memory say, is a failure of the seeds that it was at.
      const says = `the process that played seeds ${playing.from} to ${playing.to} ended with ${signal ?? `exit code ${code}`}`
      const failure: Failure = { seed: playing.from, checker: 'thrown', says }
      told({ ...NO_FIGURES, failures: [failure] })
      resolve()
    })
    stopWith(child, o.signal)
  })
}

export type WorkerSays =
  | { readonly kind: 'ready' }
  | { readonly kind: 'played'; readonly figures: SwarmFigures; readonly cpuMs: number }

function stopWith(child: ChildProcess, signal: AbortSignal | undefined): void {
  const stop = () => void child.kill()
  signal?.addEventListener('abort', stop, { once: true })
  child.on('exit', () => signal?.removeEventListener('abort', stop))
}
