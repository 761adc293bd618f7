/** `medmesh model`: the global model, measured on this hospital's own rows, and as files for other programs. */
import { existsSync, mkdirSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Command, Option } from 'commander'
import { MedmeshError } from '../../../config/error.ts'
import { protectionInWords } from '../../../config/words.ts'
import { toHex } from '../../../protocol/bytes.ts'
import type { LedgerState } from '../../../protocol/ledger/state.ts'
import type { ModelState } from '../../../protocol/ports.ts'
import { loadNodeConfig, type NodeConfig } from '../../config.ts'
import { readTrusted, type TrustedCharter } from '../charter-file.ts'
import { formatScore, shortHash } from '../format.ts'
import type { Io } from '../io.ts'
import { readModel, readRecords, verifyRecords, withStore } from '../ledger-file.ts'
import { replaceFile } from '../write.ts'

export function registerModel(program: Command, io: Io): void {
  const model = program
    .command('model')
    .description('the global model: evaluate, export')
    .addHelpText(
      'after',
      '\nExamples:\n  medmesh model evaluate cleveland\n  medmesh model export cleveland --to model',
    )
  model
    .command('evaluate')
    .description("measure the global model on this hospital's test rows; nothing is sent")
    .argument('<dir>', "the hospital's directory")
    .option('--json', 'print the result as JSON')
    .addHelpText('after', '\nExample:\n  medmesh model evaluate cleveland --json')
    .action(async (dir: string, { json }: { json?: boolean }) => {
      const result = await evaluateModel(loadNodeConfig(dir))
      io.out(json ? `${JSON.stringify(result, null, 2)}\n` : evaluatedInWords(result))
    })
  model
    .command('export')
    .description("write the global model to files, if the charter's export policy allows it")
    .argument('<dir>', "the hospital's directory")
    .requiredOption('--to <path>', 'directory for tfjs, file for safetensors; nothing is overwritten')
    .addOption(
      new Option('--format <format>', 'tfjs: model.json and weights.bin')
        .choices(['tfjs', 'safetensors'])
        .default('tfjs'),
    )
    .option('--json', 'print the result as JSON')
    .addHelpText(
      'after',
      `
Both forms hold the names of the inputs and their means and deviations: an input enters the model as
(x - mean) / deviation.

Examples:
  medmesh model export cleveland --to model
  medmesh model export cleveland --to model.safetensors --format safetensors`,
    )
    .action(async (dir: string, options: { to: string; format: 'tfjs' | 'safetensors'; json?: boolean }) => {
      const made = await exportModel(loadNodeConfig(dir), options.to, options.format)
      io.out(options.json ? `${JSON.stringify(made, null, 2)}\n` : exportedInWords(made))
    })
}

interface GlobalModel {
  readonly trusted: TrustedCharter
  readonly state: ModelState
  readonly modelHash: string
  /** Training rounds that went into it. */
  readonly round: number
}

/** The verified model of a hospital's store. Throws MedmeshError MODEL_UNTRAINED and those of ledger and store. */
function globalModel(config: NodeConfig): GlobalModel {
  const trusted = readTrusted(config.charterFile, undefined)
  const durable = withStore(config.storeFile, store => store.load())
  const { state: ledger } = verifyRecords(trusted.trust, readRecords(durable))
  const round = roundsDone(ledger)
  if (round < 1) {
    throw new MedmeshError(
      'MODEL_UNTRAINED',
      'no training round is closed yet',
      'let the node run through a round',
    )
  }
  const state = readModel(durable, trusted.trust, ledger.modelHash)
  return { trusted, state, modelHash: toHex(ledger.modelHash), round }
}

function roundsDone({ phase, charter }: LedgerState): number {
  const { rounds } = charter.training
  if (phase.kind === 'complete' || phase.kind === 'finished') return rounds
  const next = phase.kind === 'between' ? phase.round : phase.opened.round
  return Math.min(rounds, next - 1)
}

interface Evaluated {
  readonly member: string
  readonly modelHash: string
  readonly round: number
  readonly rounds: number
  readonly testRows: number
  /** null: cannot be told. */
  readonly auc: number | null
  readonly accuracy: number | null
  /** In words: whom noise protects against who has the model. */
  readonly protected: string
}

export function evaluatedInWords(of: Evaluated): string {
  return `model ${shortHash(of.modelHash)} after round ${of.round} of ${of.rounds}, on ${of.testRows} test rows of ${of.member}
  AUC       ${formatScore(of.auc ?? undefined)}${of.auc === null ? ' (one class only: nothing can be ranked)' : ''}
  accuracy  ${formatScore(of.accuracy ?? undefined)}
  protected: ${of.protected}
`
}

interface Exported {
  readonly files: readonly string[]
  readonly format: 'tfjs' | 'safetensors'
  readonly modelHash: string
  readonly round: number
  readonly protected: string
}

export function exportedInWords(made: Exported): string {
  return `${made.files.join('\n')}\nmodel ${made.modelHash}\n  protected: ${made.protected}\n`
}

async function evaluateModel(config: NodeConfig): Promise<Evaluated> {
  const { trusted, state, modelHash, round } = globalModel(config)
  const { charter } = trusted
  // Only here: tfjs takes its time to load.
  const { loadDataset } = await import('../../data/csv.ts')
  const { chooseBackend } = await import('../../training/backend.ts')
  const { scoreOn } = await import('../../evaluation.ts')
  const dataset = loadDataset(config.dataFile, charter)
  await chooseBackend(config.backend)
  const [scores] = await scoreOn(charter, state, [dataset.test])
  return {
    member: config.member,
    modelHash,
    round,
    rounds: charter.training.rounds,
    testRows: scores!.rows,
    auc: scores!.auc ?? null,
    accuracy: scores!.accuracy ?? null,
    protected: protectionInWords(charter),
  }
}

async function exportModel(config: NodeConfig, to: string, format: Exported['format']): Promise<Exported> {
  // The policy first: who may not have the model need not learn whether there is one.
  const policy = readTrusted(config.charterFile, undefined).charter.export.model
  if (policy === 'nobody') {
    throw new MedmeshError(
      'EXPORT_FORBIDDEN',
      'the charter lets nobody write the model to a file (export.model: nobody)',
      'only a new version of the charter, signed by the members, can change its export policy',
    )
  }
  const { trusted, state, modelHash, round } = globalModel(config)
  const { charter, hash } = trusted
  const { exportLayersModel, exportSafetensors } = await import('../../training/export.ts')
  const provenance = { study: charter.study.id, charter: hash, round, model: modelHash }
  const files: [string, string | Uint8Array][] = []
  if (format === 'tfjs') {
    const { json, weights } = exportLayersModel(charter, state, provenance)
    files.push([join(resolve(to), 'weights.bin'), weights], [join(resolve(to), 'model.json'), json])
  } else {
    files.push([resolve(to), exportSafetensors(charter, state, provenance)])
  }
  for (const [file] of files) {
    if (existsSync(file)) {
      throw new MedmeshError(
        'EXPORT_EXISTS',
        `${file} exists already`,
        'choose another --to; export overwrites nothing',
      )
    }
  }
  if (format === 'tfjs') {
    if (statSync(to, { throwIfNoEntry: false })?.isDirectory() === false) {
      throw new MedmeshError('EXPORT_EXISTS', `${to} is a file`, 'give --to a directory for the format tfjs')
    }
    mkdirSync(to, { recursive: true })
  }
  for (const [file, content] of files) replaceFile(file, content)
  const made = { files: files.map(([file]) => file), format, modelHash, round }
  return { ...made, protected: protectionInWords(charter) }
}
