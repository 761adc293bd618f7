/**
 * Runs the study: one process for each hospital, a planned loss and return, until all have finished. Whatever
 * happens, no process is left behind.
 */
import { MedmeshError } from '../../config/error.ts'
import type { MemberId } from '../../protocol/ports.ts'
import type { EventLine } from '../event-line.ts'
import type { Board } from './board.ts'
import { HospitalProcess, type Launch } from './child.ts'
import type { FaultPlan } from './fault-plan.ts'

/** How long a hospital may take to stop when asked. */
const STOP_GRACE_MS = 5000

export interface MeshOptions {
  readonly board: Board
  /** How to start each hospital, in the order of the board's members. */
  readonly launches: ReadonlyMap<MemberId, Launch>
  readonly fault: FaultPlan | undefined
  /** After each line, process start and end. */
  readonly onChange: () => void
  /** Something for people to read, now. */
  readonly say: (text: string) => void
  readonly signal: AbortSignal
  readonly timeoutMs: number
  readonly stopGraceMs?: number
}

/**
 * Resolves when every hospital has finished the study and ended with exit code 0.
 *
 * Throws MedmeshError DEMO_HOSPITAL_ENDED (with its last log lines), DEMO_MODELS_DIFFER or DEMO_TIMEOUT, and the
 * signal's AbortError.
 */
export async function runMesh(options: MeshOptions): Promise<void> {
  options.signal.throwIfAborted()
  const mesh = new Mesh(options)
  try {
    await mesh.run()
  } finally {
    await mesh.close()
  }
}

class Mesh {
  readonly #o: MeshOptions
  readonly #running = new Map<MemberId, HospitalProcess>()
  readonly #done = Promise.withResolvers<void>()
  #fault: FaultPlan | undefined
  #closing = false

  constructor(options: MeshOptions) {
    this.#o = options
    this.#fault = options.fault
    // Settled before anybody waits when a start fails at once.
    this.#done.promise.catch(() => {})
  }

  async run(): Promise<void> {
    const { signal, timeoutMs, board } = this.#o
    const aborted = () => this.#done.reject(new DOMException('interrupted', 'AbortError'))
    signal.addEventListener('abort', aborted, { once: true })
    const timer = setTimeout(() => this.#done.reject(this.#tooLate()), timeoutMs)
    for (const member of board.members) this.#start(member)
    try {
      await this.#done.promise
    } finally {
      clearTimeout(timer)
      signal.removeEventListener('abort', aborted)
    }
  }

  async close(): Promise<void> {
    this.#closing = true
    await Promise.all(
      [...this.#running.values()].map(hospital => hospital.stop(this.#o.stopGraceMs ?? STOP_GRACE_MS)),
    )
  }

  #start(member: MemberId): void {
    const launch = this.#o.launches.get(member)!
    const hospital = new HospitalProcess(member, launch, line => this.#onLine(hospital, line))
    this.#running.set(member, hospital)
    void hospital.ended.then(({ code, signal }) => {
      this.#running.delete(member)
      if (!this.#closing) this.#onEnd(hospital, code, signal)
    })
  }

  #onLine(hospital: HospitalProcess, line: EventLine): void {
    const { board } = this.#o
    // Before anything is drawn: each millisecond is one in which the hospital gets on with its round.
    if (this.#isDue(line)) this.#strike(hospital, line)
    board.apply(line)
    if (board.disagreement !== undefined) this.#done.reject(this.#modelsDiffer())
    this.#maybeRestart()
    this.#o.onChange()
  }

  #isDue({ event, member }: EventLine): boolean {
    const plan = this.#fault
    if (plan === undefined || event.kind !== 'phase' || member !== plan.member) return false
    return event.phase === plan.phase && event.round >= plan.round
  }

  #strike(hospital: HospitalProcess, line: EventLine): void {
    hospital.kill('SIGKILL')
    this.#fault = undefined
    if (line.event.kind !== 'phase') return
    const { round, phase } = line.event
    this.#o.board.lost({ member: hospital.member, round, phase, from: line.at })
  }

  /** The lost hospital comes back when all others have closed the round without it. */
  #maybeRestart(): void {
    const { board } = this.#o
    for (const outage of board.outages) {
      if (outage.until !== undefined || this.#running.has(outage.member)) continue
      const closed = board.rounds.get(outage.round)?.hashes
      const others = board.members.filter(m => m !== outage.member)
      if (closed === undefined || !others.every(m => closed.has(m))) continue
      board.restarted(outage.member, Date.now())
      this.#o.say(`   ${outage.member} is started again; it catches up from the ledger`)
      this.#start(outage.member)
    }
  }

  #onEnd(hospital: HospitalProcess, code: number | null, signal: NodeJS.Signals | null): void {
    const { board } = this.#o
    if (signal === 'SIGKILL' && board.isDown(hospital.member)) {
      this.#o.say(`   ${hospital.member} is killed (SIGKILL) in the middle of a round; the others go on`)
      this.#maybeRestart()
    } else if (code !== 0 || !board.finished.has(hospital.member)) {
      this.#done.reject(ended(hospital, code, signal))
    } else if (this.#running.size === 0) {
      this.#done.resolve()
    }
    this.#o.onChange()
  }

  #tooLate(): MedmeshError {
    const { board, timeoutMs } = this.#o
    const open = board.members
      .filter(m => !board.finished.has(m))
      .map(m => `${m} ${board.waiting.has(m) ? `waits for ${board.waiting.get(m)}` : 'has not finished'}`)
    return new MedmeshError(
      'DEMO_TIMEOUT',
      `the study is not finished after ${timeoutMs / 1000} s: ${open.join('; ')}`,
      'run it again with fewer rounds (--rounds), or with --timeout on a slow machine',
    )
  }

  #modelsDiffer(): MedmeshError {
    const { round, hashes } = this.#o.board.disagreement!
    const each = [...hashes].map(([member, hash]) => `${member} ${hash}`)
    return new MedmeshError(
      'DEMO_MODELS_DIFFER',
      `after round ${round} the hospitals hold different models: ${each.join(', ')}`,
      'this must never happen: keep the directories (--dir) and report it as a bug',
    )
  }
}

function ended(hospital: HospitalProcess, code: number | null, signal: NodeJS.Signals | null): MedmeshError {
  const how = signal === null ? `exit code ${code}` : `signal ${signal}`
  const log =
    hospital.log.length === 0 ? 'it wrote no log' : `its last log lines:\n    ${hospital.log.join('\n    ')}`
  return new MedmeshError(
    'DEMO_HOSPITAL_ENDED',
    `${hospital.member} ended before the study was finished (${how}); ${log}`,
    'mend what its log names, then run the demo again',
  )
}
