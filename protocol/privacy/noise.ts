/** What the samplers of noise have in common: where their random words come from, and how a long vector gets its noise. */
import { keyStream, sideStream } from '../crypto/keystream.ts'
import type { Rational } from './rational.ts'

/** The two streams of a key. The tests put rare words into them. */
export interface Streams {
  readonly keyStream: typeof keyStream
  readonly sideStream: typeof sideStream
}

export const CIPHER: Streams = { keyStream, sideStream }

/** Independent draws of one law on the integers, with mean 0. */
export interface NoiseSampler {
  readonly variance: Rational
  /**
   * Puts the noise of `key` (32 bytes, secret, for this one vector and law) into one piece after the other, from element
   * `position` on. The noise of an element depends on key and position alone: however a vector is cut, and wherever one begins,
   * it is the same, so that who is given the key later can take it off any slice.
   */
  drawer(key: Uint8Array, position?: number, open?: Streams): (piece: Int32Array) => void
}
