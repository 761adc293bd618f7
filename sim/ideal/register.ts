/**
 * Puts the ideal primitives of this folder, and a faster CBOR, in the place of those of `protocol/`, for large simulations: all else
 * runs unchanged, in a fraction of the time. To be imported before anything of `protocol/`: `node --import
 * ./sim/ideal/register.ts ...`, or by `await import` before all other dynamic imports.
 *
 * They hide nothing and prove nothing. In a process that has them no part of a node loads that touches a network, an
 * identity or a store.
 */
import { registerHooks } from 'node:module'

const root = new URL('../../', import.meta.url)
const IDEAL = ['crypto/kdf', 'crypto/kem', 'crypto/keystream', 'crypto/seal', 'crypto/sign', 'wire/cbor']
const replaced = new Map(
  IDEAL.map(name => [
    new URL(`protocol/${name}.ts`, root).href,
    new URL(`sim/ideal/${name.split('/')[1]}.ts`, root).href,
  ]),
)
/** What a simulation takes of the node; the rest stays out. */
const ALLOWED = ['training/', 'data/', 'cli/', 'report/', 'evaluation.ts'].map(
  path => new URL(`node/${path}`, root).href,
)
const node = new URL('node/', root).href

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    const ideal = replaced.get(resolved.url)
    if (ideal !== undefined) return { ...resolved, url: ideal }
    const isNode = resolved.url.startsWith(node) && !resolved.url.includes('/node_modules/')
    if (isNode && !ALLOWED.some(url => resolved.url.startsWith(url))) {
      throw new Error(
        `ideal cryptography is for simulations only: ${resolved.url} cannot be loaded beside it`,
      )
    }
    return resolved
  },
})

// Modules that were loaded before keep what they have: half a replacement would be worse than none.
const { sealEnvelope, openEnvelope, signingBytes } = await import('../../protocol/wire/envelope.ts')
const { sign } = await import('./sign.ts')
const seed = new Uint8Array(32)
const sealed = openEnvelope(sealEnvelope({ network: seed, type: 'keys', from: 'probe', seed }, seed))
const expected = sign(seed, signingBytes(seed, 'keys', 'probe', seed))
if (!sealed.ok || sealed.value.sig.some((byte, i) => byte !== expected[i])) {
  throw new Error('ideal cryptography must be registered before protocol/ is loaded')
}
