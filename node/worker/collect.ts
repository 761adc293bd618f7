/**
 * V8 does not count memory that threads share when it decides whether to collect: what a round with a large model leaves
 * would stay until something else makes it look. So it is told when there is much to find (with `--expose-gc`, engine.json).
 */

/** Vectors of so many bytes are worth it. */
const LARGE_BYTES = 4 << 20

/** Collects what a thread no longer needs after work on `vector`; soon, and not at once. */
export function collectAfter(vector: { readonly byteLength: number } | undefined): void {
  const { gc } = globalThis as { gc?: () => void }
  if (gc && vector && vector.byteLength >= LARGE_BYTES) setImmediate(gc)
}
