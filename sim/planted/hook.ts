/** Applies a defect to the project's own source texts while Node reads them: nothing is written to disk. */
import { registerHooks } from 'node:module'
import type { Defect } from './defects.ts'

const ROOT = new URL('../../', import.meta.url)

/**
 * Must be called before the modules concerned are first imported. Throws where a text is not there exactly once: the
 * source has moved on, and the defect must follow it.
 */
export function plant({ name, edits }: Defect): { readonly unread: () => string[] } {
  const unread = new Set(edits.map(e => e.file))
  registerHooks({
    load: (url, context, next) => {
      const loaded = next(url, context)
      const file = url.startsWith(ROOT.href) ? url.slice(ROOT.href.length) : undefined
      const mine = edits.filter(e => e.file === file)
      if (mine.length === 0) return loaded
      unread.delete(file!)
      return { ...loaded, source: mine.reduce((text, e) => changed(text, name, e), textOf(loaded.source)) }
    },
  })
  return { unread: () => [...unread] }
}

/** `source` with one edit. */
export function changed(
  source: string,
  name: string,
  { file, find, replace }: Defect['edits'][number],
): string {
  const parts = source.split(find)
  if (parts.length !== 2)
    throw new Error(`${name}: the text to change stands ${parts.length - 1} times in ${file}`)
  return parts.join(replace)
}

function textOf(source: unknown): string {
  if (typeof source === 'string') return source
  return new TextDecoder().decode(source as Uint8Array)
}
