/**
 * The import rule, checked three times: by the compiler (protocol/tsconfig.json), the linter (biome.json) and the scan
 * of test/support/import-rule.ts. Each must fail when somebody plants what the rule forbids.
 */
import { execFile } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { scanSource, scanTree, withoutTexts } from '../support/import-rule.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

describe('the scan', () => {
  it('finds nothing in the tree as it is', () => {
    expect(scanTree(ROOT)).toEqual([])
  })

  it.each([
    ['protocol/x.ts', `import { readFileSync } from 'node:fs'`],
    ['protocol/x.ts', `import type { Libp2p } from 'libp2p'`],
    ['protocol/x.ts', `export * from '@tensorflow/tfjs-core'`],
    ['protocol/x.ts', `import '../node/main.ts'`],
    ['protocol/sum/x.ts', `import { a } from '../../sim/world.ts'`],
    ['protocol/x.ts', `const fs = import('node:fs')`],
    ['protocol/x.ts', 'const fs = import(`node:fs`)'],
    ['protocol/x.ts', 'const now = Date.now()'],
    ['protocol/x.ts', 'const x = Math.random()'],
    ['protocol/x.ts', `const x = \`at \${new Date()}\``],
    ['protocol/x.ts', 'setTimeout(() => {}, 1)'],
    ['protocol/x.ts', 'const e = process.env'],
    ['protocol/x.ts', 'const b = Buffer.from([1])'],
    ['protocol/x.ts', 'crypto.getRandomValues(a)'],
    ['protocol/x.ts', 'console.log(1)'],
    ['protocol/x.ts', "fetch('x')"],
    ['protocol/x.ts', 'performance.now()'],
    ['protocol/x.ts', 'globalThis.x'],
    ['protocol/x.ts', 'export async function f() {}'],
    ['protocol/x.ts', 'const p: Promise<void> = q'],
    ['protocol/crypto/x.ts', `import { randomBytes } from 'node:crypto'`],
    ['protocol/crypto/x.ts', `import * as all from 'node:crypto'`],
    ['protocol/crypto/x.ts', `import { readFileSync } from 'node:fs'`],
    ['config/x.ts', `import { ok } from '../protocol/result.ts'`],
    ['config/x.ts', `import { readFileSync } from 'node:fs'`],
    ['node/x.ts', `import { World } from '../sim/world.ts'`],
    ['sim/x.ts', `import { openStore } from '../node/store/store.ts'`],
    ['sim/x.ts', `import { createLibp2p } from 'libp2p'`],
    ['sim/x.ts', `import { table } from '../node/cli/format.ts'`],
    ['sim/report/x.ts', `import { readDataset } from '../../node/data/csv.ts'`],
    ['sim/cli/x.ts', `import { openStore } from '../../node/store/store.ts'`],
    ['sim/cli/x.ts', `import { runCli } from '../../node/cli/program.ts'`],
    ['sim/cli/x.ts', `import { createLibp2p } from 'libp2p'`],
  ])('finds in %s: %s', (path, source) => {
    expect(scanSource(path, source)).toHaveLength(1)
  })

  it.each([
    ['protocol/x.ts', `import { z } from 'zod'`],
    ['protocol/x.ts', `import type { Charter } from '../config/charter.ts'`],
    ['protocol/x.ts', '// Date, process and console are not for us'],
    ['protocol/x.ts', "const says = 'no process, no Date'"],
    ['protocol/x.ts', `const says = \`of the process \${'Date'}\``],
    ['protocol/x.ts', 'const quoted = text.match(/["\']process/)'],
    ['protocol/x.ts', 'const at = this.process + o.Date'],
    ['protocol/crypto/x.ts', `import { createHash } from 'node:crypto'`],
    ['node/x.ts', `import { ok } from '../protocol/result.ts'`],
    ['sim/x.ts', `import { createLearner } from '../node/training/learner.ts'`],
    ['sim/cli/x.ts', `import { createLearner } from '../../node/training/learner.ts'`],
    ['sim/cli/x.ts', `import { readDataset } from '../../node/data/csv.ts'`],
    ['sim/cli/x.ts', `import { table } from '../../node/cli/format.ts'`],
    ['sim/cli/x.ts', `import { html } from '../../node/report/html.ts'`],
    ['sim/report/x.ts', `import { html } from '../../node/report/html.ts'`],
  ])('allows in %s: %s', (path, source) => {
    expect(scanSource(path, source)).toEqual([])
  })

  it('reads past strings, comments, templates and regular expressions', () => {
    expect(withoutTexts("a = '//x' + b // c").replace(/\s+/g, ' ').trim()).toBe("a = '' + b")
    expect(withoutTexts(`a = \`x \${f(\`y \${g} z\`)} w\` + h`)).toMatch(/^a = .*f\(.*g.*\).*h$/)
    expect(withoutTexts('a = /[/"]/.test(b) + c')).toMatch(/^a = .*\.test\(b\) \+ c$/)
  })
})

