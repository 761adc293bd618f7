/** The planted defects follow the source: each text is there once, and what it becomes is still TypeScript. */
import { readFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { describe, expect, it } from 'vitest'
import { DEFECTS } from '../../../sim/planted/defects.ts'
import { changed } from '../../../sim/planted/hook.ts'

describe('planted defects', () => {
  it('are fifteen at least, each with a name of its own', () => {
    expect(DEFECTS.length).toBeGreaterThanOrEqual(15)
    expect(new Set(DEFECTS.map(d => d.name)).size).toBe(DEFECTS.length)
  })

  it.each(DEFECTS.map(d => [d.name, d] as const))('%s applies', (name, { edits }) => {
    const texts = new Map<string, string>()
    for (const e of edits) {
      const before = texts.get(e.file) ?? readFileSync(new URL(`../../../${e.file}`, import.meta.url), 'utf8')
      texts.set(e.file, changed(before, name, e))
    }
    for (const text of texts.values()) expect(() => stripTypeScriptTypes(text)).not.toThrow()
  })

  it('are refused where the source has moved on', () => {
    const e = { file: 'x.ts', find: 'a', replace: 'b' }
    expect(() => changed('c', 'name', e)).toThrow(/stands 0 times/)
    expect(() => changed('a a', 'name', e)).toThrow(/stands 2 times/)
    expect(changed('cac', 'name', e)).toBe('cbc')
  })
})
