/**
 * Memory for long vectors. It is shared between threads: a job in a worker reads its inputs where they are, and the thread
 * that answers the network neither copies them nor waits. Whoever makes a vector fills it in before anybody else sees it.
 */

/** Below this, cloning is as cheap as sharing. */
export const SHARED_BYTES_MIN = 1 << 14

/** Zeros; `bytes` of them. */
export function longMemory(bytes: number): ArrayBuffer | SharedArrayBuffer {
  return bytes < SHARED_BYTES_MIN ? new ArrayBuffer(bytes) : new SharedArrayBuffer(bytes)
}

/** `length` elements that are 0. */
export function longVector(length: number): Uint32Array {
  return new Uint32Array(longMemory(4 * length))
}
