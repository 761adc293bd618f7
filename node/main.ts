/**
 * Composes one hospital's node, alone: configuration, identity, charter, data, store, worker, network, machine. All
 * that can be wrong is found before a byte leaves the house.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { MedmeshError } from '../config/error.ts'
import { readSigned, type VerifiedCharter, verifyCharter } from '../config/signed.ts'
import { protectionInWords } from '../config/words.ts'
import { verdictOf } from '../protocol/fault.ts'
import type { Event, TransferEvent } from '../protocol/ports.ts'
import { appealsIn } from './appeals.ts'
import { loadNodeConfig, type NodeConfig, readPassphrase } from './config.ts'
import { bandwidthWarnings } from './deadlines.ts'
import type { EventLine } from './event-line.ts'
import { NodeHost } from './host.ts'
import { type Identity, loadIdentity } from './identity/identity.ts'
import { createNet } from './net/net.ts'
import type { Net, NetLog } from './net/options.ts'
import { checkBudget } from './privacy.ts'
import type { NodeStatus } from './status.ts'
import { openStore, type Store } from './store/store.ts'
import { TransferBook } from './transfers.ts'
import { JobRunner } from './worker/runner.ts'

export interface RunOptions {
  /** Each event, for people and programs. */
  readonly onEvent: (line: EventLine) => void
  /** Aborting stops the node in order. */
  readonly signal: AbortSignal
  readonly passphrase?: string | undefined
  readonly log?: NetLog
}

/** How long a finished node stays for members that have not reported the finished ledger. */
const LINGER_MS = 15_000
/** How long the status may be behind the vectors on their way. */
const STATUS_MS = 1000

/**
 * Runs the node of the hospital in `dir` until it is stopped or the study is finished and known to all.
 *
 * Throws MedmeshErrors of configuration, identity, charter, data, store and network, all before anything is sent; and
 * NODE_BROKEN when an invariant of the program itself does not hold.
 */
export async function runNode(dir: string, options: RunOptions): Promise<{ finished: boolean }> {
  const config = loadNodeConfig(dir)
  const passphrase = options.passphrase ?? readPassphrase(config.passphraseFile, process.env)
  const identity = await loadIdentity(config.identityFile, { passphrase: () => passphrase })
  const verified = loadCharter(config.charterFile, Date.now())
  checkMember(verified, config, identity)
  options.log?.('info', `protected: ${protectionInWords(verified.charter)}`)
  for (const warning of bandwidthWarnings(verified.charter, config.bandwidthMax))
    options.log?.('warn', warning)
  const jobs = await JobRunner.start({
    charter: verified.charter,
    dataFile: config.dataFile,
    backend: config.backend,
  })
  try {
    const { backend, rows, notices } = jobs.opened
    options.log?.('info', 'learner', {
      backend: backend.name,
      why: backend.why,
      trainRows: rows.train,
      testRows: rows.test,
    })
    for (const notice of notices) options.log?.('warn', notice)
    const store = openStore(config.storeFile)
    try {
      return await new RunningNode({ config, identity, verified, jobs, store, options }).run()
    } finally {
      store.close()
    }
  } finally {
    await jobs.close()
  }
}

/** The signed charter of a file, checked in all its parts. */
export function loadCharter(file: string, now: number | undefined): VerifiedCharter {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new MedmeshError(
      'CHARTER_MISSING',
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'put the signed charter there, or correct `charter` in node.yaml',
    )
  }
  const verified = verifyCharter(readSigned(text), { now })
  checkBudget(verified.charter)
  return verified
}

function checkMember({ charter }: VerifiedCharter, config: NodeConfig, identity: Identity): void {
  const member = charter.members.find(m => m.id === config.member)
  if (member?.publicKey === identity.publicKeyHex) return
  const named = charter.members.find(m => m.publicKey === identity.publicKeyHex)
  throw new MedmeshError(
    'NODE_NOT_MEMBER',
    member
      ? `the charter names another key for ${config.member} than that of ${config.identityFile}`
      : `the charter has no member ${config.member}`,
    named
      ? `set \`member: ${named.id}\` in node.yaml: this key is that member's`
      : 'use the identity whose public key the charter names, or have the charter amended',
  )
}

interface Parts {
  readonly config: NodeConfig
  readonly identity: Identity
  readonly verified: VerifiedCharter
  readonly jobs: JobRunner
  readonly store: Store
  readonly options: RunOptions
}

class RunningNode {
  readonly #p: Parts
  readonly #net: Net
  readonly #host: NodeHost
  readonly #stopping = new AbortController()
  readonly #transfers = new TransferBook()
  #finished = false
  #phase: string | undefined
  #waiting: NodeStatus['waiting']
  #broken: unknown
  #savedAt = Number.NEGATIVE_INFINITY

