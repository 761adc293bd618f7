import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { chooseBackend } from '../../../../node/training/backend.ts'

describe('which backend', () => {
  test('without a native addon it is wasm, and it says what it passed over', async () => {
    const { name, why } = await chooseBackend('auto', {})
    expect(name).toBe('wasm')
    expect(why).toContain('node-gpu: not installed')
    expect(tf.getBackend()).toBe('wasm')
  })

  test('a name in node.yaml decides, and MEDMESH_BACKEND over it', async () => {
    expect(await chooseBackend('cpu', {})).toEqual({ name: 'cpu', why: 'named by node.yaml' })
    expect(tf.getBackend()).toBe('cpu')
    expect(await chooseBackend('cpu', { MEDMESH_BACKEND: 'wasm' })).toMatchObject({ name: 'wasm' })
    expect(tf.getBackend()).toBe('wasm')
  })

  test('a named backend that is not there is an error with a way out, and wasm works afterwards', async () => {
    const error = await chooseBackend('node-gpu', {}).catch(e => e)
    expect(error).toMatchObject({ code: 'BACKEND_MISSING' })
    expect(error.fix).toContain('gpu:setup')
    expect((await chooseBackend('auto', {})).name).toBe('wasm')
    expect(tf.add(1, 2).dataSync()[0]).toBe(3)
  })

  test('a name that does not exist', async () => {
    await expect(chooseBackend('tpu', {})).rejects.toMatchObject({ code: 'BACKEND_UNKNOWN' })
  })
})

test('a fresh process: nothing printed, no handler of fatal errors left, the addon package not loaded', async () => {
  const program = `
    const { chooseBackend } = await import(${JSON.stringify(new URL('../../../../node/training/backend.ts', import.meta.url).href)})
    const { name } = await chooseBackend('auto', {})
    const { createRequire } = await import('node:module')
    const loaded = Object.keys(createRequire(import.meta.url).cache).filter(f => f.includes('tfjs-node'))
    const handlers = ['uncaughtException', 'unhandledRejection'].map(e => process.listenerCount(e))
    console.log(JSON.stringify({ name, loaded, handlers }))`
  const { stdout, stderr } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '-e', program],
    {
      cwd: new URL('../../../..', import.meta.url).pathname,
    },
  )
  expect(stderr).toBe('')
  expect(JSON.parse(stdout)).toEqual({ name: 'wasm', loaded: [], handlers: [0, 0] })
})
