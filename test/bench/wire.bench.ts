/**
 * What a secure sum costs over real sockets, beside the same sum without masks and beside the bytes that any all-reduce must
 * move over bare libp2p streams: peers in processes of their own on 127.0.0.1, from the update in memory to the model applied.
 *
 *   node test/bench/wire.bench.ts [--json FILE] [--peers 4] [--parameters 1000000,10000000] [--alone] [--stream] [--breakdown]
 *
 * With `--alone` nothing is measured beside it, with `--stream` the update comes from the disk and not out of memory, with `--breakdown`
 * it is measured once more under a profiler: which step takes how long. Bytes sent are relative to 2 V (n - 1) / n for each of n peers (V:
 * bytes of the vector), time and CPU to those of the other ways in the same run. There are more peers than cores: CPU seconds of a peer
 * tell more than the wall clock.
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { table } from '../../node/cli/format.ts'
import { runPeers } from './wire/peers.ts'
import type { Case, Measured } from './wire/plan.ts'
import type { Breakdown } from './wire/profile.ts'

/** Of the time of the sum without masks: what the masked one may take. */
const PRIVACY_LIMIT = 1.6

/** Rounds 0 (statistics) and 1 warm up. */
const ROUNDS = 3

interface Row extends Case {
  readonly seconds: number
  /** Of the peer that sent most, relative to 2 V (n - 1) / n. */
  readonly bytesRatio: number
  readonly cpuSecondsMean: number
  /** Of the peer that needed most. */
  readonly peakBytes: number
  /** The same relative to V. */
  readonly memoryRatio: number
  /** Of the peer that was held up longest, at the 99th percentile. */
  readonly delayMs: number
  /** Of the first peer. */
  readonly breakdown?: NonNullable<Measured['breakdown']>
}

async function measure(c: Case): Promise<Row> {
  return rowOf(c, await runPeers(c))
}

function rowOf(c: Case, all: readonly Measured[]): Row {
  const vector = 4 * c.parameters
  const most = (of: (m: Measured) => number) => Math.max(...all.map(of))
  return {
    ...c,
    seconds: (most(m => m.to) - Math.min(...all.map(m => m.from))) / 1000,
    bytesRatio: most(m => m.bytesSent) / ((2 * vector * (c.peers - 1)) / c.peers),
    cpuSecondsMean: all.reduce((sum, m) => sum + m.cpuSeconds, 0) / all.length,
    peakBytes: most(m => m.peakBytes),
    memoryRatio: most(m => m.peakBytes) / vector,
    delayMs: most(m => m.delayMs),
    ...(all[0]!.breakdown && { breakdown: all[0]!.breakdown }),
  }
}

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    alone: { type: 'boolean', default: false },
    breakdown: { type: 'boolean', default: false },
    stream: { type: 'boolean', default: false },
    peers: { type: 'string', default: '4' },
    parameters: { type: 'string', default: '1000000,10000000' },
  },
})
const numbers = (text: string) => text.split(',').map(Number)

interface Compared extends Row {
  /** Seconds relative to those of the bare streams. */
  readonly toBare?: number
  /** Relative to the sum without masks: what privacy costs. */
  readonly toOpen?: { readonly seconds: number; readonly cpu: number; readonly limit: number }
}

async function compare(peers: number, parameters: number): Promise<Compared[]> {
  const of = (way: Case['way']) =>
    measure({ peers, parameters, rounds: ROUNDS, way, streamed: values.stream })
  if (values.alone) return [await of('secure')]
  const bare = await of('bare')
  const open = await of('open')
  const secure = await of('secure')
  const toOpen = {
    seconds: secure.seconds / open.seconds,
    cpu: secure.cpuSecondsMean / open.cpuSecondsMean,
    limit: PRIVACY_LIMIT,
  }
  return [
    bare,
    { ...open, toBare: open.seconds / bare.seconds },
    { ...secure, toBare: secure.seconds / bare.seconds, toOpen },
  ]
}

const rows: Compared[] = []
for (const parameters of numbers(values.parameters)) {
  for (const peers of numbers(values.peers)) {
    rows.push(...(await compare(peers, parameters)))
    if (values.breakdown) rows.push(await measure({ peers, parameters, rounds: ROUNDS, way: 'profiled' }))
  }
}
const head = [
  'parameters',
  'peers',
  'way',
  'seconds',
  'to bare',
  'to open',
  'CPU s a peer',
  'to open',
  'limit',
  'bytes',
  'memory MB',
  'to V',
  'delay ms',
]
const lines = rows.map(r => [
  r.parameters.toLocaleString('en'),
  String(r.peers),
  r.way,
  r.seconds.toFixed(2),
  r.toBare?.toFixed(2) ?? '',
  r.toOpen?.seconds.toFixed(2) ?? '',
  r.cpuSecondsMean.toFixed(2),
  r.toOpen?.cpu.toFixed(2) ?? '',
  r.toOpen?.limit.toFixed(2) ?? '',
  r.bytesRatio.toFixed(3),
  (r.peakBytes / 1e6).toFixed(0),
  r.memoryRatio.toFixed(1),
  r.delayMs.toFixed(0),
])
console.log(table([head, ...lines], [0, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]).join('\n'))
for (const { parameters, peers, breakdown } of rows) {
  if (!breakdown) continue
  const steps = Object.keys(breakdown.main) as (keyof Breakdown)[]
  const of = (thread: Breakdown) => steps.map(step => thread[step].toFixed(2))
  console.log(
    `\nseconds of a peer under a profiler, ${parameters.toLocaleString('en')} parameters, ${peers} peers`,
  )
  const threads = [
    ['thread', ...steps],
    ['network', ...of(breakdown.main)],
    ['vectors', ...of(breakdown.worker)],
  ]
  console.log(
    table(
      threads,
      steps.map((_, k) => k + 1),
    ).join('\n'),
  )
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(rows, undefined, 2)}\n`)
