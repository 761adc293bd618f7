/**
 * A hospital's directory and its node.yaml: what one hospital decides alone. What the hospitals decide together is in
 * the charter; nothing here can loosen it.
 */
import { readFileSync, statSync } from 'node:fs'
import { isAbsolute, join, resolve } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'
import { MedmeshError } from '../config/error.ts'
import { environmentPassphrase } from './identity/identity.ts'
import type { BandwidthMax } from './net/options.ts'

export const BACKENDS = ['auto', 'node-gpu', 'node', 'wasm', 'cpu'] as const
export type BackendChoice = (typeof BACKENDS)[number]

/** Names inside a hospital's directory that are not configurable, so that every command finds them. */
export const FILES = { config: 'node.yaml', identity: 'identity.key', store: 'medmesh.db' } as const

const path = z.string().min(1).max(4096)
const address = z
  .string()
  .max(200)
  .refine(isTcpAddress, 'must be a TCP multiaddr such as /ip4/0.0.0.0/tcp/4001')

const MBPS = 'must be megabits a second, from 0.1 to 1000000'
const mbps = z.number(MBPS).min(0.1, MBPS).max(1e6, MBPS).optional()

const NodeFileSchema = z.strictObject({
  member: z.string().regex(/^[a-z][a-z0-9-]{0,30}[a-z0-9]$/, "must be the member's id in the charter"),
  listen: z.preprocess(v => (typeof v === 'string' ? [v] : v), z.array(address).min(1).max(8)),
  charter: path.default('charter.json'),
  data: path.default('data.csv'),
  backend: z.enum(BACKENDS).default('auto'),
  passphraseFile: path.optional(),
  bandwidthMax: z.strictObject({ uploadMbps: mbps, downloadMbps: mbps }).default({}),
})

/** node.yaml with all paths absolute. */
export interface NodeConfig {
  readonly dir: string
  readonly member: string
  readonly listen: readonly string[]
  readonly backend: BackendChoice
  readonly charterFile: string
  readonly dataFile: string
  readonly identityFile: string
  readonly storeFile: string
  readonly passphraseFile: string | undefined
  readonly bandwidthMax: BandwidthMax
}

/**
 * Reads DIR/node.yaml.
 *
 * Throws MedmeshError NODE_DIR_MISSING, NODE_CONFIG_MISSING, NODE_CONFIG_SYNTAX or NODE_CONFIG_INVALID.
 */
export function loadNodeConfig(dir: string): NodeConfig {
  const root = resolve(dir)
  const file = join(root, FILES.config)
  if (!isDirectory(root)) {
    throw new MedmeshError(
      'NODE_DIR_MISSING',
      `${root} is not a directory`,
      `make it: medmesh init ${dir} --member ID`,
    )
  }
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw new MedmeshError(
      'NODE_CONFIG_MISSING',
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      `make a hospital's directory with: medmesh init ${dir} --member ID`,
    )
  }
  return parseNodeConfig(text, root)
}

/** The text of a node.yaml, for the directory `root` (absolute). Throws like {@link loadNodeConfig}. */
export function parseNodeConfig(text: string, root: string): NodeConfig {
  const file = join(root, FILES.config)
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const broken = document.errors[0]
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0])
    throw new MedmeshError(
      'NODE_CONFIG_SYNTAX',
      `${file}:${line}:${col}: ${broken.message}`,
      'mend the YAML there',
    )
  }
  const parsed = NodeFileSchema.safeParse(document.toJS({ maxAliasCount: 0 }))
  if (!parsed.success) {
    const what = parsed.error.issues.map(
      i => `${i.path.length === 0 ? 'file' : i.path.join('.')}: ${i.message}`,
    )
    throw new MedmeshError(
      'NODE_CONFIG_INVALID',
      `${file}: ${what.join('; ')}`,
      'the comments that `medmesh init` writes into node.yaml explain each field',
    )
  }
  const inRoot = (name: string) => (isAbsolute(name) ? name : join(root, name))
  const given = parsed.data
  return {
    dir: root,
    member: given.member,
    listen: given.listen,
    backend: given.backend,
    charterFile: inRoot(given.charter),
    dataFile: inRoot(given.data),
    identityFile: join(root, FILES.identity),
    storeFile: join(root, FILES.store),
    passphraseFile: given.passphraseFile === undefined ? undefined : inRoot(given.passphraseFile),
    bandwidthMax: given.bandwidthMax,
  }
}

/**
 * The passphrase of the identity: of the environment (see `environmentPassphrase`), else the first line of `file`,
 * else none. Throws MedmeshError PASSPHRASE_FILE when the file cannot be read or is empty.
 */
export function readPassphrase(file: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const given = environmentPassphrase(env)
  if (given !== undefined && given !== '') return given
  if (file === undefined) return undefined
  let first: string | undefined
  try {
    first = readFileSync(file, 'utf8').split(/\r?\n/, 1)[0]
  } catch (error) {
    throw new MedmeshError(
      'PASSPHRASE_FILE',
      `${file} cannot be read (${(error as NodeJS.ErrnoException).code})`,
      'give a readable file, or set MEDMESH_PASSPHRASE',
    )
  }
  if (first === undefined || first === '') {
    throw new MedmeshError(
      'PASSPHRASE_FILE',
      `the first line of ${file} is empty`,
      'write the passphrase there',
    )
  }
  return first
}

/** A commented node.yaml. `dataFile` and `listen` as the hospital gave them. */
export function nodeConfigText(options: {
  readonly member: string
  readonly listen: string
  readonly data: string
  readonly backend?: BackendChoice
  readonly passphraseFile?: string
}): string {
  const passphrase =
    options.passphraseFile === undefined
      ? '# passphraseFile: /run/secrets/medmesh'
      : `passphraseFile: ${JSON.stringify(options.passphraseFile)}`
  return `# One hospital's node. Paths are relative to this file's directory.

# This hospital's id in the charter.
member: ${JSON.stringify(options.member)}

# Where this node listens: one multiaddr or a list. The charter holds the address under which the others reach it,
# which differs behind a firewall or NAT.
listen: ${JSON.stringify(options.listen)}

# The charter with its signatures, as \`medmesh charter sign\` writes it.
charter: charter.json

# This hospital's rows: a CSV file with the charter's columns. It is read here and never sent.
data: ${JSON.stringify(options.data)}

# What computes: auto takes the best that is there. auto | node-gpu | node | wasm | cpu
backend: ${options.backend ?? 'auto'}

# The most that this node may send and receive on average, in megabits a second: leaves the rest of the line to others.
# bandwidthMax:
#   uploadMbps: 50
#   downloadMbps: 100

# If identity.key is encrypted: a file whose first line is the passphrase (or set MEDMESH_PASSPHRASE).
${passphrase}
`
}

function isTcpAddress(text: string): boolean {
  try {
    return multiaddr(text)
      .getComponents()
      .some(part => part.name === 'tcp')
  } catch {
    return false
  }
}

function isDirectory(file: string): boolean {
  try {
    return statSync(file).isDirectory()
  } catch {
    return false
  }
}