/** A copy of the tree, so that a parallel check of the real one sees nothing of what is planted. */
let copy: string
beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'medmesh-import-rule-'))
  for (const name of ['config', 'protocol', 'tsconfig.json', 'biome.json', 'package.json', '.gitignore']) {
    cpSync(join(ROOT, name), join(copy, name), { recursive: true })
  }
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'))
})
afterAll(() => rmSync(copy, { recursive: true, force: true }))

interface Ran {
  readonly code: number
  readonly said: string
}

function run(tool: string, ...args: string[]): Promise<Ran> {
  return new Promise(resolve => {
    execFile(
      process.execPath,
      [join(ROOT, 'node_modules', tool), ...args],
      { cwd: copy },
      (error, out, err) => {
        resolve({ code: error === null ? 0 : Number(error.code), said: out + err })
      },
    )
  })
}

const compile = () => run('typescript/bin/tsc', '-b', 'protocol', '--pretty', 'false')
/** The rule's part of the linter alone: what else it has to say is the business of `npm run check`. */
const lint = (...paths: string[]) =>
  run(
    '@biomejs/biome/bin/biome',
    'lint',
    '--colors=off',
    '--only=style/noRestrictedImports',
    '--only=style/noRestrictedGlobals',
    ...(paths.length > 0 ? paths : ['protocol', 'config']),
  )

describe('all three checks', () => {
  it('pass before anything is planted', async () => {
    expect(await compile()).toMatchObject({ code: 0 })
    expect(await lint()).toMatchObject({ code: 0 })
    expect(scanTree(withFolders())).toEqual([])
  })

  it.each([
    ['a file system', `import { readFileSync } from 'node:fs'\n\nexport const planted = readFileSync\n`],
    ['the node', `import { planted } from '../node/planted.ts'\n\nexport const again = planted\n`],
  ])('fail when protocol imports %s', async (_, source) => {
    const file = join(withFolders(), 'protocol', 'planted.ts')
    writeFileSync(join(copy, 'node', 'planted.ts'), 'export const planted = 1\n')
    writeFileSync(file, source)
    try {
      const [compiled, linted] = await Promise.all([compile(), lint()])
      expect(compiled.code).not.toBe(0)
      expect(compiled.said).toContain('protocol/planted.ts')
      expect(linted.code).not.toBe(0)
      expect(linted.said).toMatch(/protocol\/planted\.ts[\s\S]*noRestrictedImports/)
      expect(scanTree(copy).map(v => v.file)).toEqual(['protocol/planted.ts'])
    } finally {
      rmSync(file)
    }
  })
})

describe('of sim, linter and scan', () => {
  it.each([
    ['sim/planted.ts', '../node/cli/format.ts', false],
    ['sim/report/planted.ts', '../../node/report/html.ts', true],
    ['sim/report/planted.ts', '../../node/report/report.ts', false],
    ['sim/report/planted.ts', '../../node/cli/format.ts', true],
    ['sim/report/planted.ts', '../../node/data/csv.ts', false],
    ['sim/report/planted.ts', '../../node/training/learner.ts', true],
    ['sim/cli/planted.ts', '../../node/training/learner.ts', true],
    ['sim/cli/planted.ts', '../../node/data/csv.ts', true],
    ['sim/cli/planted.ts', '../../node/cli/format.ts', true],
    ['sim/cli/planted.ts', '../../node/report/style.ts', true],
    ['sim/cli/planted.ts', '../../node/cli/program.ts', false],
    ['sim/cli/planted.ts', '../../node/store/store.ts', false],
    ['sim/cli/planted.ts', 'libp2p', false],
    ['sim/cli/commands/planted.ts', '../../../node/cli/write.ts', true],
    ['sim/cli/commands/planted.ts', '../../../node/host.ts', false],
  ])('in %s hold %s to be allowed: %s', async (path, from, allowed) => {
    const file = join(withFolders(), path)
    const source = `import { planted } from '${from}'\n\nexport const again = planted\n`
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, source)
    try {
      const { code, said } = await lint(path)
      expect([code, said]).toEqual([
        allowed ? 0 : 1,
        allowed ? expect.any(String) : expect.stringMatching(/noRestrictedImports/),
      ])
      expect(scanSource(path, source)).toHaveLength(allowed ? 0 : 1)
    } finally {
      rmSync(file)
    }
  })
})

/** The copy has no node and sim; the scan wants the folders. */
function withFolders(): string {
  for (const name of ['node', 'sim']) cpSync(join(ROOT, 'config', 'error.ts'), join(copy, name, 'error.ts'))
  return copy
}
