/**
 * Every seed that ever found a bug, with the scenario that it was played with, is played again: test/seeds/*.json. A seed that took
 * another course when the simulated network changed has made way for one by which the same scenario shows the bug again, where there is one.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { checkScenario } from '../../config/scenario-parse.ts'
import { runScenario } from '../../sim/run.ts'

const FOLDER = new URL('../seeds/', import.meta.url)

interface Kept {
  readonly seed: number
  /** The seed that found it, where another one shows it now. */
  readonly found?: number
  /** What it was, in a sentence, and the checker that said so. */
  readonly bug: string
  readonly checker: string
  readonly scenario: unknown
}

const files = readdirSync(FOLDER).filter(name => name.endsWith('.json'))

describe('seeds that found bugs', () => {
  it('are kept', () => expect(files.length).toBeGreaterThan(0))

  it.each(files)(
    '%s',
    file => {
      const kept = JSON.parse(readFileSync(new URL(file, FOLDER), 'utf8')) as Kept
      expect(kept.bug).not.toBe('')
      const result = runScenario(checkScenario(kept.scenario), { seed: kept.seed })
      expect(result.violations).toEqual([])
      expect(result.ok).toBe(true)
    },
    120_000,
  )
})
