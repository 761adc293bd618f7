#!/usr/bin/env node
/**
 * The command `medmesh`, for whatever Node.js the machine has: hands over to the Node 24 that npm installed
 * beside the project, with the same arguments, streams, signals and exit code. Plain JavaScript, so that an
 * old Node can read it.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const main = fileURLToPath(new URL('main.ts', import.meta.url))
const require = createRequire(import.meta.url)
/**
 * Little room for young objects, so that they are collected often: with them goes what lies outside the heap, messages and
 * parts of vectors. Room at once for old ones, of which there are some 30 MB: else V8 goes through all of them whenever there are
 * a few more. And by one thread: helpers that wait for each other where cores are few took a third of a peer's time.
 */
const engine = require('./engine.json')

/** Path of the Node 24 of the npm package `node`; undefined when it is not installed. */
function bundledNode() {
  try {
    const folder = dirname(require.resolve('node/package.json'))
    const path = join(folder, 'bin', process.platform === 'win32' ? 'node.exe' : 'node')
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}

const node = Number(process.versions.node.split('.')[0]) >= 24 ? process.execPath : bundledNode()
if (node === undefined) {
  process.stderr.write(
    'error NODE_MISSING: medmesh needs Node 24, and the npm package `node` is not installed\n  fix: run `npm ci` in the folder of medmesh\n',
  )
  process.exit(3)
}
const child = spawn(node, [...engine, main, ...process.argv.slice(2)], { stdio: 'inherit' })
// A terminal sends Ctrl-C to both processes; a service manager only to this one. The child tells them apart no better
// than we do, and stops on the first, so passing all on is right.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('error', error => {
  process.stderr.write(
    `error NODE_START: Node 24 did not start (${error.code})\n  fix: run \`npm ci\` again\n`,
  )
  process.exit(1)
})
child.on('exit', (code, signal) => {
  process.exit(signal === null ? code : 128 + (constants.signals[signal] ?? 0))
})
