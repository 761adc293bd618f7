import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../../../../', import.meta.url))
const register = './sim/ideal/register.ts'

function node(...args: readonly string[]): { out: string; error: string; code: number | null } {
  const done = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  return { out: done.stdout, error: done.stderr, code: done.status }
}

function evaluate(code: string, ...args: readonly string[]) {
  return node(...args, '--input-type=module', '--eval', code)
}

describe('registering the ideal primitives', () => {
  it('leaves the course of events as it is', () => {
    const [real, ideal] = [[], ['--import', register]].map(args => {
      const { out, error } = node(...args, 'test/unit/sim/ideal/course.ts')
      expect(error).toBe('')
      return JSON.parse(out)
    })
    expect(real.done).toBe(true)
    expect(real.lines.length).toBeGreaterThan(10)
    expect(ideal.lines).toEqual(real.lines)
    expect(ideal.faults).toBe(real.faults)
    expect(ideal.signed, 'other signatures, so that the ideal ones were there').not.toBe(real.signed)
  })

  it('keeps all of the node out that has a network, an identity or a store', () => {
    for (const module of ['host', 'main', 'net/net', 'identity/identity', 'store/store', 'worker/worker']) {
      const { error, code } = evaluate(`await import('./node/${module}.ts')`, '--import', register)
      expect([module, code]).toEqual([module, 1])
      expect(error).toContain('ideal cryptography is for simulations only')
    }
    expect(evaluate("await import('./node/data/csv.ts')", '--import', register).error).toBe('')
  })

  it('is refused when something of the protocol is there already, as only half would be replaced', () => {
    const late = evaluate(`await import('./protocol/peer.ts'); await import('${register}')`)
    expect(late.code).toBe(1)
    expect(late.error).toContain('before protocol/ is loaded')
    expect(evaluate(`await import('${register}'); await import('./protocol/peer.ts')`).error).toBe('')
  })
})
