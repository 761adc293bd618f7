/**
 * What one hospital of a large cohort computes in an attempt, step by step, with the kernels and the cryptography of a node: in the
 * graph in which each shares masks with 64 others, and beside it in the complete one.
 *
 *   node test/bench/graph.bench.ts [--json FILE] [--peers 64,128] [--parameters 1000000]
 *
 * Each case is a process of its own. Figures are CPU milliseconds of one hospital, and growth from the first row on: masks must
 * grow like pairs, and what is done with the vector otherwise not at all. Shares and what is recovered of them grow like peers,
 * whatever the vector's length (SPEC S3, S11).
 */
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { quorum } from '../../config/charter.ts'
import { table } from '../../node/cli/format.ts'
import { ascii, equalBytes } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import type { CohortContext } from '../../protocol/round/context.ts'
import { maskPartners, pairKey } from '../../protocol/round/pair-keys.ts'
import {
  attemptKeys,
  dealShares,
  digestOf,
  openShares,
  selfCommitment,
  selfMaskKey,
  shareDigest,
} from '../../protocol/round/secrets.ts'
import { P } from '../../protocol/sum/field.ts'
import { runVectorWork } from '../../protocol/sum/kernels.ts'
import { masksInto } from '../../protocol/sum/mask.ts'
import { combiner } from '../../protocol/sum/shamir.ts'
import { shardRange } from '../../protocol/sum/shards.ts'

interface Case {
  readonly peers: number
  readonly parameters: number
  readonly graph: 'as built' | 'complete'
}

const STEPS = ['keys', 'shares', 'pairKeys', 'masks', 'sum', 'tags', 'recover', 'apply'] as const
type Step = (typeof STEPS)[number]

interface Measured extends Case {
  /** Pairwise masks of one hospital. */
  readonly pairs: number
  /** CPU milliseconds of one hospital. */
  readonly ms: Readonly<Record<Step, number>>
}

/** The least of so many counts: what else runs on the machine only adds. */
const RUNS = 3
const COMPLETE = new URL('./graph/complete.ts', import.meta.url).href

