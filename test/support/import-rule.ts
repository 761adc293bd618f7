/**
 * The import rule read off the source text: which folder may import what, and what `protocol/` may not touch at all.
 * Independent of compiler and linter on purpose: it is the third of the three checks.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix, relative, sep } from 'node:path'

export interface Violation {
  /** Relative to the root, with `/`. */
  readonly file: string
  readonly says: string
}

/** What the composition root of the simulator takes of the node besides its learner: reading data, and writing for people. */
const SIM_CLI_TAKES = new Set([
  'node/data/csv.ts',
  'node/cli/exit.ts',
  'node/cli/format.ts',
  'node/cli/io.ts',
  'node/cli/write.ts',
  'node/report/html.ts',
  'node/report/style.ts',
])

/** What its report takes: the looks and the numbers of the node's reports. */
const SIM_REPORT_TAKES = new Set(['node/cli/format.ts', 'node/report/html.ts', 'node/report/style.ts'])

const FOLDERS = ['config', 'protocol', 'node', 'sim']

/** Ambient things that make a machine impure or its host visible: no clock, randomness, timer, promise or I/O. */
const IMPURE = [
  'Date',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'process',
  'Buffer',
  'crypto',
  'performance',
  'console',
  'fetch',
  'WebSocket',
  'Worker',
  'globalThis',
  'require',
  'Atomics',
  'Promise',
  'async',
  'await',
]
const IMPURE_WORD = new RegExp(String.raw`(?<![.\w$#])(?:${IMPURE.join('|')})(?![\w$]|\s*:)`, 'g')
const RANDOM = /\bMath\s*\.\s*random\b/

/** node:crypto's deterministic primitives; never its randomness. */
const CRYPTO_NAMES = new Set([
  'createHash',
  'hash',
  'createHmac',
  'createCipheriv',
  'createDecipheriv',
  'createPrivateKey',
  'createPublicKey',
  'createSecretKey',
  'diffieHellman',
  'hkdfSync',
  'sign',
  'verify',
  'timingSafeEqual',
  'decapsulate',
  'encapsulate',
  'KeyObject',
  'Cipher',
  'CipherGCM',
])

/** All violations in the sources under `root`, in the order of their paths. */
export function scanTree(root: string): Violation[] {
  const files = FOLDERS.flatMap(folder =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts'))
      .map(name => join(root, folder, name)),
  )
  return files.sort().flatMap(file => {
    const path = relative(root, file).split(sep).join('/')
    return scanSource(path, readFileSync(file, 'utf8'))
  })
}

/** `path`: relative to the root, as `protocol/sum/mask.ts`. */
export function scanSource(path: string, source: string): Violation[] {
  const found: Violation[] = []
  for (const { names, from } of importsOf(source)) {
    const says = refuses(path, from, names)
    if (says !== undefined) found.push({ file: path, says })
  }
  if (path.startsWith('protocol/')) {
    const code = withoutTexts(source)
    const wraps = path.startsWith('protocol/crypto/')
    for (const [word] of code.matchAll(IMPURE_WORD)) {
      // What node:crypto returns is a Buffer: a name for bytes there, not a way out.
      if (!(wraps && word === 'Buffer')) found.push({ file: path, says: `uses ${word}` })
    }
    if (RANDOM.test(code)) found.push({ file: path, says: 'uses Math.random' })
  }
  return found
}

interface Import {
  readonly names: string
  readonly from: string
}

function importsOf(source: string): Import[] {
  const code = withoutTexts(source, true)
  const statements =
    /\b(?:import|export)\b([^'"`;=()]*?)\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"`]([^'"`]+)['"`]/g
  return [...code.matchAll(statements)].map(m => ({ names: m[1] ?? '', from: m[2] ?? m[3]! }))
}

/** Why `file` may not import `from`; undefined when it may. */
function refuses(file: string, from: string, names: string): string | undefined {
  const folder = file.split('/')[0]!
  const target = from.startsWith('.') ? posix.normalize(posix.join(dirname(file), from)) : from
  const says = `imports ${from}`
  if (from.startsWith('.')) {
    const to = target.split('/')[0]!
    if (to === folder) return undefined
    if (to === 'config') return undefined
    if (to === 'protocol' && (folder === 'node' || folder === 'sim')) return undefined
    if (folder === 'sim' && target.startsWith('node/training/')) return undefined
    if (file.startsWith('sim/cli/') && SIM_CLI_TAKES.has(target)) return undefined
    if (file.startsWith('sim/report/') && SIM_REPORT_TAKES.has(target)) return undefined
    return says
  }
  if (file.startsWith('protocol/crypto/')) return cryptoRefuses(from, names)
  const outside = /^(node:|libp2p$|@libp2p\/|@chainsafe\/|@tensorflow\/|@multiformats\/)/.test(from)
  if (folder === 'config' || folder === 'protocol') return outside ? says : undefined
  return folder === 'sim' && /^(libp2p$|@libp2p\/|@chainsafe\/)/.test(from) ? says : undefined
}

function cryptoRefuses(from: string, names: string): string | undefined {
  if (from.startsWith('@noble/') || from === 'shamir-secret-sharing') return undefined
  if (from !== 'node:crypto')
    return /^[a-z]/.test(from) && !from.includes(':') ? undefined : `imports ${from}`
  const each = names
    .replace(/[{}]|\btype\b/g, ' ')
    .split(',')
    .map(n => n.trim().split(/\s+/)[0]!)
    .filter(n => n !== '')
  const bad = each.find(name => !CRYPTO_NAMES.has(name))
  return bad === undefined && each.length > 0 ? undefined : `imports ${bad ?? 'all'} of node:crypto`
}

/**
 * `source` without comments and, unless `keepStrings`, without the text of strings, templates and regular expressions;
 * what stands in `${}` stays.
 */
export function withoutTexts(source: string, keepStrings = false): string {
  const token =
    /\/\/[^\n]*|\/\*[\s\S]*?\*\/|'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|(?<=[(,=:[!&|?{};\n]\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/[a-z]*|`/g
  let out = ''
  let at = 0
  for (;;) {
    token.lastIndex = at
    const m = token.exec(source)
    if (m === null) return out + source.slice(at)
    out += source.slice(at, m.index)
    if (m[0] === '`') {
      const template = readTemplate(source, m.index + 1)
      out += keepStrings ? source.slice(m.index, template.end) : ` ${template.code} `
      at = template.end
      continue
    }
    const isText = m[0][0] === "'" || m[0][0] === '"'
    out += isText ? (keepStrings ? m[0] : "''") : ' '
    at = m.index + m[0].length
  }
}

/** From behind the opening backtick to behind the closing one. */
function readTemplate(source: string, from: number): { code: string; end: number } {
  let code = ''
  let at = from
  while (at < source.length) {
    if (source[at] === '\\') at += 2
    else if (source[at] === '`') return { code, end: at + 1 }
    else if (source.startsWith('${', at)) {
      const end = endOfExpression(source, at + 2)
      code += ` ${withoutTexts(source.slice(at + 2, end))} ;`
      at = end + 1
    } else at++
  }
  return { code, end: source.length }
}

function endOfExpression(source: string, from: number): number {
  let depth = 0
  for (let at = from; at < source.length; at++) {
    const c = source[at]
    if (c === '`') at = readTemplate(source, at + 1).end - 1
    else if (c === '{') depth++
    else if (c === '}' && depth-- === 0) return at
  }
  return source.length
}
