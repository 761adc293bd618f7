/**
 * Shamir's secret sharing (CACM 1979) of 32-byte secrets over the prime field of 2^256 - 189: any t shares give the secret,
 * t - 1 say nothing about it.
 *
 * Our own and not the audited npm package, because that one draws its polynomials from ambient randomness and answers with
 * promises, and a peer must deal the identical shares again after a restart. One field element for each secret also
 * makes a share exactly as long as the secret. What multiplies secrets is in `limbs.ts`. BigInt takes a time that depends on
 * its operands: it reduces what is drawn and computes with what is public, and whoever can measure it inside a hospital's
 * machine is inside it already (THREATS).
 */
import { ascii, fromHex, toHex } from '../bytes.ts'
import { hkdf } from '../crypto/kdf.ts'
import { Lru } from '../crypto/lru.ts'
import { assert, err, ok, type Result } from '../result.ts'
import { innerProduct, polynomial } from './limbs.ts'

/** The largest prime below 2^256. */
export const SHARE_PRIME = 2n ** 256n - 189n
export const SHARE_BYTES = 32
/** Abscissas are index + 1 and must differ from 0, where the secret is. */
export const SHARES_MAX = 255
/** Bytes for one uniform element: 128 bits more than the prime's, so that reducing leaves a bias of 2^-128. */
const WIDE = 48
/** One HKDF output holds this many coefficients; enough for every threshold of 255 hospitals. */
const COEFFICIENTS_MAX = 170
const COEFFICIENTS = ascii('medmesh/1 shamir coefficients')

/** The share of the member at `index` (0 .. 254) of the cohort. */
export interface Share {
  readonly index: number
  /** SHARE_BYTES, big-endian, below the prime. */
  readonly share: Uint8Array
}

export type ShareFault =
  | { readonly kind: 'tooFew'; readonly have: number; readonly need: number }
  /** Two shares of one member, or a member that cannot be. */
  | { readonly kind: 'badIndex'; readonly index: number }
  /** Not 32 bytes, or not below the prime. Says whose, so that it can be held against its sender. */
  | { readonly kind: 'badShare'; readonly index: number }

/** Uniform bytes (48 or more, as from HKDF) as a secret that can be shared: 32 bytes, below the prime. */
export function secretFromSeed(seed: Uint8Array): Uint8Array {
  if (seed.length < WIDE) throw new RangeError(`a secret is made of at least ${WIDE} bytes`)
  return toBytes(toInteger(seed) % SHARE_PRIME)
}

/**
 * Shares of `secret` (32 bytes below the prime) for n members, any `t` of which recover it; share i belongs to index i.
 * 1 <= t <= n <= 255, t <= 171. `seed`: 32 bytes, secret, for this secret alone; the same seed deals the same shares.
 */
export function split(secret: Uint8Array, t: number, n: number, seed: Uint8Array): Uint8Array[] {
  assert(
    Number.isInteger(t) && Number.isInteger(n) && t >= 1 && t <= n && n <= SHARES_MAX,
    '1 <= t <= n <= 255',
  )
  assert(t - 1 <= COEFFICIENTS_MAX, 't <= 171')
  if (seed.length !== 32) throw new RangeError('a polynomial is drawn from 32 bytes')
  if (!isElement(secret)) throw new RangeError('a secret has 32 bytes and is below the prime')
  const wide = t === 1 ? new Uint8Array(0) : hkdf(seed, COEFFICIENTS, WIDE * (t - 1))
  const coefficients = [secret]
  for (let k = 0; k < t - 1; k++) coefficients.push(secretFromSeed(wide.subarray(WIDE * k, WIDE * (k + 1))))
  const valueAt = polynomial(coefficients)
  return Array.from({ length: n }, (_, i) => valueAt(i + 1))
}

/** The secret of `t` of the shares (the first t are used). Wrong shares give a wrong secret: check it against its commitment. */
export function combine(shares: readonly Share[], t: number): Result<Uint8Array, ShareFault> {
  if (shares.length < t) return err({ kind: 'tooFew', have: shares.length, need: t })
  const used = shares.slice(0, t)
  const recover = combiner(used.map(s => s.index))
  return recover.ok ? recover.value(used.map(s => s.share)) : recover
}

/**
 * Recovers any number of secrets from the same set of members: the Lagrange coefficients at 0 are computed once.
 * `indices`: t different members; the shares are given in that order.
 */
export function combiner(
  indices: readonly number[],
): Result<(shares: readonly Uint8Array[]) => Result<Uint8Array, ShareFault>, ShareFault> {
  if (indices.length === 0) return err({ kind: 'tooFew', have: 0, need: 1 })
  for (const [k, index] of indices.entries()) {
    const possible = Number.isInteger(index) && index >= 0 && index < SHARES_MAX
    if (!possible || indices.indexOf(index) !== k) return err({ kind: 'badIndex', index })
  }
  const name = indices.join()
  const recover = recoverers.get(name) ?? innerProduct(lagrangeAtZero(indices.map(i => BigInt(i + 1))))
  recoverers.set(name, recover)
  return ok(shares => {
    assert(shares.length === indices.length, 'a share for each index')
    const bad = shares.findIndex(share => !isElement(share))
    return bad < 0 ? ok(recover(shares)) : err({ kind: 'badShare', index: indices[bad]! })
  })
}

/** By the members whose shares are used, mostly the same ones: their coefficients are public. */
const recoverers = new Lru<(shares: readonly Uint8Array[]) => Uint8Array>(16)

/** Product over the other x_j of x_j / (x_j - x_i), for each x_i; different, not 0. */
function lagrangeAtZero(xs: readonly bigint[]): Uint8Array[] {
  return xs.map(x => {
    let numerator = 1n
    let denominator = 1n
    for (const other of xs) {
      if (other === x) continue
      numerator = (numerator * other) % SHARE_PRIME
      denominator = (denominator * (other - x)) % SHARE_PRIME
    }
    return toBytes((numerator * inverse(denominator)) % SHARE_PRIME)
  })
}

/** Modular inverse by the extended Euclidean algorithm; `a` may be negative, but no multiple of the prime. */
function inverse(a: bigint): bigint {
  let [r0, r1] = [SHARE_PRIME, ((a % SHARE_PRIME) + SHARE_PRIME) % SHARE_PRIME]
  let [t0, t1] = [0n, 1n]
  while (r1 !== 0n) {
    const quotient = r0 / r1
    ;[r0, r1] = [r1, r0 - quotient * r1]
    ;[t0, t1] = [t1, t0 - quotient * t1]
  }
  assert(r0 === 1n, 'different abscissas')
  return (t0 + SHARE_PRIME) % SHARE_PRIME
}

function isElement(bytes: Uint8Array): boolean {
  if (bytes.length !== SHARE_BYTES) return false
  // At or above the prime: 31 bytes of ones, and a last one that is not below its last.
  for (let i = 0; i < SHARE_BYTES - 1; i++) if (bytes[i] !== 255) return true
  return bytes[SHARE_BYTES - 1]! < 256 - 189
}

function toInteger(bytes: Uint8Array): bigint {
  return BigInt(`0x${toHex(bytes)}`)
}

function toBytes(value: bigint): Uint8Array {
  return fromHex(value.toString(16).padStart(2 * SHARE_BYTES, '0'))
}
