import { expect, it } from 'vitest'
import { Lru } from '../../../../protocol/crypto/lru.ts'

it('forgets what was used least recently, and holds no more than its limit', () => {
  const lru = new Lru<number>(2)
  lru.set('a', 1)
  lru.set('b', 2)
  expect(lru.get('a')).toBe(1)
  lru.set('c', 3)
  expect(lru.get('b')).toBeUndefined()
  expect(lru.get('a')).toBe(1)
  expect(lru.get('c')).toBe(3)
  lru.set('c', 4)
  expect(lru.size).toBe(2)
  expect(lru.get('c')).toBe(4)
  for (let i = 0; i < 100; i++) lru.set(String(i), i)
  expect(lru.size).toBe(2)
})
