/** Runs `medmesh sim` in this process and keeps what it says. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import type { Io } from '../../../../node/cli/io.ts'
import { runSim } from '../../../../sim/cli/program.ts'

export interface Said {
  readonly code: number
  readonly out: string
  readonly err: string
}

export async function sim(
  args: readonly string[],
  signal: Io['signal'] = new AbortController().signal,
): Promise<Said> {
  let out = ''
  let err = ''
  const io: Io = {
    out: text => {
      out += text
    },
    err: text => {
      err += text
    },
    terminal: false,
    columns: () => 80,
    env: {},
    signal,
  }
  const code = await runSim(args, io)
  return { code, out, err }
}

export function temporary(): string {
  const dir = mkdtempSync(join(tmpdir(), 'medmesh-sim-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}
