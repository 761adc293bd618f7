/**
 * Gives each hospital of a cohort a mask with every other one, however many they are, for comparison with the graph of
 * `protocol/sum/pairs.ts`. To be imported before anything else of `protocol/`, by `--import`.
 */
import { registerHooks } from 'node:module'
import { pairSign } from '../../../protocol/sum/pairs.ts'

const pairs = new URL('../../../protocol/sum/pairs.ts', import.meta.url).href

registerHooks({
  resolve(specifier, context, next) {
    const resolved = next(specifier, context)
    return resolved.url === pairs ? { ...resolved, url: import.meta.url } : resolved
  },
})

export { pairSign }

export function partners(n: number, own: number): number[] {
  return Array.from({ length: n }, (_, i) => i).filter(i => i !== own)
}
