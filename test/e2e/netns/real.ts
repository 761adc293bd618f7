/**
 * The scenario on real nodes: namespaces, forwarding process, hospitals; the partition at its time; and what was seen, put
 * into the same form as the simulator's course. Whatever happens, no process and no namespace is left behind.
 */
import { type ChildProcess, execFile, fork } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Charter } from '../../../config/charter.ts'
import type { HospitalProcess } from '../../../node/demo/child.ts'
import type { EventLine } from '../../../node/event-line.ts'
import { type Course, CourseWriter, type Cut, FIRST_ROUNDS, type Mark } from './course.ts'
import type { ForwarderOptions, Order, Reading } from './forwarder.ts'
import { setUpHospitals, startHospitals } from './hospitals.ts'
import type { Traffic } from './line.ts'
import { isAlive, makeNamespaces, type Namespaces } from './namespaces.ts'
import { pidsIn, readWork, type WorkReading, type WorkShare, workShare } from './processors.ts'

export interface RealOptions {
  readonly charter: Charter
  readonly delayMs: number
  readonly lossRate: number
  /** Places in the charter of those that are cut off, when (after all hospitals listen), and how long. */
  readonly cutOff: readonly number[]
  readonly cutAtMs: number
  readonly cutForMs: number
  readonly limitMs: number
  readonly say: (text: string) => void
  readonly signal: AbortSignal
}

export interface RealRun {
  readonly course: Course
  /** IP packets: how many, their bytes, what TCP carried in them; bare acknowledgements; lost by the line, and cut off. */
  readonly packets: number
  readonly bytes: number
  readonly payloadBytes: number
  readonly acks: number
  readonly ackBytes: number
  readonly lost: number
  readonly cut: number
  /** Of the process that forwards: the longest time that a packet waited beyond its own, and how often it was over 5 ms. */
  readonly latestMs: number
  readonly lateShare: number
  /** Of the hospitals' event loops: while rounds followed each other undisturbed, and while none could go on. */
  readonly load: WorkShare
  readonly idleLoad: WorkShare
}

/** Bytes of an Ethernet header: the simulator counts IP packets. */
const ETHERNET_BYTES = 14
const STOP_GRACE_MS = 5000
const LATE_MS = 5
const READING_MS = 500
/** After a cut: until all have noticed it and said what they could. */
const SETTLE_MS = 15_000

export async function playReal(options: RealOptions): Promise<RealRun> {
  options.signal.throwIfAborted()
  const net = makeNamespaces(options.charter.members.length)
  const play = new RealPlay(options, net)
  const root = makeRoot()
  const remove = () => {
    play.kill()
    net.remove()
    rmSync(root, { recursive: true, force: true })
  }
  process.once('exit', remove)
  try {
    return await play.run(root)
  } finally {
    await play.close()
    process.off('exit', remove)
    remove()
  }
}

/**
 * A directory for the hospitals. In memory where possible: eight of them on one disk would wait for each other, which real
 * ones do not. What killed runs have left goes.
 */
function makeRoot(): string {
  const parent = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
  for (const name of readdirSync(parent)) {
    const pid = /^medmesh-netns-(\d+)-/.exec(name)?.[1]
    if (pid !== undefined && !isAlive(pid)) rmSync(join(parent, name), { recursive: true, force: true })
  }
  return mkdtempSync(join(parent, `medmesh-netns-${process.pid}-`))
}

class RealPlay {
  readonly #o: RealOptions
  readonly #net: Namespaces
  readonly #writer = new CourseWriter()
  readonly #lines: EventLine[] = []
  readonly #readings: Reading[] = []
  readonly #done = Promise.withResolvers<void>()
  readonly #ready = new Set<string>()
  readonly #finished = new Set<string>()
  #hospitals: HospitalProcess[] = []
  #forwarder: ChildProcess | undefined
  #timers: NodeJS.Timeout[] = []
  #closing = false
  #zero = 0
  #cutAt = 0
  #joinedAt = 0
  readonly #work: WorkReading[] = []

  constructor(options: RealOptions, net: Namespaces) {
    this.#o = options
    this.#net = net
    this.#done.promise.catch(() => {})
  }

