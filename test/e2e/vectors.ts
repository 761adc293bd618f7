/**
 * Peers that sum long vectors over real sockets, each pair on a line of its own (`lines.ts`); one of them may be a process that
 * can be killed. What they open is compared with the sum of the same inputs, which were never masked.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import type { Charter } from '../../config/charter.ts'
import engine from '../../node/cli/engine.json' with { type: 'json' }
import { freePorts } from '../../node/demo/setup.ts'
import { fromHex, toHex } from '../../protocol/bytes.ts'
import { applySum } from '../../protocol/model/apply.ts'
import { initialState } from '../../protocol/model/initial.ts'
import { stateHash } from '../../protocol/model/state.ts'
import type { Event, ModelState } from '../../protocol/ports.ts'
import { addInto } from '../../protocol/sum/field.ts'
import { quantisedInput } from '../../protocol/sum/kernels.ts'
import { layoutFor } from '../../protocol/sum/layout.ts'
import { simCharter } from '../../sim/charter.ts'
import { type Dataless, learnedOf, madeUpUpdate } from '../support/dataless.ts'
import { Lines } from './lines.ts'
import { attemptName, type FromPeer, type PeerPlan, vectorPeer } from './vector-peer.ts'

const PEERS = 4
const LIMIT_MS = 120_000

type Of<K extends Event['kind']> = Extract<Event, { readonly kind: K }>

export interface VectorsOptions {
  readonly parameters: number
  readonly rounds: number
  readonly deadlines: Pick<Charter['secureSum'], 'joinDeadlineMs' | 'inputDeadlineMs' | 'openDeadlineMs'>
  /** Place of the peer that is a process. */
  readonly process?: number
}

export class Vectors {
  readonly charter: Charter
  readonly lines: Lines
  readonly told: { readonly by: number; readonly event: Event }[] = []
  readonly #root: string
  readonly #nodes = new Map<number, Dataless>()
  #child: ChildProcess | undefined
  #broken: string | undefined
  readonly #waiting = new Set<() => void>()
  readonly #listeners: ((by: number, event: Event) => void)[] = []
  /** By attempt and place. */
  readonly #roundingKeys = new Map<string, string>()
  readonly #opened: { readonly attempt: string; readonly by: number; readonly model: string }[] = []

  private constructor(charter: Charter, lines: Lines, root: string) {
    this.charter = charter
    this.lines = lines
    this.#root = root
  }

  /** All of them, connected with each other and begun. */
  static async start(o: VectorsOptions): Promise<Vectors> {
    const ports = await freePorts(PEERS)
    const charter = simCharter({
      members: Array.from({ length: PEERS }, (_, i) => `peer-${i}`),
      rounds: o.rounds,
      features: 2,
      secureSum: { gossipBytesMax: 0, viewTimeoutMs: 1000, ...o.deadlines },
      edit: c => ({
        ...c,
        model: { ...c.model, weights: [{ name: 'all', shape: [o.parameters], initialiser: 'zeros' }] },
      }),
    })
    const lines = await Lines.between(ports)
    const vectors = new Vectors(charter, lines, mkdtempSync(join(tmpdir(), 'medmesh-vectors-')))
    try {
      await vectors.#begin(ports, o.process)
    } catch (error) {
      await vectors.close()
      throw error
    }
    return vectors
  }

  async #begin(ports: readonly number[], process: number | undefined): Promise<void> {
    const { charter, lines } = this
    const making = ports.map((port, index) => {
      const dir = join(this.#root, String(index))
      mkdirSync(dir)
      const listen = `/ip4/127.0.0.1/tcp/${port}`
      const plan = { charter, index, listen, addresses: lines.addressesFor(index, PEERS), dir }
      return index === process ? this.#fork(plan) : this.#make(plan)
    })
    await Promise.all(making)
    const own = [...this.#nodes.values()]
    await this.until('all connected', () => own.every(n => n.net.connected().length === PEERS - 1))
    for (const node of own) node.begin()
    this.#child?.send('begin')
  }

  async #make(plan: PeerPlan): Promise<void> {
    const node = vectorPeer(plan, message => this.#hear(plan.index, message))
    this.#nodes.set(plan.index, node)
    node.net.onConnected(() => this.look())
    await node.listen()
  }

  async #fork(plan: PeerPlan): Promise<void> {
    const file = join(import.meta.dirname, 'vector-peer.ts')
    const child = fork(file, [JSON.stringify(plan)], { execArgv: engine, stdio: 'inherit' })
    this.#child = child
    const listens = Promise.withResolvers<void>()
    child.on('message', (message: FromPeer) => {
      if (message.kind === 'listens') listens.resolve()
      else this.#hear(plan.index, message)
    })
    child.once('exit', () => listens.reject(new Error('the process has ended')))
    await listens.promise
  }

  id(index: number): string {
    return this.charter.members[index]!.id
  }

  /** Hands `listener` each event before anything else is done with it. */
  hear(listener: (by: number, event: Event) => void): void {
    this.#listeners.push(listener)
  }

