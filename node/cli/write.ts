/** Files written whole or not at all. */
import { closeSync, fsyncSync, openSync, renameSync, unlinkSync, writeSync } from 'node:fs'
import { MedmeshError } from '../../config/error.ts'

/** Replaces `path` by `content` in one step. Throws MedmeshError FILE_WRITE. */
export function replaceFile(path: string, content: string | Uint8Array): void {
  const draft = `${path}.${process.pid}.new`
  try {
    const file = openSync(draft, 'wx', 0o644)
    try {
      // A write may be partial.
      const bytes = typeof content === 'string' ? Buffer.from(content) : content
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    renameSync(draft, path)
  } catch (error) {
    try {
      unlinkSync(draft)
    } catch {
      // It was not made.
    }
    const code = (error as NodeJS.ErrnoException).code ?? 'unknown reason'
    throw new MedmeshError(
      'FILE_WRITE',
      `${path} cannot be written (${code})`,
      'check that the folder exists and that this account may write in it',
    )
  }
}
