/**
 * TCP lines between nodes on 127.0.0.1, one for each pair, whichever of the two dials: they count what they carry, can be cut
 * at a given byte, and carry no more than a byte a second.
 */
import { connect, createServer, type Server, type Socket } from 'node:net'

const HOST = '127.0.0.1'
const TRICKLE_MS = 1000

export class Lines {
  readonly #lines: ReadonlyMap<string, Line>

  private constructor(lines: ReadonlyMap<string, Line>) {
    this.#lines = lines
  }

  /** `ports`: where each node listens. */
  static async between(ports: readonly number[]): Promise<Lines> {
    const lines = new Map<string, Line>()
    for (let a = 0; a < ports.length; a++) {
      for (let b = a + 1; b < ports.length; b++) lines.set(`${a} ${b}`, await Line.between(a, b, ports))
    }
    return new Lines(lines)
  }

  of(a: number, b: number): Line {
    return this.#lines.get(`${Math.min(a, b)} ${Math.max(a, b)}`)!
  }

  /** All lines of one node. */
  all(of: number): Line[] {
    return [...this.#lines.values()].filter(line => line.ends.includes(of))
  }

  /** Where `from` finds the node at each place; its own place is where nobody is. */
  addressesFor(from: number, count: number): string[] {
    return Array.from({ length: count }, (_, to) => {
      return `/ip4/${HOST}/tcp/${to === from ? 9 : this.of(from, to).portFor(from)}`
    })
  }

  async close(): Promise<void> {
    await Promise.all([...this.#lines.values()].map(line => line.close()))
  }
}

/** One connection that somebody has dialled: the line's own socket to either end. */
type Joint = ReadonlyMap<number, Socket>

export class Line {
  readonly ends: readonly [number, number]
  readonly #servers = new Map<number, Server>()
  readonly #joints = new Set<Joint>()
  readonly #carried = new Map<number, number>()
  readonly #slow = new Set<number>()
  /** Dials that are still hung up. */
  #refusals = 0
  #mark: { readonly from: number; left: number; readonly act: () => void } | undefined

  private constructor(ends: readonly [number, number]) {
    this.ends = ends
  }

  /** `ports`: where each node listens, by its place. */
  static async between(a: number, b: number, ports: readonly number[]): Promise<Line> {
    const line = new Line([a, b])
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      const server = createServer(socket => line.#join(from, socket, to, ports[to]!))
      line.#servers.set(from, server)
      await new Promise<void>(done => server.listen(0, HOST, done))
    }
    return line
  }

  /** Where `from` dials to get to the other end. */
  portFor(from: number): number {
    return (this.#servers.get(from)!.address() as { port: number }).port
  }

  /** Bytes that came from this end since the beginning, and were passed on. */
  carriedFrom(end: number): number {
    return this.#carried.get(end) ?? 0
  }

  /** Calls back once `from` has sent so many bytes more, which are passed on; what follows them is not, until the call is done. */
  after(bytes: number, from: number, act: () => void): void {
    this.#mark = { from, left: Math.ceil(bytes), act }
  }

  /** What `after` was to call, it will not. */
  forget(): void {
    this.#mark = undefined
  }

  /** Both ends see their connections end, and so many dials fail before there is another. */
  cut(refusals = 0): void {
    this.#refusals = refusals
    for (const joint of this.#joints) end(joint)
    this.#joints.clear()
  }

  /** From now on a byte a second goes on of what comes from this end, until the line heals. */
  trickle(from: number): void {
    this.#slow.add(from)
  }

  /** As it was at first. What has been held back goes on. */
  heal(): void {
    this.#slow.clear()
  }

  async close(): Promise<void> {
    this.cut(Number.POSITIVE_INFINITY)
    await Promise.all([...this.#servers.values()].map(s => new Promise(done => s.close(done))))
  }

  #join(from: number, socket: Socket, to: number, port: number): void {
    if (this.#refusals > 0) {
      this.#refusals--
      socket.destroy()
      return
    }
    const other = connect(port, HOST)
    const joint: Joint = new Map([
      [from, socket],
      [to, other],
    ])
    this.#joints.add(joint)
    for (const [side, source] of joint) {
      source.setNoDelay(true)
      source.on('error', () => {})
      source.on('close', () => {
        this.#joints.delete(joint)
        end(joint)
      })
      source.on('data', chunk => this.#pass(joint, side, chunk))
    }
  }

  #pass(joint: Joint, from: number, chunk: Buffer): void {
    const [source, target] = this.#waysOf(joint, from)
    if (source.destroyed || chunk.length === 0) return
    if (this.#slow.has(from)) {
      this.#hold(joint, from, chunk)
      return
    }
    const mark = this.#mark?.from === from ? this.#mark : undefined
    const now = mark ? chunk.subarray(0, mark.left) : chunk
    this.#carried.set(from, this.carriedFrom(from) + now.length)
    if (!target.write(now)) {
      source.pause()
      target.once('drain', () => source.resume())
    }
    if (!mark) return
    mark.left -= now.length
    if (mark.left > 0) return
    this.#mark = undefined
    mark.act()
    this.#pass(joint, from, chunk.subarray(now.length))
  }

  /** Reads no more until this has gone, byte by byte, or the line has healed. */
  #hold(joint: Joint, from: number, chunk: Buffer): void {
    const [source, target] = this.#waysOf(joint, from)
    source.pause()
    let at = 0
    const timer = setInterval(() => {
      if (this.#slow.has(from) && at < chunk.length) {
        this.#carried.set(from, this.carriedFrom(from) + 1)
        target.write(chunk.subarray(at, ++at))
        return
      }
      clearInterval(timer)
      source.resume()
      this.#pass(joint, from, chunk.subarray(at))
    }, TRICKLE_MS)
    source.once('close', () => clearInterval(timer))
  }

  #waysOf(joint: Joint, from: number): [source: Socket, target: Socket] {
    const [a, b] = this.ends
    return [joint.get(from)!, joint.get(from === a ? b : a)!]
  }
}

function end(joint: Joint): void {
  for (const socket of joint.values()) socket.destroy()
}
