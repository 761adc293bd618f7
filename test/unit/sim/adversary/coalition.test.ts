import { describe, expect, it } from 'vitest'
import { publicKeyOf } from '../../../../protocol/crypto/sign.ts'
import { openEnvelope, verifyEnvelope } from '../../../../protocol/wire/envelope.ts'
import { Coalition } from '../../../../sim/adversary/coalition.ts'
import { peerConfigs, simCharter } from '../../../../sim/charter.ts'
import type { HostileRun } from '../../../support/hostile.ts'
import { saidOf, studyWith, variety } from './reading.ts'

const names = Array.from({ length: 10 }, (_, i) => `site-${i}`)
const configs = peerConfigs(simCharter({ members: names }))
const three = () => new Coalition([configs[7]!, configs[2]!, configs[4]!], 5)

describe('a coalition', { timeout: 120_000 }, () => {
  it('knows who is in it, in the charter’s order', () => {
    expect(three().members).toEqual(['site-2', 'site-4', 'site-7'])
    expect(three().honest).toEqual(names.filter(m => !['site-2', 'site-4', 'site-7'].includes(m)))
    expect(three().includes('site-4')).toBe(true)
    expect(three().includes('site-5')).toBe(false)
    expect(() => three().configOf('site-5')).toThrow('not of the coalition')
  })

  it('draws alike for the same name, and otherwise for another name or another seed', () => {
    const draws = (c: Coalition, name: string) =>
      Array.from({ length: 4 }, c.random(name).u32.bind(c.random(name)))
    expect(draws(three(), 'a')).toEqual(draws(three(), 'a'))
    expect(draws(three(), 'b')).not.toEqual(draws(three(), 'a'))
    expect(draws(new Coalition([configs[2]!], 6), 'a')).not.toEqual(draws(three(), 'a'))
  })

  it('cuts the honest members into halves that are never empty, and not always the same', () => {
    const cuts = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const sides = three().honest.map(m => three().half(`cut ${i}`, m))
      expect(sides.filter(s => s === 0).length).toBe(4)
      cuts.add(sides.join())
    }
    expect(cuts.size).toBeGreaterThan(10)
  })

  it('signs in the name of each of its members', () => {
    const signed = openEnvelope(three().signs('site-4', 'prevote', Uint8Array.of(1)))
    expect(signed.ok && signed.value.from).toBe('site-4')
    const key = publicKeyOf(configs[4]!.seed)
    expect(signed.ok && verifyEnvelope(signed.value, configs[4]!.network, key)).toBe(true)
  })

  it('keeps a bounded number of what it heard, the latest', () => {
    const c = three()
    for (let i = 0; i < 3_000; i++) c.hears('site-2', 'gossip', Uint8Array.of(i & 255, i >> 8))
    expect(c.heard.length).toBeLessThanOrEqual(512)
    expect(c.heard.at(-1)!.bytes).toEqual(Uint8Array.of(2_999 & 255, 2_999 >> 8))
  })

  it('acts together: in many attempts members deny their shares to the same hospitals, in others to different ones', () => {
    const counts = { same: 0, other: 0 }
    for (const seed of [1, 2, 3]) {
      const denied = deniedIn(studyWith('withheldShares', { n: 7, rounds: 2, seed }))
      for (const [a, b] of denied) counts[a === b ? 'same' : 'other']++
    }
    expect(counts.same).toBeGreaterThan(0)
    expect(counts.other).toBeGreaterThan(0)
  })
})

/** For each attempt that both liars dealt in: whom each of them denied its shares. */
function deniedIn(r: HostileRun): [string, string][] {
  const [a, b] = [...new Set(r.said.map(s => s.by))].sort()
  const dealt = variety(
    saidOf(r, 'sealed').filter(s => s.to !== a && s.to !== b),
    s => `${s.by} ${s.body.round}/${s.body.attempt}`,
    s => s.to!,
  )
  const attempts = new Set([...dealt.keys()].map(k => k.split(' ')[1]!))
  return [...attempts].flatMap((attempt): [string, string][] => {
    const [x, y] = [dealt.get(`${a} ${attempt}`), dealt.get(`${b} ${attempt}`)]
    return x && y ? [[[...x].sort().join(), [...y].sort().join()]] : []
  })
}
