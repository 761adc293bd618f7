import { describe, expect, it } from 'vitest'
import type { Job, VectorWork } from '../../../../protocol/ports.ts'
import { decodeSeed, encodeSeed } from '../../../../protocol/round/join.ts'
import { keys } from '../../../../sim/checkers/keys.ts'
import { memberName } from '../../../support/consortium.ts'
import { noised } from '../../../support/noised.ts'
import { flipped, said, says as say } from '../../../support/says.ts'
import { type Forge, tape } from '../../../support/watched.ts'

const run = tape({ n: 4 })
const [first, victim] = [0, 1].map(memberName) as [string, string]
type Mask = VectorWork & { kind: 'mask' }

/** The victim's maskings as they are told instead; `seen`: all maskings so far, of everybody. */
function masking(
  change: (work: Mask, seen: readonly { readonly by: string; readonly work: Mask }[]) => Mask,
): Forge {
  const seen: { readonly by: string; readonly work: Mask }[] = []
  return honest => ({
    onJob: (host, job, result) => {
      const work = job.kind === 'vector' && job.work.kind === 'mask' ? job.work : undefined
      const told = work && host.id === victim ? change(work, seen) : work
      if (work) seen.push({ by: host.id, work })
      honest.onJob?.(host, told ? ({ kind: 'vector', work: told } satisfies Job) : job, result)
    },
  })
}

const of = (by: string, seen: readonly { readonly by: string; readonly work: Mask }[]) =>
  seen.filter(s => s.by === by).map(s => s.work)

describe('keys', () => {
  it('a self-mask key that comes again is found', () => {
    const forge = masking((work, seen) => ({
      ...work,
      selfKey: of(victim, seen)[0]?.selfKey ?? work.selfKey,
    }))
    expect(run.play(keys, { forge }).says).toContain(`${victim} uses a self key of 0.0 again in 1.0`)
  })

  it('so is a rounding key', () => {
    const forge = masking((work, seen) => ({
      ...work,
      roundingKey: of(victim, seen)[0]?.roundingKey ?? work.roundingKey,
    }))
    expect(run.play(keys, { forge }).says).toContain(`${victim} uses a rounding key of 0.0 again in 1.0`)
  })

  it('a pairwise key belongs to two, who apply it with opposite signs', () => {
    const same = masking(work => ({ ...work, pairs: work.pairs.map(p => ({ ...p, sign: 1 as const })) }))
    expect(run.play(keys, { forge: same }).says.some(s => /same sign in 0\.0$/.test(s))).toBe(true)
    const third = masking((work, seen) => {
      const others = seen
        .filter(s => s.by === first)
        .at(-1)
        ?.work.pairs.at(-1)
      return { ...work, pairs: others ? [...work.pairs, others] : work.pairs }
    })
    expect(run.play(keys, { forge: third }).says.some(s => /use the same pair key in 0\.0$/.test(s))).toBe(
      true,
    )
  })

  it('no key has two uses', () => {
    const forge = masking(work => ({ ...work, roundingKey: work.selfKey }))
    expect(run.play(keys, { forge }).says).toContain(`${victim} uses one key for self and rounding in 0.0`)
  })

  it('a seed that comes again is found, whatever is made of it', () => {
    const forge: Forge = honest => {
      let old: Uint8Array | undefined
      return {
        onCommit: (host, puts, deletes) => {
          const told = puts.map(([key, value]): [string, Uint8Array] => {
            const record = key === 'attempt/seed' && host.id === victim ? decodeSeed(value) : undefined
            old ??= record?.seed
            return [key, record ? encodeSeed({ ...record, seed: old! }) : value]
          })
          honest.onCommit?.(host, told, deletes)
        },
      }
    }
    expect(run.play(keys, { forge }).says).toContain(
      `${victim} in 0.0 and ${victim} in 1.0 have the same seed`,
    )
  })

  it('so are announced keys, also those of another member', () => {
    const forge: Forge = (honest, c) => {
      let mask: Uint8Array | undefined
      return {
        onRelease: (host, to, bytes) => {
          mask ??= said(bytes, first, 'keys')?.mask
          const own = host.id === victim ? said(bytes, victim, 'keys') : undefined
          const told = own && mask ? say(c, victim, 'keys', { ...own, mask }) : bytes
          honest.onRelease?.(host, to, told)
        },
      }
    }
    expect(run.play(keys, { forge }).says.some(s => /have the same mask key$/.test(s))).toBe(true)
  })

  it('a key that does not follow from the stored seed is found', () => {
    const forge: Forge = honest => ({
      onJob: (host, job, result) => {
        const work = job.kind === 'vector' && job.work.kind === 'mask' ? job.work : undefined
        const told = work && { ...work, selfKey: flipped(work.selfKey) }
        honest.onJob?.(host, told ? { kind: 'vector', work: told } : job, result)
      },
    })
    const { says } = run.play(keys, { forge })
    expect(says.filter(s => /^the self key of hospital-00\d is not of its seed, 0\.0$/.test(s)).length).toBe(
      1,
    )
  })

  it('so it is with keys of noise', () => {
    const noisy = tape({ n: 4, f: 1, edit: noised() })
    expect(noisy.play(keys).says).toEqual([])
    const again = masking((work, seen) => ({
      ...work,
      noiseKeys: of(victim, seen)[0]?.noiseKeys ?? work.noiseKeys,
    }))
    expect(noisy.play(keys, { forge: again }).says).toContain(
      `${victim} uses a noise key of 0.0 again in 1.0`,
    )
    const others = masking(work => ({ ...work, noiseKeys: [{ level: 1, key: work.selfKey }] }))
    expect(noisy.play(keys, { forge: others }).says).toContain(
      `${victim} uses one key for self and noise in 0.0`,
    )
    const forge: Forge = honest => ({
      onJob: (host, job, result) => {
        const work = job.kind === 'vector' && job.work.kind === 'mask' ? job.work : undefined
        const noiseKeys = work?.noiseKeys?.map(k => ({ ...k, key: flipped(k.key) }))
        honest.onJob?.(host, work ? { kind: 'vector', work: { ...work, noiseKeys } } : job, result)
      },
    })
    const { says } = noisy.play(keys, { forge })
    expect(says.filter(x => /^the noise key of hospital-00\d is not of its seed, 0\.0$/.test(x)).length).toBe(
      1,
    )
  })
})
