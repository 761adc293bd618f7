/** Agreement and termination under chaos (arXiv 1807.04938, section 4). */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Network } from './network.ts'

const sizes = [
  { n: 4, f: 1, runs: 60 },
  { n: 7, f: 2, runs: 30 },
  { n: 10, f: 3, runs: 15 },
]

describe('consensus under loss, crashes and liars', () => {
  for (const { n, f, runs } of sizes) {
    test(`${n} peers, ${f} lying: never two decisions; one when the network heals`, () => {
      fc.assert(
        fc.property(
          fc.record({
            seed: fc.integer(),
            liars: fc.integer({ min: 0, max: f }),
            eras: fc.integer({ min: 0, max: 20 }),
            lossRate: fc.constantFrom(0, 0.1),
            crashRate: fc.constantFrom(0, 0.02, 0.1),
            lieRate: fc.constantFrom(0.2, 0.5, 1),
          }),
          chaos => {
            const network = new Network({ n, f, ...chaos })
            network.runChaos()
            network.runApart(30)
            expect(network.heal(400)).toBe(true)
          },
        ),
        { numRuns: runs },
      )
    })
  }
})
