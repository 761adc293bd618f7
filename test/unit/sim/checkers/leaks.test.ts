import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { decodeSeed } from '../../../../protocol/round/join.ts'
import { decodeShares, RECORDS } from '../../../../protocol/round/records.ts'
import { attemptKeys } from '../../../../protocol/round/secrets.ts'
import { residueBytes } from '../../../../protocol/sum/field.ts'
import { clearOf } from '../../../../sim/checkers/inputs.ts'
import { leaks } from '../../../../sim/checkers/leaks.ts'
import type { SimHost } from '../../../../sim/host.ts'
import { memberName } from '../../../support/consortium.ts'
import { noised } from '../../../support/noised.ts'
import { said, says as say } from '../../../support/says.ts'
import { type Forge, tape } from '../../../support/watched.ts'

const run = tape({ n: 4, features: 40 })
const [first, victim] = [0, 1].map(memberName) as [string, string]

/** In the middle of other bytes. */
const wrapped = (secret: Uint8Array) => concatBytes(new Uint8Array(37).fill(9), secret, new Uint8Array(5))

/** When the victim's input leaves in round 1, more leaves. */
function telling(secret: (host: SimHost) => Uint8Array): Forge {
  return honest => ({
    onRelease: (host, to, bytes) => {
      honest.onRelease?.(host, to, bytes)
      if (host.id === victim && said(bytes, victim, 'input')?.round === 1)
        honest.onRelease?.(host, first, wrapped(secret(host)))
    },
  })
}

const seedOf = (host: SimHost) => decodeSeed(host.disk.get('attempt/seed'))!.seed

describe('leaks', () => {
  it('searches what leaves', () => {
    const { checker, says } = run.play(leaks)
    expect(says).toEqual([])
    expect(checker.checked).toBeGreaterThan(100)
  })

  for (const [what, secret, says] of [
    ['the seed', seedOf, 'sends the seed of its attempt'],
    ['the mask seed', (h: SimHost) => attemptKeys(seedOf(h)).maskSeed, 'sends its mask seed'],
    ['the self-mask seed', (h: SimHost) => attemptKeys(seedOf(h)).selfSeed, 'sends its self seed'],
  ] as const) {
    it(`finds ${what}`, () => {
      expect(run.play(leaks, { forge: telling(secret) }).says).toEqual([`${victim} ${says}`])
      expect(run.play(leaks, { liars: [1], forge: telling(secret) }).says).toEqual([])
    })
  }

  it('finds mask keys and values in the clear', () => {
    const forge: Forge = honest => ({
      onJob: (host, job, result) => {
        honest.onJob?.(host, job, result)
        if (host.id !== victim || job.kind !== 'vector' || job.work.kind !== 'mask') return
        const { work } = job
        const { residues, numbers } = clearOf(work)!
        for (const clear of [residues, numbers]) {
          const bytes = new Uint8Array(clear.buffer, clear.byteOffset, clear.byteLength)
          honest.onRelease?.(host, first, wrapped(bytes))
        }
        for (const key of [work.roundingKey, work.selfKey, work.pairs[1]!.key])
          honest.onRelease?.(host, first, wrapped(key))
      },
    })
    expect([...run.play(leaks, { forge }).says].sort()).toEqual([
      `${victim} sends a pairwise mask key`,
      `${victim} sends its input in the clear`,
      `${victim} sends its numbers in the clear`,
      `${victim} sends its rounding key`,
      `${victim} sends its self-mask key`,
    ])
  })

  it('takes a sum that is what one hospital gave for a sum, but only where it is claimed as one', () => {
    // Where all others gave zeros (seed 1188781).
    for (const isClaimed of [true, false]) {
      const forge: Forge = (honest, c) => ({
        onJob: (host, job, result) => {
          honest.onJob?.(host, job, result)
          if (host.id !== victim || job.kind !== 'vector' || job.work.kind !== 'mask') return
          const data = residueBytes(clearOf(job.work)!.residues)
          const of = { round: 0, attempt: 0 }
          const sum = sha256(data)
          const claim = say(c, victim, 'claim', { ...of, fixed: sum, shard: 0, sum })
          const part = say(c, victim, 'part', { ...of, opened: sum, hash: sum, part: 0, data })
          if (isClaimed) honest.onRelease?.(host, undefined, claim)
          honest.onRelease?.(host, first, part)
        },
      })
      expect(run.play(leaks, { forge }).says).toEqual(
        isClaimed ? [] : [`${victim} sends its input in the clear`],
      )
    }
  })

  it('finds shares, but for those of the own reveal, which evidence may repeat', () => {
    let times = 0
    const forge: Forge = honest => ({
      onRelease: (host, to, bytes) => {
        const body = host.id === victim ? said(bytes, victim, 'reveal') : undefined
        const own = body?.shares.subarray(0, 32)
        // Before it is revealed, and after.
        if (own && times++ === 0) honest.onRelease?.(host, first, wrapped(own))
        honest.onRelease?.(host, to, bytes)
        if (own && times === 3) honest.onRelease?.(host, first, wrapped(own))
      },
    })
    expect(run.play(leaks, { forge }).says).toEqual([
      `${victim} sends a share of the self-mask seed of ${first} in the clear`,
    ])
    expect(times).toBe(3)
  })

  it('a reveal may hold shares and nothing else', () => {
    const forge: Forge = (honest, c) => ({
      onRelease: (host, to, bytes) => {
        const body = host.id === victim ? said(bytes, victim, 'reveal') : undefined
        const told = body && say(c, victim, 'reveal', { ...body, offers: seedOf(host) })
        honest.onRelease?.(host, to, told ?? bytes)
      },
    })
    expect(run.play(leaks, { forge }).says).toEqual([`${victim} sends the seed of its attempt`])
  })

  it('finds keys of noise, and shares of their seeds', () => {
    const noisy = tape({ n: 4, f: 1, edit: noised() })
    expect(noisy.play(leaks).says).toEqual([])
    const forge: Forge = honest => ({
      onJob: (host, job, result) => {
        honest.onJob?.(host, job, result)
        const [level] =
          host.id === victim && job.kind === 'vector' && job.work.kind === 'mask' ? job.work.noiseKeys! : []
        if (level) honest.onRelease?.(host, first, wrapped(level.key))
      },
      onCommit: (host, puts, deletes) => {
        honest.onCommit?.(host, puts, deletes)
        const shares = host.id === victim ? puts.find(([key]) => key === RECORDS.shares) : undefined
        const theirs = shares && decodeShares(shares[1])?.get(first)
        if (theirs) honest.onRelease?.(host, first, wrapped(theirs.levels[0]!))
      },
    })
    expect([...new Set(noisy.play(leaks, { forge }).says)].sort()).toEqual([
      `${victim} sends a noise key`,
      `${victim} sends a share of a noise seed of ${first} in the clear`,
    ])
  })
})
