/** What a running node tells people: a line for each event; of vectors on their way one line, renewed where that is possible. */
import type { MemberId } from '../../protocol/ports.ts'
import type { EventLine } from '../event-line.ts'
import { type Traffic, TransferBook } from '../transfers.ts'
import { formatBytes, formatDuration } from './format.ts'
import type { Io } from './io.ts'

/** Where a line cannot be renewed: how far two lines about vectors are apart, at least. */
const APART_MS = 5000
/** More members than so many are counted, not named. */
const NAMED_MAX = 4
const ERASE = '\r\x1b[K'

export class NodeLog {
  readonly #io: Io
  readonly #member: MemberId
  readonly #now: () => number
  readonly #transfers = new TransferBook()
  /** The terminal's last line is one that will be written again. */
  #open = false
  #toldAt = Number.NEGATIVE_INFINITY

  /** `now`: milliseconds of a clock that does not go back. */
  constructor(io: Io, member: MemberId, now = () => performance.now()) {
    this.#io = io
    this.#member = member
    this.#now = now
  }

  /** `said`: the event in words; undefined for those that are only of use to programs. */
  event({ at, event }: EventLine, said: string | undefined): void {
    if (event.kind === 'transfer') this.#transfers.told(event, this.#now())
    else this.#transfers.heard(event.kind)
    if (said !== undefined) this.say(said, at)
    this.#renew()
  }

  say(text: string, at = Date.now()): void {
    this.#erase()
    this.#io.err(`${new Date(at).toISOString()} ${this.#member}: ${text}\n`)
  }

  /** For programs, to stdout, which may be the same terminal. */
  out(text: string): void {
    this.#erase()
    this.#io.out(text)
  }

  end(): void {
    this.#erase()
  }

  #renew(): void {
    const now = this.#now()
    const traffic = (['from', 'to'] as const).flatMap(way => this.#transfers.traffic(way, now) ?? [])
    if (this.#io.errTerminal) {
      this.#erase()
      if (traffic.length === 0) return
      const line = `${this.#member}: ${traffic.map(describeTraffic).join('; ')}`
      // One column stays free: a full line would begin the next.
      this.#io.err(line.slice(0, this.#io.columns() - 1))
      this.#open = true
      return
    }
    if (now < this.#toldAt + APART_MS || !traffic.some(t => t.ageMs >= APART_MS)) return
    this.#toldAt = now
    for (const t of traffic) this.say(describeTraffic(t))
  }

  #erase(): void {
    if (this.#open) this.#io.err(ERASE)
    this.#open = false
  }
}

/** Such as: gets 3 vectors from va, basel: 12.3 MB of 87.5 MB, 1.2 MB/s, 63 s left. */
export function describeTraffic(t: Traffic): string {
  const does = t.way === 'from' ? 'gets' : 'gives'
  const who = t.peers.length > NAMED_MAX ? `${t.peers.length} members` : t.peers.join(', ')
  const what = t.vectors === 1 ? 'a vector' : `${t.vectors} vectors`
  const rate = t.bytesPerSecond === undefined ? '' : `, ${formatBytes(t.bytesPerSecond)}/s`
  const left = t.remainingMs === undefined ? '' : `, ${formatDuration(t.remainingMs)} left`
  return `${does} ${what} ${t.way} ${who}: ${formatBytes(t.bytesDone)} of ${formatBytes(t.bytesTotal)}${rate}${left}`
}
