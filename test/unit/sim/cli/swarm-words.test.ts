/** What a swarm says of seeds that fail, and how several processes share the work. */
import { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { Exit } from '../../../../node/cli/exit.ts'
import type { Io } from '../../../../node/cli/io.ts'
import { registerSwarm, replayCommand } from '../../../../sim/cli/commands/swarm.ts'
import { Progress, timeLeft } from '../../../../sim/cli/progress.ts'
import { figuresTable } from '../../../../sim/cli/swarm-table.ts'
import { verdictOf } from '../../../../sim/cli/verdict.ts'
import { runWorkers } from '../../../../sim/cli/workers.ts'
import { addFigures, NO_FIGURES, type SwarmFigures } from '../../../../sim/swarm-figures.ts'

const failed: SwarmFigures = {
  ...NO_FIGURES,
  seeds: 1,
  events: 10,
  injected: { crash: 1, loss: 2000 },
  failures: [{ seed: 7, checker: 'agreement', says: 'a and b hold different entries 3' }],
}

describe('a seed that fails', () => {
  it('is told at once with the command that replays it, and ends in exit code 5', async () => {
    let out = ''
    const io: Partial<Io> = {
      out: text => {
        out += text
      },
      terminal: false,
      signal: new AbortController().signal,
    }
    const program = new Command()
    registerSwarm(program, io as Io, async o => {
      o.onFailure?.(failed.failures[0]!)
      return failed
    })
    const ran = program.parseAsync(['swarm', '--seeds', '7'], { from: 'user' })
    await expect(ran).rejects.toEqual(new Exit(5))
    expect(out).toMatch(
      /^seed 7 {2}agreement: a and b hold different entries 3\n {2}replay it: medmesh sim replay 7 --trace\n/,
    )
    expect(out).toMatch(/^agreement: seeds 7$/m)
  })

  it('is replayed with the ciphers that it was found with', () => {
    expect(replayCommand(7, 'ideal')).toBe('medmesh sim replay 7 --trace --crypto ideal')
  })

  it('is worse than a study that is not finished', () => {
    const violation = { checker: 'x', says: 'y', at: 0, event: 0 }
    expect(verdictOf({ ok: true, finished: true, violations: [] })).toBe(0)
    expect(verdictOf({ ok: false, finished: false, violations: [] })).toBe(4)
    expect(verdictOf({ ok: false, finished: true, violations: [violation] })).toBe(5)
  })
})

describe('figures', () => {
  it('add up', () => {
    const sum = addFigures(failed, { ...failed, injected: { loss: 5, pause: 1 }, virtualMs: 9 })
    expect(sum).toMatchObject({ seeds: 2, events: 20, virtualMs: 9 })
    expect(sum.injected).toEqual({ crash: 1, loss: 2005, pause: 1 })
    expect(sum.failures).toHaveLength(2)
    expect(addFigures(NO_FIGURES, failed)).toEqual(failed)
  })

  it('are a table, the most frequent first', () => {
    expect(figuresTable(failed, 2000)).toMatch(/^faults +loss 2,000, crash 1$/m)
    expect(figuresTable(failed, 2000)).toMatch(/^events +10, 5 a second$/m)
    expect(figuresTable(NO_FIGURES, 0)).toMatch(/^liars +none$/m)
  })
})

describe('several processes', () => {
  it('play each seed once, and tell the same as one', async () => {
    const seen: number[] = []
    const figures = await runWorkers({
      from: 27,
      to: 28,
      workers: 2,
      pieceSeeds: 1,
      crypto: 'real',
      onProgress: so => seen.push(so.seeds),
    })
    expect(seen).toEqual([1, 2])
    expect(figures.seeds).toBe(2)
    expect(figures.failures).toEqual([])
    const { runSwarm } = await import('../../../../sim/campaign.ts')
    expect({ ...(await runSwarm({ from: 27, to: 28 })) }).toEqual(figures)
  }, 120_000)
})

describe('progress', () => {
  const io = (terminal: boolean) => {
    let said = ''
    const of: Partial<Io> = {
      terminal,
      columns: () => 20,
      err: text => {
        said += text
      },
    }
    return { of: of as Io, said: () => said }
  }

  it('is redrawn in place on a terminal, within its width, and cleared', () => {
    let now = 0
    const { of, said } = io(true)
    const progress = new Progress(of, () => now)
    progress.show(() => 'too early')
    now = 300
    progress.show(() => 'a long line that does not fit')
    now = 350
    progress.show(() => 'too early again')
    now = 600
    progress.show(() => 'short')
    progress.clear()
    progress.clear()
    expect(said()).toBe(`\ra long line that do\r${'short'.padEnd(19)}\r     \r`)
    expect(progress.elapsedMs).toBe(600)
  })

  it('is a line now and then elsewhere', () => {
    let now = 0
    const { of, said } = io(false)
    const progress = new Progress(of, () => now)
    for (; now < 31_000; now += 1000) progress.show(() => `at ${now}`)
    progress.clear()
    expect(said()).toBe('at 15000\nat 30000\n')
  })

  it('estimates by the part that is done', () => {
    expect(timeLeft(0.25, 60_000)).toBe('about 3 min left')
    expect(timeLeft(0, 60_000)).toBe('time left unknown')
    expect(timeLeft(0.5, 10)).toBe('time left unknown')
    expect(timeLeft(1.2, 5000)).toBe('about 0 s left')
  })
})
