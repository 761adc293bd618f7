/** Studies of real processes over real sockets, made of the demo's own pieces: set up, started, struck, looked at. */
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { readModel, readRecords, verifyRecords, withStore } from '../../node/cli/ledger-file.ts'
import { loadNodeConfig } from '../../node/config.ts'
import { Board } from '../../node/demo/board.ts'
import { type Ended, HospitalProcess, nodeLaunch } from '../../node/demo/child.ts'
import { DEFAULT_STUDY, type DemoStudy, setUp } from '../../node/demo/setup.ts'
import type { EventLine } from '../../node/event-line.ts'
import { toHex } from '../../protocol/bytes.ts'
import { modelHashHex } from '../../protocol/peer.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { until } from './net-helpers.ts'

/** Short, so that what is lost costs seconds; long enough for four processes on two busy cores. */
const DEADLINES = { joinDeadlineMs: 700, inputDeadlineMs: 3000, openDeadlineMs: 2000, viewTimeoutMs: 250 }

/** How long anything in a study may take. */
export const LIMIT_MS = 90_000
const STOP_GRACE_MS = 5000

export interface Study extends DemoStudy {
  readonly root: string
  readonly remove: () => void
}

/** The example study with short deadlines, set up for four hospitals and signed by them. */
export async function makeStudy(rounds: number): Promise<Study> {
  const root = mkdtempSync(join(tmpdir(), 'medmesh-e2e-'))
  const study = join(root, 'study')
  cpSync(DEFAULT_STUDY, study, { recursive: true })
  const draft = join(study, 'charter.yaml')
  let text = readFileSync(draft, 'utf8')
  for (const [name, ms] of Object.entries(DEADLINES)) {
    expect(text).toContain(`${name}:`)
    text = text.replace(new RegExp(`${name}: \\d+`), `${name}: ${ms}`)
  }
  writeFileSync(draft, text)
  const made = await setUp({ study, dir: join(root, 'hospitals'), rounds })
  return { ...made, root, remove: () => rmSync(root, { recursive: true, force: true }) }
}

export function dirOf(study: DemoStudy, member: MemberId): string {
  return study.hospitals.find(h => h.member === member)!.dir
}

/** TCP ports of all hospitals. */
export function portsOf(study: DemoStudy): number[] {
  return study.trusted.charter.members.map(m => Number(m.addresses[0]!.split('/').at(-1)))
}

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs the command line to its end. */
export function medmesh(...args: readonly string[]): Promise<Outcome> {
  const main = fileURLToPath(new URL('../../node/cli/main.ts', import.meta.url))
  return new Promise(resolve => {
    execFile(process.execPath, [main, ...args], { timeout: LIMIT_MS }, (error, stdout, stderr) =>
      resolve({ code: error === null ? 0 : Number(error.code ?? -1), stdout, stderr }),
    )
  })
}

export type Seen = EventLine['event']

/** The processes of a study. Whatever happens, `close` leaves none behind. */
export class Running {
  readonly study: Study
  readonly board: Board
  readonly ended: { readonly member: MemberId; readonly ended: Ended }[] = []
  /** Called with each line before anything else is done with it. */
  onEvent: (member: MemberId, event: Seen) => void = () => {}
  readonly #events = new Map<MemberId, Seen[]>()
  readonly #processes = new Map<MemberId, HospitalProcess>()

  constructor(study: Study) {
    this.study = study
    this.board = new Board(study.hospitals.map(h => h.member))
  }

  get members(): readonly MemberId[] {
    return this.board.members
  }

  start(...members: readonly MemberId[]): void {
    for (const member of members) {
      const child = new HospitalProcess(member, nodeLaunch(dirOf(this.study, member)), line => {
        this.onEvent(member, line.event)
        this.events(member).push(line.event)
        this.board.apply(line)
      })
      this.board.restarted(member, Date.now())
      this.#processes.set(member, child)
      void child.ended.then(ended => {
        this.ended.push({ member, ended })
        if (this.#processes.get(member) === child) this.#processes.delete(member)
      })
    }
  }

  /** All events of a member, of all its lives. */
  events(member: MemberId): Seen[] {
    const events = this.#events.get(member) ?? []
    this.#events.set(member, events)
    return events
  }

  log(member: MemberId): readonly string[] {
    return this.#processes.get(member)?.log ?? []
  }

  isUp(member: MemberId): boolean {
    return this.#processes.has(member)
  }

  /** Sends the signal now; resolves when the process is gone. */
  async kill(member: MemberId, signal: 'SIGTERM' | 'SIGKILL'): Promise<Ended> {
    const child = this.#processes.get(member)!
    child.kill(signal)
    return child.ended
  }

  /** Waits for an event of `member` that comes after now. */
  async next(member: MemberId, what: string, is: (event: Seen) => boolean): Promise<void> {
    const from = this.events(member).length
    await this.until(`${member}: ${what}`, () => this.events(member).slice(from).some(is))
  }

  /** Waits for the condition; the error says where everybody is. */
  async until(what: string, condition: () => boolean): Promise<void> {
    try {
      await until(what, condition, LIMIT_MS)
    } catch (error) {
      const places = this.members.map(
        m =>
          `${m} ${this.isUp(m) ? 'up' : 'down'}: ${JSON.stringify(this.events(m).at(-1))}\n${this.log(m).join('\n')}`,
      )
      throw new Error(`${(error as Error).message}\n${places.join('\n')}`)
    }
  }

  /** Waits until all processes have ended by themselves and checks that they hold one model and one ledger. */
  async finish(): Promise<void> {
    await this.until('all have ended', () => this.members.every(m => !this.isUp(m)))
    const last = this.members.map(m => this.ended.findLast(e => e.member === m)?.ended)
    expect(last).toEqual(this.members.map(() => ({ code: 0, signal: null })))
    this.agree(this.members)
  }

  /** The members' stores hold the same finished ledger and the same model, which they all reported round by round. */
  agree(members: readonly MemberId[]): void {
    expect(this.board.disagreement).toBeUndefined()
    const { trust } = this.study.trusted
    const copies = members.map(member =>
      withStore(loadNodeConfig(dirOf(this.study, member)).storeFile, store => {
        const durable = store.load()
        const { state, entries } = verifyRecords(trust, readRecords(durable))
        const model = modelHashHex(readModel(durable, trust, state.modelHash))
        return { phase: state.phase.kind, head: toHex(state.head), entries, model }
      }),
    )
    expect(copies).toEqual(copies.map(() => ({ ...copies[0], phase: 'finished' })))
    for (const member of members) expect(this.board.finished.get(member)).toBe(copies[0]!.model)
  }

  async close(): Promise<void> {
    this.onEvent = () => {}
    await Promise.all([...this.#processes.values()].map(child => child.stop(STOP_GRACE_MS)))
    this.study.remove()
  }
}

export function storeExists(study: Study, member: MemberId): boolean {
  return existsSync(loadNodeConfig(dirOf(study, member)).storeFile)
}
