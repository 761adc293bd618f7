import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'

const BIN = fileURLToPath(new URL('../../../../node/cli/bin.js', import.meta.url))

function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  return new Promise(resolve => {
    const child = spawn(process.execPath, [BIN, ...args])
    let out = ''
    let err = ''
    child.stdout.on('data', data => {
      out += data
    })
    child.stderr.on('data', data => {
      err += data
    })
    child.on('close', code => resolve({ code, out, err }))
  })
}

it('hands on arguments, streams and exit code', async () => {
  expect(await run('--version')).toEqual({
    code: 0,
    out: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    err: '',
  })
  expect(await run('fly')).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringContaining('unknown command'),
  })
  expect(await run('status', '/nowhere/at/all', '--json')).toMatchObject({
    code: 3,
    err: expect.stringContaining('NODE_DIR_MISSING'),
  })
})
