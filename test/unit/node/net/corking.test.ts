import { Writable } from 'node:stream'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { joinWrites } from '../../../../node/net/corking.ts'

/** A stream that keeps what each system call would have carried. */
function recorded(options: { highWaterMark?: number } = {}) {
  const calls: string[] = []
  const stream = new Writable({
    ...options,
    write: (chunk: Buffer, _, done) => {
      calls.push(chunk.toString())
      done()
    },
    writev: (chunks, done) => {
      calls.push(chunks.map(({ chunk }) => chunk.toString()).join(''))
      done()
    },
  })
  joinWrites(stream)
  return { stream, calls }
}

test('what is written in one turn leaves together, in order, at its end', async () => {
  const { stream, calls } = recorded()
  for (const part of ['le', 'head', 'data']) stream.write(part)
  expect(calls).toEqual([])
  await nextTurn()
  stream.write('next')
  await nextTurn()
  expect(calls).toEqual(['leheaddata', 'next'])
})

test('an end or a full buffer is told as it is without joining', async () => {
  const { stream, calls } = recorded({ highWaterMark: 4 })
  expect(stream.write('abc')).toBe(true)
  expect(stream.write('de')).toBe(false)
  const drained = new Promise(resolve => stream.once('drain', resolve))
  await drained
  expect(calls).toEqual(['abcde'])
  stream.write('f')
  stream.end('g')
  await new Promise(resolve => stream.once('finish', resolve))
  expect(calls.join('')).toBe('abcdefg')
})

test('a stream that is destroyed before the end of the turn carries nothing and breaks nothing', async () => {
  const { stream, calls } = recorded()
  stream.write('lost')
  stream.destroy()
  await nextTurn()
  await nextTurn()
  expect(calls).toEqual([])
})