  async run(root: string): Promise<RealRun> {
    const { charter, signal, limitMs } = this.#o
    const hospitals = await setUpHospitals(charter, root, this.#net.names, this.#net.addresses)
    signal.addEventListener('abort', () => this.#done.reject(signal.reason), { once: true })
    this.#forwarder = this.#fork()
    this.#hospitals = startHospitals(hospitals, line => this.#onLine(line))
    for (const hospital of this.#hospitals) void hospital.ended.then(() => this.#onEnd(hospital))
    this.#after(limitMs, () => this.#done.reject(new Error(`not finished after ${limitMs / 1000} s`)))
    await this.#done.promise
    return this.#result()
  }

  async close(): Promise<void> {
    this.#closing = true
    for (const timer of this.#timers) clearTimeout(timer)
    await Promise.all(this.#hospitals.map(h => h.stop(STOP_GRACE_MS)))
    this.#forwarder?.kill('SIGKILL')
  }

  /** At once; for an exit that cannot wait. */
  kill(): void {
    for (const hospital of this.#hospitals) hospital.kill('SIGKILL')
    this.#forwarder?.kill('SIGKILL')
  }

  #fork(): ChildProcess {
    const { delayMs, lossRate, charter, cutOff, cutAtMs, cutForMs } = this.#o
    const options: ForwarderOptions = {
      device: this.#net.device,
      hospitals: charter.members.length,
      delayMs,
      lossRate,
      seed: 1,
      cutOff,
      cutAtMs,
      cutForMs,
    }
    const child = fork(fileURLToPath(new URL('forwarder.ts', import.meta.url)), [JSON.stringify(options)])
    // Its lateness would be the network's: it goes before everything else. Without chrt its own wish has to do.
    execFile('chrt', ['--fifo', '--pid', '50', String(child.pid)], () => {})
    child.on('message', (reading: Reading) => this.#onReading(reading))
    child.on('exit', code => {
      if (!this.#closing) this.#done.reject(new Error(`the forwarding process ended (exit code ${code})`))
    })
    return child
  }

  #onLine(line: EventLine): void {
    const { event, member } = line
    this.#lines.push(line)
    if (event.kind === 'ready') {
      this.#ready.add(member)
      if (this.#ready.size === this.#hospitals.length) this.#begin()
    }
    if (event.kind === 'roundClosed' && member === this.#hospitals[0]?.member) {
      this.#o.say(`round ${event.round} closed`)
    }
    if (event.kind !== 'studyFinished') return
    this.#finished.add(member)
    if (this.#finished.size === this.#hospitals.length) this.#after(500, () => this.#done.resolve())
  }

  /** All hospitals listen: the scenario's time begins. */
  #begin(): void {
    this.#zero = Date.now()
    const order: Order = 'begin'
    this.#forwarder!.send(order)
    this.#o.say('all hospitals listen')
    const pids = pidsIn(this.#net.names)
    const reading = setInterval(() => {
      try {
        this.#work.push(readWork(pids))
      } catch {
        // One of them has ended: whether it may is judged elsewhere.
        clearInterval(reading)
      }
    }, READING_MS)
    this.#timers.push(reading)
  }

  #onReading(reading: Reading): void {
    const { say, cutOff, charter } = this.#o
    this.#readings.push(reading)
    if (reading.cutAt !== undefined && this.#cutAt === 0) {
      this.#cutAt = reading.cutAt
      say(`cut off: ${cutOff.map(i => charter.members[i]!.id).join(', ')}`)
    }
    if (reading.joinedAt !== undefined && this.#joinedAt === 0) {
      this.#joinedAt = reading.joinedAt
      say('joined again')
    }
  }

  #onEnd(hospital: HospitalProcess): void {
    if (this.#closing || this.#finished.has(hospital.member)) return
    const log = hospital.log.join('\n    ')
    this.#done.reject(new Error(`${hospital.member} ended; its last log lines:\n    ${log}`))
  }

  #after(ms: number, act: () => void): void {
    this.#timers.push(setTimeout(act, ms))
  }

  #load(from: number, to: number): WorkShare {
    return workShare(
      this.#work.filter(({ at }) => at >= from && at <= to),
      this.#hospitals.length,
    )
  }

  #result(): RealRun {
    const mark = (at: number): Mark => ({ at: at - this.#zero, bytes: bytesAt(this.#readings, at) })
    for (const { at, event } of this.#lines.sort((a, b) => a.at - b.at)) {
      if (event.kind !== 'ready' && event.kind !== 'peers') this.#writer.note(event, () => mark(at))
    }
    const cut: Cut = { from: mark(this.#cutAt), to: mark(this.#joinedAt) }
    const course = this.#writer.course(cut)
    const second = course.rounds.find(r => r.round === FIRST_ROUNDS)
    const last = this.#readings.at(-1)!
    const total = (of: (t: Reading['traffic'][number]) => number) =>
      last.traffic.reduce((n, t) => n + of(t), 0)
    const measured = this.#readings.filter(r => r.at >= this.#zero)
    if (last.oversized > 0) throw new Error(`${last.oversized} packets were larger than a segment`)
    return {
      course,
      packets: total(t => t.frames),
      bytes: total(ipBytes),
      payloadBytes: total(t => t.payloadBytes),
      acks: total(t => t.acks),
      ackBytes: total(t => t.ackBytes - ETHERNET_BYTES * t.acks),
      lost: total(t => t.lost),
      cut: total(t => t.cut),
      latestMs: Math.max(...measured.map(r => r.latestMs)),
      lateShare: measured.filter(r => r.latestMs > LATE_MS).length / measured.length,
      load: this.#load(this.#zero + (second?.opened.at ?? 0), this.#cutAt),
      idleLoad: this.#load(this.#cutAt + SETTLE_MS, this.#joinedAt),
    }
  }
}

/** Bytes of IP packets that all hospitals had sent at that time, between two readings by proportion. */
export function bytesAt(readings: readonly Reading[], at: number): number {
  const bytes = ({ traffic }: Reading) => traffic.reduce((n, t) => n + ipBytes(t), 0)
  const next = readings.findIndex(r => r.at >= at)
  if (next === -1) return bytes(readings.at(-1)!)
  const b = readings[next]!
  const a = readings[next - 1]
  if (a === undefined) return 0
  return bytes(a) + ((at - a.at) / (b.at - a.at)) * (bytes(b) - bytes(a))
}

function ipBytes({ bytes, frames }: Traffic): number {
  return bytes - ETHERNET_BYTES * frames
}
