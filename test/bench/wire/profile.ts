/** Where the processor time of one thread goes: a sampling profile, its samples sorted into the steps of a secure sum. */
import { type Profiler, Session } from 'node:inspector/promises'

export const STEPS = [
  'cipher',
  'hash',
  'tags',
  'arithmetic',
  'copy',
  'wire',
  'store',
  'protocol',
  'collector',
  'other',
] as const
export type Step = (typeof STEPS)[number]

/** Seconds of processor time by step; `wait`: of the wall clock in which the thread did not run. */
export type Breakdown = Readonly<Record<Step | 'wait', number>>

const SAMPLE_MICROS = 500

/** A step by the function's name, file and line, the first that fits. */
const RULES: readonly (readonly [Step, RegExp])[] = [
  ['collector', /^\(garbage collector\)/],
  ['hash', /oneShotDigest|\bHash\b|crypto\/hash/],
  ['tags', /sum\/tag\.ts|multiply|wasm-function\[7\]/],
  [
    'cipher',
    /crypto\/cipher|crypto\/keystream|CipherBase|chaCha20Poly1305|noise\.ts|^(update|final|setAAD|run) :/,
  ],
  ['copy', /^(concat|set|slice|copy|fill|_copyActual) |#takeInto|memory\.ts|createUnsafeBuffer|bl\.js/],
  ['store', /node\/store\/|sqlite|^(exec|read|open|close|fsync|writeBuffer) :|node:fs/],
  ['arithmetic', /sum\/|model\/(apply|contribution|state)\.ts|^wasm/],
  ['protocol', /\/protocol\/|node\/host\.ts|zod/],
  [
    'wire',
    /node_modules|node\/net\/|node:(net|internal\/(streams|stream_base|event|process\/task|timers))|^writev/,
  ],
]

/** On which a peer tells its worker to `start` and to `stop`, and has its breakdown. */
export const PROFILE_CHANNEL = 'medmesh bench profile'

export interface Sampling {
  /** Ends it; what this thread has done since. */
  stop(): Promise<Breakdown>
}

export async function sample(): Promise<Sampling> {
  const session = new Session()
  session.connect()
  await session.post('Profiler.enable')
  await session.post('Profiler.setSamplingInterval', { interval: SAMPLE_MICROS })
  await session.post('Profiler.start')
  const from = performance.now()
  const before = process.threadCpuUsage()
  return {
    async stop() {
      const { user, system } = process.threadCpuUsage(before)
      const wallSeconds = (performance.now() - from) / 1000
      const { profile } = await session.post('Profiler.stop')
      session.disconnect()
      const cpuSeconds = (user + system) / 1e6
      return { ...steps(profile, cpuSeconds), wait: Math.max(0, wallSeconds - cpuSeconds) }
    },
  }
}

/**
 * A thread that has to wait for a core is sampled in its last function: only the shares of the samples count, and the seconds
 * are the thread's own.
 */
function steps(profile: Profiler.Profile, cpuSeconds: number): Record<Step, number> {
  const micros = Object.fromEntries(STEPS.map(step => [step, 0])) as Record<Step, number>
  const byId = new Map(profile.nodes.map(node => [node.id, node]))
  let busy = 0
  profile.samples?.forEach((id, i) => {
    const step = stepOf(byId.get(id)!)
    if (!step) return
    const delta = profile.timeDeltas![i]!
    micros[step] += delta
    busy += delta
  })
  for (const step of STEPS) micros[step] *= busy > 0 ? cpuSeconds / busy : 0
  return micros
}

/** Undefined: the thread had nothing to do. */
function stepOf({ callFrame }: Profiler.ProfileNode): Step | undefined {
  if (callFrame.functionName === '(idle)') return undefined
  const text = `${callFrame.functionName} ${callFrame.url}:${callFrame.lineNumber + 1}`
  return RULES.find(([, rule]) => rule.test(text))?.[0] ?? 'other'
}
