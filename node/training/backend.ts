/**
 * Which of tfjs' backends computes: the fastest that is there, chosen once at start and said in the log. Hospitals
 * without a GPU get wasm, and the look for anything better costs them one look for a file.
 */
import { existsSync, readdirSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import nodeUtil from 'node:util'
import * as tf from '@tensorflow/tfjs-core'
import { MedmeshError } from '../../config/error.ts'
import { transposeFirst } from './matmul.ts'

export const BACKEND_NAMES = ['node-gpu', 'node', 'wasm', 'cpu'] as const
export type BackendName = (typeof BACKEND_NAMES)[number]

export interface Backend {
  readonly name: BackendName
  /** Why this one, for the log. */
  readonly why: string
}

/** Packages with a native addon, which only a hospital that wants it has built (`npm run gpu:setup`). */
const NATIVE = { 'node-gpu': '@tensorflow/tfjs-node-gpu', node: '@tensorflow/tfjs-node' } as const

/**
 * Makes a backend tfjs' own, for this thread. MEDMESH_BACKEND goes before `choice`; `auto` takes the first of
 * node-gpu, node, wasm, cpu that works here.
 *
 * Throws MedmeshError BACKEND_UNKNOWN or BACKEND_MISSING when a named backend cannot be had.
 */
export async function chooseBackend(choice = 'auto', env: NodeJS.ProcessEnv = process.env): Promise<Backend> {
  const forced = env.MEDMESH_BACKEND || choice
  const from = env.MEDMESH_BACKEND ? 'MEDMESH_BACKEND' : 'node.yaml'
  tf.enableProdMode()
  if (forced !== 'auto') {
    const name = BACKEND_NAMES.find(n => n === forced)
    if (name === undefined) throw unknown(forced, from)
    const missing = await tryBackend(name)
    if (missing !== undefined) throw unavailable(name, missing)
    return { name, why: `named by ${from}` }
  }
  const passed: string[] = []
  for (const name of BACKEND_NAMES) {
    const missing = await tryBackend(name)
    if (missing === undefined) return { name, why: ['the best that is here', ...passed].join('; ') }
    passed.push(`${name}: ${missing}`)
  }
  throw unavailable('cpu', passed.join('; '))
}

function unknown(name: string, from: string): MedmeshError {
  return new MedmeshError(
    'BACKEND_UNKNOWN',
    `${from} names the backend ${JSON.stringify(name.slice(0, 40))}, which does not exist`,
    `take one of auto, ${BACKEND_NAMES.join(', ')}`,
  )
}

function unavailable(name: BackendName, why: string): MedmeshError {
  const fix = name in NATIVE ? 'run `npm run gpu:setup`, or take the backend auto' : 'take the backend auto'
  return new MedmeshError('BACKEND_MISSING', `the backend ${name} cannot be used: ${why}`, fix)
}

/** Undefined when the backend now is tfjs' own, else why it is not. */
async function tryBackend(name: BackendName): Promise<string | undefined> {
  try {
    if (name === 'node-gpu' || name === 'node') return await tryNative(NATIVE[name])
    if (name === 'wasm')
      await withoutRethrowing(async () => void (await import('@tensorflow/tfjs-backend-wasm')))
    else await import('@tensorflow/tfjs-backend-cpu')
    const missing = await activate(name)
    if (name === 'wasm' && missing === undefined) transposeFirst()
    return missing
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n')[0] ?? error.name) : 'failed to start'
  }
}

async function activate(name: string): Promise<string | undefined> {
  const active = await withoutRethrowing(async () => {
    const set = await tf.setBackend(name)
    await tf.ready()
    return set
  })
  return active ? undefined : 'failed to start'
}

async function tryNative(name: string): Promise<string | undefined> {
  const addon = addonOf(name)
  if (addon === undefined) return 'not installed'
  // The addon's wrapper calls this on its first operation, and Node 23 removed it.
  const util = nodeUtil as { isNullOrUndefined?: (value: unknown) => boolean }
  util.isNullOrUndefined ??= value => value === null || value === undefined
  await import(name)
  return await activate('tensorflow')
}

/**
 * The native addon's file, if it was built. The package's JavaScript is there for everybody and takes its time to say
 * that it has no addon, so it is only imported where the file is.
 */
function addonOf(name: string): string | undefined {
  let root: string
  try {
    root = dirname(createRequire(import.meta.url).resolve(`${name}/package.json`))
  } catch {
    return undefined
  }
  const lib = join(root, 'lib')
  if (!existsSync(lib)) return undefined
  const files = readdirSync(lib).map(dir => join(lib, dir, 'tfjs_binding.node'))
  return files.find(file => existsSync(file))
}

/**
 * Runs `start`, and takes off the process whatever handlers of fatal errors it put on: wasm's loader adds two that
 * throw again what it does not know, which would take the node down in the middle of its own clean-up.
 */
async function withoutRethrowing<T>(start: () => Promise<T>): Promise<T> {
  const events = ['uncaughtException', 'unhandledRejection'] as const
  const before = events.map(event => new Set(process.rawListeners(event)))
  try {
    return await start()
  } finally {
    events.forEach((event, i) => {
      for (const listener of process.rawListeners(event)) {
        if (!before[i]!.has(listener)) process.off(event, listener as () => void)
      }
    })
  }
}