/** One hospital, the one in the middle of the cohort, in an attempt that all survive. */
function one({ peers: n, parameters, graph }: Case): Measured {
  const ms: Partial<Record<Step, number>> = {}
  const timed = <T>(step: Step, work: () => T): T => {
    let result = work() // The engine compiles what is used much.
    let least = Number.POSITIVE_INFINITY
    for (let k = 0; k < RUNS; k++) {
      const before = process.cpuUsage()
      result = work()
      const { user, system } = process.cpuUsage(before)
      least = Math.min(least, (user + system) / 1000)
    }
    ms[step] = least
    return result
  }
  const cohort = Array.from({ length: n }, (_, i) => `hospital-${i}`)
  const seeds = new Map(cohort.map(m => [m, sha256(ascii(m))]))
  const owns = new Map(cohort.map(m => [m, attemptKeys(seeds.get(m)!)]))
  const keys = new Map(
    [...owns].map(([m, o]) => [
      m,
      { mask: o.mask.publicKey, channel: o.channel.publicKey, selfCommit: selfCommitment(o.selfSeed) },
    ]),
  )
  const threshold = quorum(n, Math.floor((n - 1) / 3))
  const context: CohortContext = {
    round: 1,
    attempt: 0,
    opened: sha256(),
    cohort,
    keys,
    threshold,
    audits: false,
    levels: 0,
  }
  const dealt = new Map(cohort.map(m => [m, dealShares(context, m, owns.get(m)!)]))
  const offerOf = (m: string) => dealt.get(m)!.offer
  const me = cohort[n >> 1]!
  const own = owns.get(me)!
  const others = cohort.filter(m => m !== me)
  const must = (holds: boolean) => {
    if (!holds) throw new Error('the hospitals do not fit together')
  }

  timed('keys', () => attemptKeys(seeds.get(me)!))
  timed('shares', () => {
    dealShares(context, me, own)
    for (const from of others) {
      const shares = openShares(context, me, own, from, dealt.get(from)!.sealed.get(me)!)!
      for (const kind of ['self', 'mask'] as const) {
        must(
          equalBytes(
            shareDigest(context, kind, from, me, shares[kind]),
            digestOf(context, offerOf(from), kind, me),
          ),
        )
      }
    }
  })
  const pairs = timed('pairKeys', () =>
    maskPartners(context, me).map(
      m =>
        pairKey(
          context,
          { id: me, maskSeed: own.maskSeed, pair: own.mask },
          m,
          offerOf(m),
          dealt.get(me)!.pairs.get(m),
        )!,
    ),
  )
  const vector = Uint32Array.from({ length: parameters }, (_, i) => (i * 1_000_003) % P)
  timed('masks', () => masksInto(vector, [{ key: selfMaskKey(context, own.selfSeed), sign: 1 }, ...pairs]))
  const slices = cohort.map((_, k) => vector.subarray(...shardRange(parameters, n, k)))
  const selfMask = (m: string) => ({ key: selfMaskKey(context, owns.get(m)!.selfSeed), sign: -1 }) as const
  timed('sum', () =>
    runVectorWork({
      kind: 'sum',
      inputs: cohort.map(() => slices[0]!),
      masked: { from: 0, masks: cohort.map(selfMask) },
    }),
  )
  const starts = slices.map((_, k) => shardRange(parameters, n, k)[0])
  timed('tags', () => {
    const coin = sha256()
    const ofSums = slices.map(vector => ({ vector }))
    const own = ofSums.map((item, k) => ({ ...item, masked: { from: starts[k]!, masks: [selfMask(me)] } }))
    runVectorWork({ kind: 'tag', coin, items: [...own, ...ofSums] })
  })
  const holders = cohort.slice(0, threshold)
  const revealed = holders.map(holder =>
    cohort.map(from =>
      from === holder
        ? dealt.get(from)!.own.self
        : openShares(context, holder, owns.get(holder)!, from, dealt.get(from)!.sealed.get(holder)!)!.self,
    ),
  )
  timed('recover', () => {
    revealed.forEach((shares, h) => {
      shares.forEach((share, i) => {
        const [from, to] = [cohort[i]!, holders[h]!]
        must(
          equalBytes(
            shareDigest(context, 'self', from, to, share),
            digestOf(context, offerOf(from), 'self', to),
          ),
        )
      })
    })
    const combine = combiner(holders.map((_, h) => h))
    cohort.forEach((m, i) => {
      const seed = combine.ok ? combine.value(revealed.map(shares => shares[i]!)) : combine
      must(seed.ok && equalBytes(selfCommitment(seed.value), keys.get(m)!.selfCommit))
    })
  })
  timed('apply', () => runVectorWork({ kind: 'apply', sums: slices, step: undefined }))
  return { peers: n, parameters, graph, pairs: pairs.length, ms: ms as Record<Step, number> }
}

function measure(c: Case): Measured {
  const file = fileURLToPath(import.meta.url)
  const args = [...(c.graph === 'complete' ? ['--import', COMPLETE] : []), file, '--one', JSON.stringify(c)]
  const done = spawnSync(process.execPath, args, { encoding: 'utf8' })
  if (done.status !== 0)
    throw new Error(`${c.peers} peers: ended with ${done.status ?? done.signal}\n${done.stderr}`)
  return JSON.parse(done.stdout) as Measured
}

function main(): void {
  const { values } = parseArgs({
    options: {
      json: { type: 'string' },
      one: { type: 'string' },
      peers: { type: 'string', default: '64,128' },
      parameters: { type: 'string', default: '1000000' },
    },
  })
  if (values.one !== undefined) {
    process.stdout.write(JSON.stringify(one(JSON.parse(values.one) as Case)))
    return
  }
  const parameters = Number(values.parameters)
  const all: Measured[] = []
  for (const peers of values.peers.split(',').map(Number)) {
    const built = measure({ peers, parameters, graph: 'as built' })
    all.push(built)
    if (built.pairs < peers - 1) all.push(measure({ peers, parameters, graph: 'complete' }))
  }
  const [first] = all
  const head = ['peers', 'graph', 'pairs', ...STEPS, 'peers x', 'pairs x', 'masks x']
  const rows = all.map(m => [
    String(m.peers),
    m.graph,
    String(m.pairs),
    ...STEPS.map(step => m.ms[step].toFixed(1)),
    (m.peers / first!.peers).toFixed(2),
    (m.pairs / first!.pairs).toFixed(2),
    (m.ms.masks / first!.ms.masks).toFixed(2),
  ])
  console.log(`${parameters.toLocaleString('en')} parameters; CPU ms of one hospital`)
  console.log(
    table(
      [head, ...rows],
      head.map((_, i) => i).filter(i => i !== 1),
    ).join('\n'),
  )
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(all, undefined, 2)}\n`)
}

main()
