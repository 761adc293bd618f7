import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    experimental: { viteModuleRunner: false },
    // Against what never ends, not a measure of speed: a busy machine must fail no test.
    testTimeout: 300_000,
    pool: 'forks',
    // Vitest leaves a core free; of two that is half of all.
    maxWorkers: '100%',
  },
})
