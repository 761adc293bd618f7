import { afterEach, expect, test, vi } from 'vitest'

afterEach(() => {
  vi.restoreAllMocks()
  vi.unstubAllGlobals()
  vi.resetModules()
})

test('the collector looks when the process has grown by 192 MiB since it looked, or since it was smallest', async () => {
  const gc = vi.fn()
  vi.stubGlobal('gc', gc)
  let mebibytes = 300
  vi.spyOn(process.memoryUsage, 'rss').mockImplementation(() => mebibytes * 2 ** 20)
  const { collect } = await import('../../../node/collect.ts')
  const looks = (at: number) => {
    mebibytes = at
    collect()
    return gc.mock.calls.length
  }
  expect(looks(491)).toBe(0)
  expect(looks(492)).toBe(1)
  expect(looks(683)).toBe(1)
  // It shrinks by itself: from there on it counts.
  expect(looks(200)).toBe(1)
  expect(looks(391)).toBe(1)
  expect(looks(392)).toBe(2)
})

test('an engine that lets nobody call its collector is left alone', async () => {
  vi.stubGlobal('gc', undefined)
  let gibibytes = 1
  vi.spyOn(process.memoryUsage, 'rss').mockImplementation(() => gibibytes++ * 2 ** 30)
  const { collect } = await import('../../../node/collect.ts')
  expect(collect).not.toThrow()
})
