import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** What takes minutes, the longest first: begun last, it would run alone while the other cores wait. */
const LONG = ['sim/exact-many', 'e2e/node', 'sim/exact', 'study/heart', 'sim/crash', 'sim/liars', 'sim/seeds']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONG.findIndex(name => moduleId.endsWith(`test/${name}.test.ts`))
      return at < 0 ? LONG.length : at
    }
    return (await super.sort(files)).sort((a, b) => place(a) - place(b))
  }
}

/**
 * Simulations whose subject is the course of events: who is lost when, and what then becomes of sums and ledgers. Ideal primitives take
 * half of their time; real ones are in all other simulations, and in the processes that are killed in `e2e/node`.
 */
const IDEAL = ['committees-liars', 'crash', 'exact-many', 'network', 'quorum', 'seeds', 'stalls'].map(
  name => `test/sim/${name}.test.ts`,
)

export default defineConfig({
  test: {
    projects: [
      { extends: true, test: { name: 'real', include: ['test/**/*.test.ts'], exclude: IDEAL } },
      {
        extends: true,
        test: { name: 'ideal', include: IDEAL, execArgv: ['--import', './sim/ideal/register.ts'] },
      },
    ],
    experimental: { viteModuleRunner: false },
    // Against what never ends, not a measure of speed: a busy machine must fail no test.
    testTimeout: 300_000,
    pool: 'forks',
    // Vitest leaves a core free; of two that is half of all.
    maxWorkers: '100%',
    sequence: { sequencer: LongestFirst },
  },
})
