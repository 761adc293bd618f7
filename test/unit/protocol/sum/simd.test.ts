import { expect, it } from 'vitest'
import { assembled } from '../../../../node/scripts/assemble.ts'
import { MODULE } from '../../../../protocol/sum/simd.module.ts'

it('the module of the vector kernels is what its source assembles to', async () => {
  expect(await assembled()).toBe(MODULE)
})
