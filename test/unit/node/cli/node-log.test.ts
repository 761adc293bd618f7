import { describe, expect, it } from 'vitest'
import { NodeLog } from '../../../../node/cli/node-log.ts'
import type { EventLine } from '../../../../node/event-line.ts'
import { slice } from '../../../support/transfer.ts'

/** A log on a terminal or in a file, with a clock; and lines of one vector that comes. */
function rig(errTerminal: boolean) {
  const said: string[] = []
  const rig = { now: 0, said }
  const io = {
    out: (text: string) => void said.push(`out ${text}`),
    err: (text: string) => void said.push(text.replace(/^\S+Z /, '')),
    terminal: errTerminal,
    errTerminal,
    columns: () => 60,
    env: {},
    signal: new AbortController().signal,
  }
  const log = new NodeLog(io, 'va', () => rig.now)
  const event = (e: EventLine['event'], words?: string) =>
    log.event({ at: 0, member: 'va', bytesSent: 0, event: e }, words)
  const vector = (bytesDone: number) => event(slice(bytesDone, 8_000_000))
  const at = (ms: number) => {
    rig.now = ms
  }
  return { said, log, event, vector, at }
}

describe('vectors on their way', () => {
  it('are one line on a terminal, written again, out of the way of others and gone at the end', () => {
    const { said, log, event, vector, at } = rig(true)
    vector(0)
    at(2000)
    vector(2_000_000)
    log.say('something else')
    log.out('{}\n')
    vector(8_000_000)
    event({ kind: 'settled' }, 'the end')
    expect(said).toEqual([
      'va: gets a vector from basel: 0 B of 8.0 MB',
      '\r\x1b[K',
      'va: gets a vector from basel: 2.0 MB of 8.0 MB, 1.0 MB/s, 6',
      '\r\x1b[K',
      'va: something else\n',
      'out {}\n',
      'va: the end\n',
    ])
  })

  it('are a line now and then elsewhere, and none if they are quick', () => {
    const { said, vector, at } = rig(false)
    vector(0)
    for (let ms = 500; ms <= 16_000; ms += 500) {
      at(ms)
      vector(ms * 500)
    }
    expect(said).toEqual([
      'va: gets a vector from basel: 2.5 MB of 8.0 MB, 500.0 kB/s, 11 s left\n',
      'va: gets a vector from basel: 5.0 MB of 8.0 MB, 500.0 kB/s, 6 s left\n',
      'va: gets a vector from basel: 7.5 MB of 8.0 MB, 500.0 kB/s, 1 s left\n',
    ])
  })
})
