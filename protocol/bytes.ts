/** Small helpers on byte arrays; pure, without Buffer. */

/** From here on words are compared faster than bytes. */
const LONG = 1024

const HEX = Array.from({ length: 256 }, (_, i) => i.toString(16).padStart(2, '0'))

export function toHex(bytes: Uint8Array): string {
  let s = ''
  for (let i = 0; i < bytes.length; i++) s += HEX[bytes[i]!]
  return s
}

/** Throws RangeError when `hex` is not an even number of hex digits. */
export function fromHex(hex: string): Uint8Array {
  if (hex.length % 2 !== 0) throw new RangeError('not a hex string')
  const out = new Uint8Array(hex.length / 2)
  for (let i = 0; i < out.length; i++) out[i] = 16 * digitAt(hex, 2 * i) + digitAt(hex, 2 * i + 1)
  return out
}

function digitAt(hex: string, at: number): number {
  const code = hex.charCodeAt(at)
  if (code >= 48 && code <= 57) return code - 48
  const letter = code | 32
  if (letter >= 97 && letter <= 102) return letter - 87
  throw new RangeError('not a hex string')
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  let diff = 0
  let i = 0
  if (a.length >= LONG) {
    const x = wordsOf(a)
    const y = wordsOf(b)
    for (let k = 0; k < x.length; k++) diff |= x[k]! ^ y[k]!
    i = 4 * x.length
  }
  for (; i < a.length; i++) diff |= a[i]! ^ b[i]!
  return diff === 0
}

/** Four bytes at a time: of what does not lie at a whole word, a copy. */
function wordsOf(bytes: Uint8Array): Uint32Array {
  const { buffer, byteOffset, length } = bytes.byteOffset % 4 === 0 ? bytes : bytes.slice()
  return new Uint32Array(buffer, byteOffset, length >> 2)
}

export function concatBytes(...parts: readonly Uint8Array[]): Uint8Array {
  let n = 0
  for (const p of parts) n += p.length
  const out = new Uint8Array(n)
  let at = 0
  for (const p of parts) {
    out.set(p, at)
    at += p.length
  }
  return out
}

/** UTF-8 bytes of a string that holds ASCII only (labels, identifiers). */
export function ascii(text: string): Uint8Array {
  const out = new Uint8Array(text.length)
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i)
    if (c > 127) throw new RangeError('not ASCII')
    out[i] = c
  }
  return out
}

/** Big-endian 32-bit encoding of each number (0 .. 2^32 - 1). */
export function u32be(...values: readonly number[]): Uint8Array {
  const out = new Uint8Array(4 * values.length)
  for (let i = 0; i < values.length; i++) {
    const v = values[i]!
    out[4 * i] = v >>> 24
    out[4 * i + 1] = v >>> 16
    out[4 * i + 2] = v >>> 8
    out[4 * i + 3] = v
  }
  return out
}
