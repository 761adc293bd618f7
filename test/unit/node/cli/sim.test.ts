/** `medmesh sim` hands over to another process: arguments, streams, exit code and signals. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { medmesh } from './harness.ts'

const MAIN = fileURLToPath(new URL('../../../../node/cli/main.ts', import.meta.url))

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

/** `signal`: sent when the command has said something. */
function run(args: readonly string[], signal?: NodeJS.Signals): Promise<Ran> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [MAIN, ...args])
    let out = ''
    let err = ''
    child.stdout.on('data', data => {
      out += data
      if (signal !== undefined) child.kill(signal)
    })
    child.stderr.on('data', data => {
      err += data
    })
    child.on('close', code => resolve({ code, out, err }))
  })
}

it('is in the list of commands', async () => {
  expect((await medmesh(['--help'])).out).toMatch(/^ {2}sim \[args\.\.\.\] /m)
})

it('passes on arguments, options and --help, and what comes back', async () => {
  const [list, help, unknown, missing] = await Promise.all([
    run(['sim', 'list']),
    run(['sim', 'run', '--help']),
    run(['sim', 'fly']),
    run(['sim', 'run', '--scenario', 'nowhere', '--seed', '3']),
  ])
  expect(list).toMatchObject({ code: 0, out: expect.stringContaining('metropolitan'), err: '' })
  expect(help).toMatchObject({ code: 0, out: expect.stringMatching(/^Usage: medmesh sim run/) })
  expect(unknown).toMatchObject({ code: 2, out: '', err: expect.stringContaining('unknown command') })
  expect(missing).toMatchObject({ code: 3, err: expect.stringContaining('SCENARIO_FILE') })
}, 120_000)

it('passes on a signal', async () => {
  const { code } = await run(['sim', 'replay', '1', '--trace', '--scenario', 'metropolitan'], 'SIGTERM')
  expect(code).toBe(130)
}, 120_000)
