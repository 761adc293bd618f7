/** Runs the peers of one case of the benches over sockets, in processes of their own on 127.0.0.1, all from one moment on. */
import { type ChildProcess, fork } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import engine from '../../../node/cli/engine.json' with { type: 'json' }
import { freePorts } from '../../../node/demo/setup.ts'
import { type Case, type ChildPlan, type FromChild, type Measured, STAGES } from './plan.ts'

const CHILD = fileURLToPath(new URL('./child.ts', import.meta.url))
const UNMASKED = new URL('./unmasked.ts', import.meta.url).href

export async function runPeers(c: Case): Promise<Measured[]> {
  const ports = await freePorts(c.peers)
  const home = mkdtempSync(join(tmpdir(), 'medmesh-wire-'))
  const children: ChildProcess[] = []
  try {
    const results = ports.map((_, index) => {
      const dir = join(home, String(index))
      mkdirSync(dir)
      const plan: ChildPlan = { ...c, index, ports, dir }
      const execArgv = c.way === 'open' ? [...engine, '--import', UNMASKED] : engine
      const child = fork(CHILD, [JSON.stringify(plan)], { execArgv })
      children.push(child)
      return listen(child)
    })
    for (const stage of STAGES) {
      await Promise.all(results.map(r => r.reached[stage].promise))
      for (const child of children) child.send('go on')
    }
    return await Promise.all(results.map(r => r.done.promise))
  } finally {
    for (const child of children) child.kill('SIGKILL')
    rmSync(home, { recursive: true, force: true })
  }
}

function listen(child: ChildProcess) {
  const reached = { listening: Promise.withResolvers<void>(), connected: Promise.withResolvers<void>() }
  const done = Promise.withResolvers<Measured>()
  const fail = (why: string) => {
    for (const promise of [reached.listening, reached.connected, done]) promise.reject(new Error(why))
  }
  child.on('message', (message: FromChild) => {
    if (message.kind === 'reached') reached[message.stage].resolve()
    else if (message.kind === 'done') done.resolve(message.measured)
    else fail(message.why)
  })
  child.on('exit', () => fail('a peer has ended'))
  // Whoever waits for one of them hears of it; the others must not end this process.
  for (const { promise } of [reached.listening, reached.connected]) promise.catch(() => {})
  done.promise.catch(() => {})
  return { reached, done }
}
