/** One hospital's node as an operating-system process: started, listened to, killed, and never left behind. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import type { MemberId } from '../../protocol/ports.ts'
import { type EventLine, parseEventLine } from '../event-line.ts'

/** Last lines of a hospital's log that are kept for an error message. */
const LOG_LINES_MAX = 30

/** A program and its arguments. */
export type Launch = readonly [program: string, ...args: string[]]

/** The node of the hospital in `dir`, in this version of Node.js. It stops when its stdin ends, so that it cannot outlive us. */
export function nodeLaunch(dir: string): Launch {
  const main = fileURLToPath(new URL('../cli/main.ts', import.meta.url))
  return [process.execPath, main, 'node', dir, '--json', '--until-stdin-ends']
}

export interface Ended {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export class HospitalProcess {
  readonly member: MemberId
  /** Settles once; never rejects. All lines have been handed on before. */
  readonly ended: Promise<Ended>
  readonly log: string[] = []
  readonly #child: ChildProcess

  constructor(member: MemberId, launch: Launch, onLine: (line: EventLine) => void) {
    this.member = member
    const [program, ...args] = launch
    const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] })
    this.#child = child
    // Written to by nobody; a child that is gone closes it, which is no error of ours.
    child.stdin?.on('error', () => {})
    createInterface({ input: child.stdout! }).on('line', text => {
      const line = parseEventLine(text)
      if (line !== undefined && line.member === member) onLine(line)
      else this.#remember(text)
    })
    createInterface({ input: child.stderr! }).on('line', text => this.#remember(text))
    this.ended = new Promise(resolve => {
      let failure: string | undefined
      child.on('error', error => {
        failure = error.message
        this.#remember(`did not start: ${error.message}`)
        if (child.pid === undefined) resolve({ code: 1, signal: null })
      })
      child.on('close', (code, signal) => resolve({ code: failure === undefined ? code : 1, signal }))
    })
  }

  kill(signal: 'SIGTERM' | 'SIGKILL'): void {
    this.#child.kill(signal)
  }

  /** Asks the process to stop and, after `graceMs`, makes it. Resolves when it is gone. */
  async stop(graceMs: number): Promise<void> {
    this.kill('SIGTERM')
    const timer = setTimeout(() => this.kill('SIGKILL'), graceMs)
    await this.ended
    clearTimeout(timer)
  }

  #remember(text: string): void {
    this.log.push(text)
    if (this.log.length > LOG_LINES_MAX) this.log.shift()
  }
}
