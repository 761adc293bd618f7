/**
 * The heart-disease study over several seeds: what does training together gain over training alone, and what does it
 * lose against rows in one place? `npm run study:heart`, or with --json FILE, --charter FILE, --seeds N.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Charter } from '../../config/charter.ts'
import { completeDraft, parseDraft } from '../../config/parse.ts'
import { loadDataset } from '../../node/data/csv.ts'
import type { Scores } from '../../node/evaluation.ts'
import { chooseBackend } from '../../node/training/backend.ts'
import { toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { publicKeyOf } from '../../protocol/crypto/sign.ts'
import { type Federate, type Study, trainAlone, trainPooled } from './models.ts'
import { federateByProtocol } from './protocol.ts'
import { scoreEverywhere } from './score.ts'

/** Scores of one model (a hospital's name, `federated` or `pooled`) on each test set, seed after seed. */
export type Results = ReadonlyMap<string, ReadonlyMap<string, readonly Scores[]>>

export async function runStudy(study: Study, seeds: readonly number[], together: Federate): Promise<Results> {
  const results = new Map<string, Map<string, Scores[]>>()
  for (const seed of seeds) {
    const trained = new Map(
      await Promise.all(
        [...study.datasets].map(async ([name, data]) => [name, await trainAlone(study, data, seed)] as const),
      ),
    )
    trained.set('federated', await together(study, seed))
    trained.set('pooled', await trainPooled(study, seed))
    for (const [name, state] of trained) {
      const row = results.get(name) ?? new Map<string, Scores[]>()
      for (const [on, score] of await scoreEverywhere(study.charter, state, study.datasets)) {
        row.set(on, [...(row.get(on) ?? []), score])
      }
      results.set(name, row)
    }
  }
  return results
}

/** The key of a member that exists only here; 32 bytes. */
export function keySeedOf(id: string): Uint8Array {
  return sha256(new TextEncoder().encode(id))
}

/** The study's draft, completed with keys that nobody holds: nothing is signed here. */
export function studyCharter(file: string): Charter {
  const draft = parseDraft(readFileSync(file, 'utf8'), name =>
    readFileSync(join(dirname(file), name), 'utf8'),
  )
  return completeDraft(
    draft,
    draft.members.map(({ id }, i) => ({
      id,
      publicKey: toHex(publicKeyOf(keySeedOf(id))),
      addresses: [`/ip4/127.0.0.1/tcp/${4001 + i}`],
    })),
  )
}

export async function openStudy(file: string): Promise<Study> {
  const charter = studyCharter(file)
  const data = (id: string) => loadDataset(join(dirname(file), 'data', `${id}.csv`), charter)
  const datasets = new Map(charter.members.map(({ id }) => [id, data(id)]))
  return { charter, datasets, backend: await chooseBackend() }
}

export const mean = (xs: readonly number[]) => xs.reduce((a, b) => a + b, 0) / xs.length
const deviation = (xs: readonly number[]) =>
  xs.length < 2 ? 0 : Math.sqrt(xs.reduce((a, x) => a + (x - mean(xs)) ** 2, 0) / (xs.length - 1))

function table(results: Results, tests: readonly string[], what: 'auc' | 'accuracy'): string {
  const cell = (scores: readonly Scores[]) => {
    const xs = scores.map(s => s[what]).filter(x => x !== undefined)
    return xs.length < scores.length ? 'one class' : `${mean(xs).toFixed(3)} ± ${deviation(xs).toFixed(3)}`
  }
  const rows = [...results].map(([name, on]) => [name, ...tests.map(t => cell(on.get(t)!))])
  const lines = [[`${what} of \\ on`, ...tests], ...rows]
  const width = lines[0]!.map((_, i) => Math.max(...lines.map(l => l[i]!.length)))
  return lines.map(l => l.map((c, i) => c.padEnd(width[i]!)).join('  ')).join('\n')
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      charter: { type: 'string', default: 'config/studies/heart-disease/charter.yaml' },
      seeds: { type: 'string', default: '5' },
      json: { type: 'string' },
    },
  })
  const study = await openStudy(resolve(values.charter))
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i)
  const results = await runStudy(study, seeds, federateByProtocol)
  const tests = [...study.datasets.keys(), 'pooled']
  const { rounds, localUpdates, batchSize, optimizer, learningRate, clipNorm } = study.charter.training
  console.log(
    `${study.charter.study.title}; ${seeds.length} seeds, mean ± deviation; backend ${study.backend.name}`,
  )
  console.log(
    `${rounds} rounds of ${localUpdates} x ${batchSize} rows, ${optimizer} ${learningRate}, clip ${clipNorm}`,
  )
  console.log(`\n${table(results, tests, 'auc')}\n\n${table(results, tests, 'accuracy')}`)
  console.log('\npooled: trained on all rows in one place, for comparison only')
  if (values.json !== undefined) {
    const plain = Object.fromEntries([...results].map(([name, on]) => [name, Object.fromEntries(on)]))
    writeFileSync(
      values.json,
      `${JSON.stringify({ seeds, training: study.charter.training, results: plain }, null, 2)}\n`,
    )
  }
}

if (import.meta.main) await main()
