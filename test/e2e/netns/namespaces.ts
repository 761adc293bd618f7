/**
 * A network of namespaces on one machine: one for each hospital, with one interface, and a hub between them. The hospitals'
 * interfaces are macvlans in VEPA mode on one end of a veth pair: whatever one of them sends, also to its neighbour, comes
 * out at the other end, where the forwarding process reads it from a macvtap device and sends back what arrives. So there
 * is neither a bridge nor a route by which a packet could pass it by.
 *
 * The names hold this process's id, so that what a killed run has left behind is known and removed by the next.
 */
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'

const PREFIX = 'medmesh-'
const SUBNET = '10.77.0'
let taps = 0

export interface Namespaces {
  /** Of the hospitals, in order. */
  readonly names: readonly string[]
  readonly addresses: readonly string[]
  /** The file that the forwarding process opens. */
  readonly device: string
  /** Removes all of it; may be called again. */
  remove(): void
}

/** Why this machine cannot do it, in plain words; undefined: it can. Leaves nothing behind. */
export function whyNot(): string | undefined {
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux'
  if (process.getuid?.() !== 0) return 'network namespaces need root'
  try {
    execFileSync('ip', ['-V'], { stdio: 'ignore' })
  } catch {
    return 'the command ip (package iproute2) is not there'
  }
  let made: Namespaces | undefined
  try {
    made = makeNamespaces(1)
    if (!existsSync(made.device))
      return `the kernel made no device ${made.device} (a container without devtmpfs?)`
  } catch (error) {
    return `this machine does not let us make network namespaces with macvlan and macvtap (${reasonOf(error)})`
  } finally {
    made?.remove()
  }
  return undefined
}

/** Throws what `ip` says, and then leaves nothing behind. */
export function makeNamespaces(hospitals: number): Namespaces {
  removeLeftovers()
  const own = `${PREFIX}${process.pid}`
  const hub = `${own}-hub`
  const names = Array.from({ length: hospitals }, (_, i) => `${own}-${i + 1}`)
  const addresses = names.map((_, i) => `${SUBNET}.${i + 1}`)
  const remove = () => {
    for (const name of [...names, hub]) if (existing().includes(name)) ip('netns', 'delete', name)
  }
  try {
    ip('netns', 'add', hub)
    const inHub = (...args: string[]) => ip('-n', hub, 'link', ...args)
    inHub('add', 'lines', 'type', 'veth', 'peer', 'name', 'far')
    inHub('set', 'lines', 'up', 'promisc', 'on')
    inHub('set', 'far', 'up')
    const index = tapIndex()
    inHub('add', 'link', 'far', 'name', 'tap', 'index', index, 'type', 'macvtap', 'mode', 'passthru')
    inHub('set', 'tap', 'up')
    for (const [i, name] of names.entries()) {
      ip('netns', 'add', name)
      const mac = `02:00:00:00:00:${(i + 1).toString(16).padStart(2, '0')}`
      inHub('add', 'link', 'lines', 'name', `p${i}`, 'address', mac, 'type', 'macvlan', 'mode', 'vepa')
      inHub('set', `p${i}`, 'netns', name)
      const inside = (...args: string[]) => ip('-n', name, ...args)
      // One packet is one segment: else a loss would take many at once.
      inside('link', 'set', `p${i}`, 'name', 'eth0', 'gso_max_segs', '1')
      inside('address', 'add', `${addresses[i]}/24`, 'dev', 'eth0')
      inside('link', 'set', 'eth0', 'up')
      inside('link', 'set', 'lo', 'up')
    }
    return { names, addresses, device: `/dev/tap${index}`, remove }
  } catch (error) {
    remove()
    throw error
  }
}

/**
 * One that no namespace before had: its file under /dev is named by it, and goes only some time after its namespace. A new
 * device of that name would get no file.
 */
function tapIndex(): string {
  return String(1000 + 16 * process.pid + taps++)
}

/** What runs of processes that are no more have left. */
function removeLeftovers(): void {
  for (const name of existing()) {
    const pid = new RegExp(`^${PREFIX}(\\d+)-`).exec(name)?.[1]
    if (pid !== undefined && Number(pid) !== process.pid && !isAlive(pid)) ip('netns', 'delete', name)
  }
}

/** Whether a process of this comparison has that number. */
export function isAlive(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('netns')
  } catch {
    return false
  }
}

function existing(): string[] {
  return ip('netns', 'list')
    .split('\n')
    .map(line => line.split(' ')[0]!)
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] })
}

function reasonOf(error: unknown): string {
  const said = (error as { stderr?: string }).stderr?.trim() || (error as Error).message
  return said.split('\n')[0]!
}