  /** Ends the process at once. */
  kill(): void {
    this.#child?.kill('SIGKILL')
  }

  /** Looks at each event and connection whether it is so. */
  async until(what: string, condition: () => boolean): Promise<void> {
    if (condition()) return
    const done = Promise.withResolvers<void>()
    const look = () => {
      if (this.#broken !== undefined) done.reject(new Error(this.#broken))
      else if (condition()) done.resolve()
    }
    const timer = setTimeout(() => {
      const last = this.told.slice(-40).map(({ by, event }) => `${by} ${JSON.stringify(event)}`)
      done.reject(new Error(`not within ${LIMIT_MS} ms: ${what}\n${last.join('\n')}`))
    }, LIMIT_MS)
    this.#waiting.add(look)
    try {
      await done.promise
    } finally {
      this.#waiting.delete(look)
      clearTimeout(timer)
    }
  }

  closed(round: number, by: number): Of<'roundClosed'> | undefined {
    const is = (e: Event) => e.kind === 'roundClosed' && e.round === round
    return this.told.find(t => t.by === by && is(t.event))?.event as Of<'roundClosed'> | undefined
  }

  async untilClosed(round: number, by: readonly number[]): Promise<void> {
    await this.until(`round ${round} closed`, () => by.every(i => this.closed(round, i)))
  }

  /** Whose inputs are in the sum of a closed round. */
  survivors(round: number): readonly string[] {
    return this.#ofClosed(round, 'survivorsFixed').survivors
  }

  /** Whom the entries of a closed round name: absent, left out, at fault. */
  named(round: number): Set<string> {
    const entries = this.told.map(t => t.event).filter(e => 'attempt' in e && e.round === round)
    return new Set(
      entries.flatMap(e => {
        switch (e.kind) {
          case 'roundOpened':
            return e.absent
          case 'survivorsFixed':
            return e.leftOut.map(l => l.member)
          case 'roundAborted':
            return e.culprits
          case 'roundClosed':
            return e.faults.map(f => f.member)
          default:
            return []
        }
      }),
    )
  }

  /** That rounds 0 to `last` were closed by all these with the sums, and so the models, that their survivors' inputs give. */
  expectExact(last: number, by: readonly number[]): void {
    let model = initialState(this.charter)
    for (let round = 0; round <= last; round++) {
      const closed = by.map(i => this.closed(round, i)!)
      const attempt = attemptName(closed[0]!)
      model = this.#plainNext(round, attempt, model)
      expect(new Set(closed.map(c => c.modelHash)), attempt).toEqual(new Set([toHex(stateHash(model))]))
      const opened = this.#opened.filter(o => o.attempt === attempt && by.includes(o.by)).map(o => o.model)
      expect(new Set(opened), attempt).toEqual(new Set([toHex(stateHash(model))]))
    }
  }

  /** What is told of the attempt in which the round was closed. */
  #ofClosed<K extends Event['kind']>(round: number, kind: K): Of<K> {
    const events = this.told.map(t => t.event).filter(e => 'attempt' in e && e.round === round)
    const closed = events.find(e => e.kind === 'roundClosed')
    const found = events.find(e => e.kind === kind && 'attempt' in e && e.attempt === closed?.attempt)
    if (!found) throw new Error(`nobody has told of ${kind} in round ${round}`)
    return found as Of<K>
  }

  #plainNext(round: number, attempt: string, model: ModelState): ModelState {
    const { charter } = this
    const { task, cohort } = this.#ofClosed(round, 'roundOpened')
    const sections = layoutFor(charter, task, cohort.length)
    let total: Uint32Array | undefined
    for (const member of this.survivors(round)) {
      const index = charter.members.findIndex(m => m.id === member)
      const learned = learnedOf(charter, { task, round }, () => madeUpUpdate(charter, index, round))
      const roundingKey = fromHex(this.#roundingKeys.get(`${attempt} ${index}`)!)
      const input = quantisedInput({ charter, task, sections, learned, roundingKey })
      if (!input.ok) throw new Error(input.error)
      if (total) addInto(total, input.value.residues)
      else total = input.value.residues
    }
    return applySum(charter, task, sections, total!, model).state
  }

  async close(): Promise<void> {
    this.kill()
    await Promise.all([...this.#nodes.values()].map(n => n.stop()))
    await this.lines.close()
    rmSync(this.#root, { recursive: true, force: true })
  }

  #hear(by: number, message: FromPeer): void {
    if (message.kind === 'event') {
      for (const listener of this.#listeners) listener(by, message.event)
      this.told.push({ by, event: message.event })
    } else if (message.kind === 'masks')
      this.#roundingKeys.set(`${message.attempt} ${by}`, message.roundingKey)
    else if (message.kind === 'opened') this.#opened.push({ by, ...message })
    else if (message.kind === 'broken') this.#broken = message.why
    this.look()
  }

  /** Whoever waits looks whether it is so: after each event and connection, and when a test knows of something else. */
  look(): void {
    for (const look of this.#waiting) look()
  }
}
