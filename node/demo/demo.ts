/** The demo from end to end: set up, run with one hospital lost and found, verify everything, compare, report. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { quorum } from '../../config/charter.ts'
import { MedmeshError } from '../../config/error.ts'
import { toHex } from '../../protocol/bytes.ts'
import type { MemberId, ModelState } from '../../protocol/ports.ts'
import type { Io } from '../cli/io.ts'
import { describeRecords, readModel, readRecords, verifyRecords, withStore } from '../cli/ledger-file.ts'
import { replaceFile } from '../cli/write.ts'
import { loadNodeConfig } from '../config.ts'
import { contributionOf } from '../contribution.ts'
import { loadDataset } from '../data/csv.ts'
import { Board } from './board.ts'
import { nodeLaunch } from './child.ts'
import { compare } from './compare.ts'
import { planFault } from './fault-plan.ts'
import { runMesh } from './mesh.ts'
import { type DemoRecord, demoJson } from './result.ts'
import { DEFAULT_STUDY, type DemoStudy, setUp } from './setup.ts'
import { summary } from './summary.ts'
import { treeView } from './tree.ts'

export interface DemoOptions {
  readonly rounds?: number
  readonly seed: number
  readonly study?: string
  /** Kill one hospital and start it again. */
  readonly fault: boolean
  /** Directory for report.html. */
  readonly report: string
  readonly json?: string
  /** Keep the hospitals' directories here; else they are temporary. */
  readonly dir?: string
  readonly timeoutS?: number
}

/** A round takes well under a second; a lost hospital may cost the charter's deadlines once or twice. */
const TIMEOUT_MS = { start: 90_000, round: 4000 }

/** Runs the demo and writes its files. Throws MedmeshError (DEMO_ codes) when anything that must hold does not. */
export async function runDemo(options: DemoOptions, io: Io): Promise<DemoRecord> {
  const started = Date.now()
  const temporary = options.dir === undefined ? mkdtempSync(join(tmpdir(), 'medmesh-demo-')) : undefined
  try {
    const dir = temporary ?? resolve(options.dir!)
    const study = await setUp({ study: options.study ?? DEFAULT_STUDY, dir, rounds: options.rounds })
    const { charter, signers } = study.trusted
    const names = study.hospitals.map(h => h.member)
    const { rounds } = charter.training
    io.out(`${charter.study.title}\n${names.length} hospitals, ${rounds} rounds, seed ${options.seed}\n`)
    io.out(`charter signed by ${signers.join(', ')}; verified\n\n`)
    const board = new Board(names)
    await train(study, board, options, io)
    const { ledger, contribution, model } = checkAll(study, board)
    io.out('\nTraining models for comparison only: each hospital alone, and all records pooled ...\n')
    const datasets = new Map(study.hospitals.map(h => [h.member, loadDataset(h.dataFile, charter)]))
    const comparison = await compare(charter, datasets, model, options.seed)
    const record: DemoRecord = {
      title: charter.study.title,
      seed: options.seed,
      rounds,
      charterHash: study.trusted.hash,
      threshold: charter.threshold,
      maliciousMax: charter.maliciousMax,
      privacy: charter.privacy,
      quorum: quorum(names.length, charter.maliciousMax),
      hospitals: study.hospitals.map(({ member, name }) => ({
        member,
        name,
        trainRows: datasets.get(member)!.train.y.length,
        testRows: datasets.get(member)!.test.y.length,
        oneClass: new Set(datasets.get(member)!.train.y).size === 1,
      })),
      board,
      comparison,
      ledger,
      contribution,
      seconds: (Date.now() - started) / 1000,
    }
    io.out(`${summary(record).join('\n')}\n`)
    await writeFiles(record, options, io)
    return record
  } finally {
    if (temporary !== undefined) rmSync(temporary, { recursive: true, force: true })
  }
}

async function train(study: DemoStudy, board: Board, options: DemoOptions, io: Io): Promise<void> {
  const { rounds } = study.trusted.charter.training
  const tree = treeView(board, rounds, io)
  const timeoutMs =
    options.timeoutS === undefined ? TIMEOUT_MS.start + rounds * TIMEOUT_MS.round : options.timeoutS * 1000
  try {
    await runMesh({
      board,
      launches: new Map(study.hospitals.map(h => [h.member, nodeLaunch(h.dir)])),
      fault: options.fault ? planFault(options.seed, board.members, rounds) : undefined,
      onChange: tree.update,
      say: tree.say,
      signal: io.signal,
      timeoutMs,
    })
  } finally {
    tree.end()
  }
}

/** What must hold after the study, from the hospitals' own stores. */
function checkAll(
  study: DemoStudy,
  board: Board,
): Pick<DemoRecord, 'ledger' | 'contribution'> & { model: ModelState } {
  const { trust } = study.trusted
  const copies = study.hospitals.map(({ member, dir }) => {
    const { storeFile } = loadNodeConfig(dir)
    return withStore(storeFile, store => {
      const durable = store.load()
      const records = readRecords(durable)
      const report = verifyRecords(trust, records)
      return { member, records, report, model: readModel(durable, trust, report.state.modelHash) }
    })
  })
  const [first] = copies
  const head = toHex(first!.report.state.head)
  const other = copies.find(c => toHex(c.report.state.head) !== head)
  if (other !== undefined) {
    throw failed(
      'DEMO_LEDGERS_DIFFER',
      `the ledgers of ${first!.member} and ${other.member} are not one chain`,
    )
  }
  const ledgerModel = toHex(first!.report.state.modelHash)
  const strange = board.members.find((m: MemberId) => board.finished.get(m) !== ledgerModel)
  if (strange !== undefined) {
    throw failed('DEMO_MODELS_DIFFER', `${strange} finished with another model than the ledger names`)
  }
  const ledger = {
    entries: describeRecords(first!.records),
    signatures: first!.report.signatures,
    head,
    verified: true,
  }
  const { charter } = study.trusted
  const bodies = ledger.entries.map(({ entry }) => entry.body)
  const contribution =
    charter.contribution && contributionOf(first!.member, charter, first!.report.state, bodies)
  return { ledger, contribution, model: first!.model }
}

async function writeFiles(record: DemoRecord, options: DemoOptions, io: Io): Promise<void> {
  const { reportHtml } = await import('../report/report.ts')
  mkdirSync(options.report, { recursive: true })
  const file = join(resolve(options.report), 'report.html')
  replaceFile(file, reportHtml(record))
  io.out(`\nReport   ${file}\n`)
  if (options.json !== undefined) {
    replaceFile(resolve(options.json), `${JSON.stringify(demoJson(record), null, 2)}\n`)
    io.out(`JSON     ${resolve(options.json)}\n`)
  }
  if (options.dir !== undefined) io.out(`Hospitals ${resolve(options.dir)}\n`)
}

function failed(code: string, what: string): MedmeshError {
  return new MedmeshError(
    code,
    what,
    'this must never happen: run again with --dir, keep it, and report a bug',
  )
}
