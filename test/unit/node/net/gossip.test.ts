import { expect, test } from 'vitest'
import { copyId } from '../../../../node/net/gossip.ts'

test('copies of a message have one id, which another signature does not have', () => {
  const signature = Uint8Array.from({ length: 64 }, (_, i) => i)
  expect(copyId({ signature: signature.slice() })).toBe(copyId({ signature }))
  expect(copyId({ signature: signature.with(63, 0) })).not.toBe(copyId({ signature }))
  expect(copyId({})).toBe('')
})
