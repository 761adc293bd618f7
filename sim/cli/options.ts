/** Options that several commands have, and their checks. */
import { InvalidArgumentError, Option } from 'commander'

export const SEED_MAX = 2 ** 32 - 1

export function whole(min: number, max: number): (text: string) => number {
  return text => {
    const value = Number(text)
    if (/^\d+$/.test(text) && value >= min && value <= max) return value
    throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`)
  }
}

export interface Seeds {
  readonly from: number
  readonly to: number
}

/** `1..300`, both ends included, or one seed. */
export function seeds(text: string): Seeds {
  const [, from, to] = /^(\d{1,10})(?:\.\.(\d{1,10}))?$/.exec(text) ?? []
  const range = { from: Number(from), to: Number(to ?? from) }
  if (from !== undefined && range.from <= range.to && range.to <= SEED_MAX) return range
  throw new InvalidArgumentError(`It must be FROM..TO, such as 1..300, from 0 to ${SEED_MAX}.`)
}

export type Crypto = 'real' | 'ideal'

/** Which primitives the protocol runs on. */
export function cryptoOption(): Option {
  return new Option('--crypto <kind>', "the protocol's own ciphers and signatures, or ideal ones (faster)")
    .choices(['real', 'ideal'])
    .default('real')
}

/** To be called before anything of the protocol is imported. */
export async function useCrypto(kind: Crypto): Promise<void> {
  if (kind === 'ideal') await import('../ideal/register.ts')
}
