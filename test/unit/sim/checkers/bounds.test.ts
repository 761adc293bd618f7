import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../protocol/bytes.ts'
import type { Effect } from '../../../../protocol/ports.ts'
import { bounds } from '../../../../sim/checkers/bounds.ts'
import type { World } from '../../../../sim/world.ts'
import { memberName } from '../../../support/consortium.ts'
import { type Forge, tape } from '../../../support/watched.ts'

const run = tape({ n: 4 })
const victim = memberName(1)

/** What one output of the victim is told to have been instead. */
function giving(effects: readonly Effect[]): Forge {
  let done = false
  return honest => ({
    onOutput: (host, input, output) => {
      const isOnce = !done && host.id === victim && input.kind === 'message'
      done ||= isOnce
      honest.onOutput?.(host, input, isOnce ? { ...output, effects } : output)
    },
  })
}

const megabyte = new Uint8Array(1 << 20)
const says = (forge: Forge) => run.play(bounds, { forge }).says

describe('bounds', () => {
  it('messages have a largest size, published ones a smaller one', () => {
    const sent = (to: string | undefined, size: number) =>
      says(honest => ({
        onStart: host => {
          honest.onStart?.(host)
          if (host.id === victim) honest.onRelease?.(host, to, new Uint8Array(size))
        },
      }))
    expect(sent(undefined, 64_512)).toEqual([])
    expect(sent(undefined, 64_513)).toEqual([`${victim} sends something of more bytes than may be sent`])
    expect(sent(memberName(0), 8 << 20)).toEqual([])
    expect(sent(memberName(0), (8 << 20) + 1).length).toBe(1)
    expect(sent(memberName(0), 0).length).toBe(1)
  })

  it('one input has a largest answer, all its ways together', () => {
    const send: Effect = { kind: 'send', to: memberName(0), bytes: megabyte }
    expect(says(giving([send, send, send]))).toEqual([])
    const later: Effect = { kind: 'store', puts: [], deletes: [], release: [send, send] }
    const much = says(giving([send, send, send, later]))
    expect(much.length).toBe(1)
    expect(much[0]).toMatch(new RegExp(`^${victim} sends more than \\d MB for one [a-z]+$`))
  })

  it('work and commits that do not end are found', () => {
    const job: Effect = { kind: 'job', id: 1, job: { kind: 'vector', work: { kind: 'sum', inputs: [] } } }
    expect(says(giving(Array(20).fill(job)))).toEqual([`${victim} has more than 19 jobs at once`])
    const store: Effect = { kind: 'store', puts: [], deletes: [], release: [] }
    expect(says(giving(Array(5000).fill(store)))).toEqual([`${victim} has more than 4096 commits waiting`])
  })

  it('a machine that wakes itself for ever is found', () => {
    const forge = (apart: number): Forge => {
      let done = false
      return honest => ({
        onInput: (host, input, now) => {
          honest.onInput?.(host, input, now)
          if (done || host.id !== victim) return
          done = true
          for (let i = 0; i < 100; i++) honest.onInput?.(host, { kind: 'tick' }, now + apart * i)
        },
      })
    }
    expect(says(forge(1))).toEqual([])
    expect(says(forge(0))).toEqual([`${victim} is woken again and again, and no time goes by`])
  })

  it('what a machine keeps of others is found where it is more than may be kept', () => {
    const { says: found } = run.play(bounds, {
      forge: (honest, c) => {
        const host = c.world.host(victim)
        const kept = { ...host.peer!.footprint, futureMessages: 49 }
        const hosts = new Map([[victim, { id: victim, up: true, peer: { footprint: kept } }]])
        honest.onWorld?.({ now: 0, events: 0, hosts } as unknown as World)
        return {}
      },
    })
    expect(found).toEqual([`${victim} keeps more than may be kept: futureMessages over 48`])
  })

  it('a hospital that lies may do all of it', () => {
    const send: Effect = { kind: 'send', to: memberName(0), bytes: concatBytes(...Array(40).fill(megabyte)) }
    expect(run.play(bounds, { liars: [1], forge: giving([send]) }).says).toEqual([])
  })
})
