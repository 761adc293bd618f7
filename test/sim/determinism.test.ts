/**
 * A seed is one course of events: whatever ran before it, however the engine compiles, wherever and in whatever language
 * the process runs. The hashes below were made on another machine; when a change of the protocol or of the simulator
 * changes the course of events on purpose, `npx vitest run test/sim/determinism.test.ts -u` writes them anew.
 */
import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { runScenario } from '../../sim/run.ts'
import { randomScenario } from '../../sim/swarm.ts'

/** Small ones, with and without liars and crashes. */
const SEEDS = [3, 28, 31] as const
const OTHERS = [10, 64]

const HASHES = fileURLToPath(new URL('hashes.ts', import.meta.url))

const hashOf = (seed: number) => runScenario(randomScenario(seed), { seed }).traceHash

interface Place {
  readonly flags: readonly string[]
  readonly seeds: readonly number[]
  readonly env: Readonly<Record<string, string>>
  readonly cwd: string
}

/** Hashes of a process of its own, by seed. */
function elsewhere({ flags, seeds, env, cwd }: Place): Promise<Map<number, string>> {
  return new Promise((resolve, reject) => {
    const args = [...flags, HASHES, ...seeds.map(String)]
    execFile(process.execPath, args, { cwd, env: { ...process.env, ...env } }, (error, out) => {
      if (error) return reject(error)
      const lines = out
        .trim()
        .split('\n')
        .map(line => line.split(' '))
      resolve(new Map(lines.map(([seed, hash]) => [Number(seed), hash!])))
    })
  })
}

describe('the same seed', () => {
  const here = new Map<number, string>()
  beforeAll(() => {
    for (const seed of SEEDS) here.set(seed, hashOf(seed))
  }, 120_000)

  it('has the same hash on every machine', () => {
    expect(Object.fromEntries(here)).toMatchInlineSnapshot(`
      {
        "28": "646ecca758069ef23e878f1deb441c1967400c799070f71629d21cec748fc41c",
        "3": "abcc5cb4de3f13bd76c5abddd0f4f7b42c7db5f225913f1b5ef12bf9aa47c0fc",
        "31": "108ef250ff66da55fba82c3ca378088b1be52f08cda6fc2e05a7de4349607f0c",
      }
    `)
  })

  it('has the same hash after other seeds, in another order', () => {
    for (const seed of OTHERS) hashOf(seed)
    for (const seed of [...SEEDS].reverse()) expect(hashOf(seed)).toBe(here.get(seed))
  }, 120_000)

  it('has another hash than another seed, and than the same seed with another scenario', () => {
    expect(new Set(here.values()).size).toBe(SEEDS.length)
    const longer = { ...randomScenario(28), limitMs: 60_000_000 }
    expect(runScenario(longer, { seed: 28 }).traceHash).toBe(here.get(28))
    expect(runScenario(longer, { seed: 29 }).traceHash).not.toBe(here.get(28))
  }, 120_000)

  it.each<[string, Omit<Place, 'seeds' | 'cwd'> & Partial<Place>]>([
    [
      'nothing is compiled',
      {
        flags: ['--no-opt', '--no-maglev', '--no-sparkplug'],
        env: { TZ: 'Pacific/Apia', LANG: 'tr_TR.UTF-8' },
      },
    ],
    [
      'everything is, and rubbish is collected all the time',
      {
        flags: ['--always-sparkplug', '--max-semi-space-size=1', '--random-seed=7', '--hash-seed=9'],
        env: { TZ: 'America/Lima', LC_ALL: 'C', LANG: 'ja_JP.UTF-8' },
        cwd: tmpdir(),
      },
    ],
  ])(
    'has the same hash where %s',
    async (_, place) => {
      const seeds = [...OTHERS, ...[...SEEDS].reverse()]
      const there = await elsewhere({ cwd: '/', seeds, ...place })
      for (const seed of SEEDS) expect([seed, there.get(seed)]).toEqual([seed, here.get(seed)])
    },
    300_000,
  )
})
