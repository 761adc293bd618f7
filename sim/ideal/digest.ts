/**
 * The one function that all ideal primitives are made of: SHA-256 over a purpose and parts of unambiguous lengths.
 */
import { hash } from 'node:crypto'

/** Most of what is hashed has room here; nothing of it is a secret worth clearing. */
const scratch = new Uint8Array(16384)

/** 32 bytes; different for every purpose and every cut into parts. */
export function digest(purpose: string, ...parts: readonly Uint8Array[]): Uint8Array {
  let head = `ideal ${purpose}`
  let size = 0
  for (const part of parts) {
    head += ` ${part.length}`
    size += part.length
  }
  const label = `${head}\n`
  const length = label.length + size
  const all = length > scratch.length ? new Uint8Array(length) : scratch.subarray(0, length)
  for (let i = 0; i < label.length; i++) all[i] = label.charCodeAt(i)
  let at = label.length
  for (const part of parts) {
    all.set(part, at)
    at += part.length
  }
  // Text and not bytes out of node:crypto: handing out memory of its own costs it more than the hash.
  const text = hash('sha256', all, 'binary')
  const out = new Uint8Array(text.length)
  for (let i = 0; i < out.length; i++) out[i] = text.charCodeAt(i)
  return out
}
