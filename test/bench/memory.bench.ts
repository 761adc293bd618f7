/**
 * Whether a peer's memory grows: secure sums over sockets, one round after the other, and the most that any peer had in the last
 * ten rounds relative to the second ten.
 *
 *   node test/bench/memory.bench.ts [--json FILE] [--peers 4] [--parameters 10000000] [--rounds 50]
 */
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { table } from '../../node/cli/format.ts'
import { runPeers } from './wire/peers.ts'

const LIMIT = 1.05
const WINDOW = 10

const { values } = parseArgs({
  options: {
    json: { type: 'string' },
    peers: { type: 'string', default: '4' },
    parameters: { type: 'string', default: '10000000' },
    rounds: { type: 'string', default: '50' },
  },
})
const [peers, parameters, rounds] = [values.peers, values.parameters, values.rounds].map(Number) as [
  number,
  number,
  number,
]
if (!(rounds >= 3 * WINDOW)) throw new Error(`${3 * WINDOW} rounds at least: tens of them are compared`)
const measured = await runPeers({ peers, parameters, rounds, way: 'secure', watched: true })
const mebibytes = (bytes: number) => (bytes / 2 ** 20).toFixed(0)
const peaks = measured.map(m => m.roundPeaks!)
const ofAll = Array.from({ length: rounds }, (_, k) => Math.max(...peaks.map(p => p[k]!)))
// One peer's peak hangs on what it has to wait for: only that of all is judged.
const rows = [...peaks, ofAll].map((roundPeaks, k) => {
  const most = (from: number) => Math.max(...roundPeaks.slice(from, from + WINDOW))
  const [first, second, last] = [most(0), most(WINDOW), most(rounds - WINDOW)]
  const limit = k === peers ? LIMIT : undefined
  return {
    peer: k === peers ? 'any' : String(k),
    first,
    second,
    last,
    growth: last / second,
    limit,
    roundPeaks,
  }
})
const lines = rows.map(r => [
  r.peer,
  mebibytes(r.first),
  mebibytes(r.second),
  mebibytes(r.last),
  r.growth.toFixed(3),
  r.limit?.toFixed(2) ?? '',
])
console.log(`peak of resident memory in MiB, ${parameters.toLocaleString('en')} parameters, ${rounds} rounds`)
const head = ['peer', `first ${WINDOW}`, `second ${WINDOW}`, `last ${WINDOW}`, 'growth', 'limit']
console.log(table([head, ...lines], [0, 1, 2, 3, 4, 5]).join('\n'))
if (values.json !== undefined) {
  writeFileSync(values.json, `${JSON.stringify({ peers, parameters, rounds, rows }, undefined, 2)}\n`)
}
