import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Board } from '../../../../node/demo/board.ts'
import type { Launch } from '../../../../node/demo/child.ts'
import { planFault } from '../../../../node/demo/fault-plan.ts'
import { type MeshOptions, runMesh } from '../../../../node/demo/mesh.ts'

const FAKE = fileURLToPath(new URL('fake-node.js', import.meta.url))
const MEMBERS = ['a1', 'b1', 'c1']

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'medmesh-mesh-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function options(what: Readonly<Record<string, string>>, more: Partial<MeshOptions> = {}): MeshOptions {
  const launch = (m: string): Launch => [process.execPath, FAKE, m, folder, '3', what[m] ?? 'works']
  return {
    board: new Board(MEMBERS),
    launches: new Map(MEMBERS.map(m => [m, launch(m)])),
    fault: undefined,
    onChange: () => {},
    say: () => {},
    signal: new AbortController().signal,
    timeoutMs: 20_000,
    stopGraceMs: 300,
    ...more,
  }
}

/** Whether the last process of `member` still exists. */
function lives(member: string): boolean {
  try {
    process.kill(Number(readFileSync(join(folder, `${member}.started`), 'utf8')), 0)
    return true
  } catch {
    return false
  }
}

describe('the mesh of the demo', () => {
  it('ends when all have finished', async () => {
    const o = options({})
    await runMesh(o)
    expect([...o.board.finished.keys()].sort()).toEqual(MEMBERS)
    expect(o.board.outages).toEqual([])
  })

  it('kills the planned hospital in the planned phase and starts it again once the others have closed the round', async () => {
    const o = options({ b1: 'hang' }, { fault: { member: 'b1', round: 2, phase: 'sharing' } })
    await runMesh(o)
    const [outage] = o.board.outages
    expect(outage).toMatchObject({ member: 'b1', round: 2, phase: 'sharing' })
    expect(outage!.until).toBeGreaterThanOrEqual(o.board.rounds.get(2)!.closedAt!)
    expect(o.board.finished.has('b1')).toBe(true)
    expect(o.board.outages).toHaveLength(1)
  })

  it('names a hospital that ends early, with its log, and leaves no process behind', async () => {
    const failure = runMesh(options({ a1: 'crash', b1: 'stuck', c1: 'stuck' }))
    await expect(failure).rejects.toMatchObject({
      code: 'DEMO_HOSPITAL_ENDED',
      message: expect.stringMatching(/a1 .*exit code 3[\s\S]*log of a1/),
    })
    expect(MEMBERS.filter(lives)).toEqual([])
  })

  it('refuses two models after one round', async () => {
    await expect(runMesh(options({ c1: 'lies' }))).rejects.toMatchObject({ code: 'DEMO_MODELS_DIFFER' })
    expect(MEMBERS.filter(lives)).toEqual([])
  })

  it('gives up in time, says who has not finished, and leaves no process behind', async () => {
    await expect(runMesh(options({ b1: 'stuck' }, { timeoutMs: 1500 }))).rejects.toMatchObject({
      code: 'DEMO_TIMEOUT',
      message: expect.stringContaining('b1 has not finished'),
    })
    expect(MEMBERS.filter(lives)).toEqual([])
  })

  it('stops all processes when it is interrupted, those that ignore SIGTERM too', async () => {
    const stop = new AbortController()
    const o = options(
      { a1: 'deaf', b1: 'stuck' },
      {
        signal: stop.signal,
        onChange: () => {
          if (o.board.rounds.get(4)?.hashes.has('a1')) stop.abort()
        },
      },
    )
    await expect(runMesh(o)).rejects.toMatchObject({ name: 'AbortError' })
    expect(MEMBERS.filter(lives)).toEqual([])
  })

  it('says when a hospital cannot be started at all', async () => {
    const o = options({ b1: 'stuck', c1: 'stuck' })
    const launches = new Map(o.launches).set('a1', [join(folder, 'no-such-program')])
    await expect(runMesh({ ...o, launches })).rejects.toMatchObject({ code: 'DEMO_HOSPITAL_ENDED' })
    expect(['b1', 'c1'].filter(lives)).toEqual([])
  })
})

describe('the planned fault', () => {
  it('is the same for a seed, in a round of the middle third, and differs between seeds', () => {
    const plans = Array.from({ length: 40 }, (_, seed) => planFault(seed, MEMBERS, 15))
    for (const [seed, plan] of plans.entries()) {
      expect(planFault(seed, MEMBERS, 15)).toEqual(plan)
      expect(plan.round).toBeGreaterThanOrEqual(5)
      expect(plan.round).toBeLessThanOrEqual(10)
    }
    expect(new Set(plans.map(p => p.member))).toEqual(new Set(MEMBERS))
    expect(new Set(plans.map(p => p.round)).size).toBe(6)
  })

  it('is a training round also in the shortest study', () => {
    for (const rounds of [1, 2, 3]) {
      const { round } = planFault(1, MEMBERS, rounds)
      expect(round >= 1 && round <= rounds).toBe(true)
    }
  })
})