  constructor(parts: Parts) {
    this.#p = parts
    const { config, identity, verified, jobs, store, options } = parts
    const { charter, hash } = verified
    const log = options.log ?? (() => {})
    this.#net = createNet({
      privateKey: identity.privateKey,
      self: config.member,
      members: charter.members.map(m => ({ id: m.id, publicKeyHex: m.publicKey, addresses: m.addresses })),
      listen: config.listen,
      networkId: hash,
      bandwidthMax: config.bandwidthMax,
      log,
    })
    this.#host = new NodeHost({
      config: {
        charter,
        charterHash: hash,
        network: hash,
        self: config.member,
        seed: identity.seed,
        samples: jobs.opened.rows.train,
      },
      net: {
        publish: bytes => this.#net.publish(bytes),
        send: (to, bytes) => this.#net.send(to, bytes),
        shutOut: members => this.#net.shutOut(members),
      },
      store,
      jobs,
      onEvent: event => this.#onEvent(event),
      onFault: (peer, fault) => {
        // What costs nothing, such as being late, is of no interest to people.
        const level = verdictOf(fault) === 'reject' ? 'warn' : 'debug'
        log(level, `fault: ${fault.code} by ${peer}`, { detail: fault.detail })
      },
      onBroken: error => {
        this.#broken = error
        this.#stopping.abort()
      },
    })
  }

  async run(): Promise<{ finished: boolean }> {
    const { options, identity, jobs } = this.#p
    const stop = () => this.#stopping.abort()
    options.signal.addEventListener('abort', stop, { once: true })
    if (options.signal.aborted) stop()
    this.#net.onMessage((from, via, bytes) => this.#host.message(from, via, bytes))
    this.#net.onConnected(peer => this.#met(peer, 'connected'))
    this.#net.onDisconnected(peer => this.#met(peer, 'disconnected'))
    try {
      await this.#net.start()
      this.#tell({
        kind: 'ready',
        peerId: identity.peerId,
        backend: jobs.backend,
        addresses: this.#net.addresses(),
      })
      this.#host.start(this.#net.connected())
      await aborted(this.#stopping.signal)
    } finally {
      options.signal.removeEventListener('abort', stop)
      this.#host.stop()
      await this.#net.stop()
    }
    if (this.#broken !== undefined) throw brokenError(this.#broken)
    return { finished: this.#finished }
  }

  #met(peer: string, kind: 'connected' | 'disconnected'): void {
    this.#host.input({ kind, peer })
    this.#tell({ kind: 'peers', connected: this.#net.connected() })
  }

  #onEvent(event: Event): void {
    if (event.kind === 'transfer') {
      this.#onTransfer(event)
      return
    }
    this.#transfers.heard(event.kind)
    if (event.kind === 'waiting') this.#waiting = { reason: event.reason, for: event.for }
    else if (event.kind !== 'phase' && event.kind !== 'jobFailed') this.#waiting = undefined
    if (event.kind === 'phase') this.#phase = event.phase
    else if (event.kind !== 'waiting' && event.kind !== 'jobFailed') this.#phase = undefined
    this.#tell(event)
    if (event.kind === 'roundClosed' || event.kind === 'started') this.#appeal()
    if (this.#host.peer?.state.phase.kind === 'finished' && !this.#finished) {
      this.#finished = true
      void pause(LINGER_MS, undefined, { ref: false }).then(() => this.#stopping.abort())
    }
    if (event.kind === 'settled') void this.#leave()
  }

  /** What hospitals have signed for who is suspended. */
  #appeal(): void {
    const { inputs, wrong } = appealsIn(this.#p.config.dir)
    for (const name of wrong) this.#p.options.log?.('warn', 'not an appeal', { file: name })
    // Not while the machine is at work.
    setImmediate(() => {
      for (const input of inputs) this.#host.input(input)
    })
  }

  /** Not kept among the store's events: there are many, and of no interest later. */
  #onTransfer(event: TransferEvent): void {
    const now = performance.now()
    const line = this.#transfers.told(event, now)
    this.#say(line)
    const isLast = this.#transfers.traffic(event.way, now) === undefined
    if (isLast || now - this.#savedAt >= STATUS_MS) this.#saveStatus()
  }

  /** The last entry is stored first. Then a moment for what is in the sockets: the others settle by this node's last words. */
  async #leave(): Promise<void> {
    await this.#host.stored()
    await pause(500)
    this.#stopping.abort()
  }

  #tell(event: EventLine['event']): void {
    this.#p.store.addEvent(event, Date.now())
    this.#saveStatus()
    this.#say(event)
  }

  #say(event: EventLine['event']): void {
    const { config, options } = this.#p
    options.onEvent({ at: Date.now(), member: config.member, bytesSent: this.#net.bytesSent(), event })
  }

  #saveStatus(): void {
    const { store, jobs } = this.#p
    const now = performance.now()
    this.#savedAt = now
    const status: NodeStatus = {
      at: Date.now(),
      pid: process.pid,
      backend: jobs.backend,
      connected: this.#net.connected(),
      phase: this.#phase,
      waiting: this.#waiting,
      transfers: this.#transfers.lines(),
      traffic: (['from', 'to'] as const).flatMap(way => this.#transfers.traffic(way, now) ?? []),
    }
    store.setStatus(status)
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
}

function brokenError(cause: unknown): MedmeshError {
  const error = new MedmeshError(
    'NODE_BROKEN',
    `the program itself is at fault: ${cause instanceof Error ? cause.message : 'unknown'}`,
    'start the node again (nothing that was promised is lost) and report this with its stack',
  )
  error.cause = cause
  return error
}
