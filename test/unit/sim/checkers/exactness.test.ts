import { describe, expect, it } from 'vitest'
import { decodeRecord, encodeRecord, recordKey } from '../../../../protocol/ledger/certificate.ts'
import { type Body, encodeEntry } from '../../../../protocol/ledger/entry.ts'
import type { Job, JobResult, NoiseKey, Section, VectorWork } from '../../../../protocol/ports.ts'
import { residueBytes } from '../../../../protocol/sum/field.ts'
import { rootOfBytes } from '../../../../protocol/sum/shards.ts'
import { type Lie, liar } from '../../../../sim/adversary/liar.ts'
import * as lies from '../../../../sim/adversary/lies.ts'
import { type Exactness, exactness } from '../../../../sim/checkers/exactness.ts'
import { clearOf, updateOf } from '../../../../sim/checkers/inputs.ts'
import type { SimHost } from '../../../../sim/host.ts'
import { memberName } from '../../../support/consortium.ts'
import { noised } from '../../../support/noised.ts'
import { entryOf } from '../../../support/says.ts'
import { type Forge, tape, watched } from '../../../support/watched.ts'

const run = tape({ n: 4 })
const victim = memberName(1)
/** Of the training round. */
const CLOSED = recordKey(6)

function closed(change: (body: Body & { kind: 'RoundClosed' }) => Body): Forge {
  return honest => ({
    onCommit: (host, puts, deletes) =>
      honest.onCommit?.(
        host,
        puts.map(([key, value]): [string, Uint8Array] => {
          if (key !== CLOSED) return [key, value]
          const record = decodeRecord(value)
          const entry = entryOf(value)
          if (!record.ok || entry.body.kind !== 'RoundClosed') throw new Error('not the end of a round')
          return [
            key,
            encodeRecord({ ...record.value, entry: encodeEntry({ ...entry, body: change(entry.body) }) }),
          ]
        }),
        deletes,
      ),
  })
}

/** Of the victim's jobs of one kind, what is told instead. */
function done(change: (job: Job, result: JobResult) => [Job, JobResult] | undefined): Forge {
  return honest => ({
    onJob: (host: SimHost, job: Job, result: JobResult) => {
      const [j, r] = (host.id === victim && change(job, result)) || [job, result]
      honest.onJob?.(host, j, r)
    },
  })
}

const other = (hash: Uint8Array) => hash.map(b => b ^ 1)

describe('exactness', () => {
  it('counts the sums that it has checked', () => {
    const { checker } = run.play(exactness)
    expect((checker as Exactness).sums).toBe(3)
    expect((checker as Exactness).opened).toBe(12)
    expect([...(checker as Exactness).pairs]).toEqual([3])
  })

  it('a certified sum that is another is found', () => {
    const { says } = run.play(exactness, { forge: closed(b => ({ ...b, sum: other(b.sum) })) })
    expect(says).toContain("round 1.0: the certified sum is not the sum of the survivors' inputs")
    expect(says).toContain(`round 1.0: ${victim} opened another sum than the certified one`)
  })

  it('a certified model that does not follow is found', () => {
    const { says } = run.play(exactness, { forge: closed(b => ({ ...b, model: other(b.model) })) })
    expect(says).toContain('round 1.0: the certified model does not follow from the certified sum')
  })

  it('a host that opens another sum is found', () => {
    const forge = done((job, result) => {
      if (result.kind !== 'vector' || result.output.kind !== 'apply') return undefined
      const sum = result.output.sum!.map((x, i) => (i === 0 ? (x + 1) % 2_147_483_647 : x))
      return [job, { ...result, output: { ...result.output, sum } }]
    })
    expect(run.play(exactness, { forge }).says).toContain(
      `round 0.0: ${victim} opened another sum than the certified one`,
    )
  })

  it('an input whose masking nobody saw is found', () => {
    const forge: Forge = honest => ({
      onJob: (host, job, result) => {
        const isMask = job.kind === 'vector' && job.work.kind === 'mask'
        if (!isMask || host.id !== victim) honest.onJob?.(host, job, result)
      },
    })
    expect(run.play(exactness, { forge }).says).toContain(`round 0.0: nobody saw the input of ${victim}`)
  })

  it('the model must be the mean of what the learners gave, whatever the protocol makes of it', () => {
    // The victim's numbers are told to have been others, which its residues then do not fit either.
    const forge = done((job, result) => {
      if (job.kind !== 'vector' || job.work.kind !== 'mask') return undefined
      const { learned } = job.work
      const half = learned.delta && { delta: updateOf(learned).map(x => x / 2) }
      return [{ ...job, work: { ...job.work, learned: { ...learned, ...half } } }, result]
    })
    expect(run.play(exactness, { forge }).says).toEqual(
      expect.arrayContaining([
        "round 1.0: the certified sum is not the sum of the survivors' inputs",
        'round 1.0: the certified model is not the weighted mean of the updates',
      ]),
    )
  })

  describe('where sums have noise', () => {
    const noisy = tape({ n: 7, f: 1, edit: noised() })

    it('is content with what the charter promises', () => {
      const { says, checker } = noisy.play(exactness)
      expect(says).toEqual([])
      expect((checker as Exactness).sums).toBe(3)
    })

    /** Round 1 closed with the sum as it is if noise of levels up to this one stays. */
    const staying = (level: number): Forge => {
      const maskings = new Map<string, VectorWork & { kind: 'mask' }>()
      return (honest, c) => ({
        onJob: (host, job, result) => {
          if (job.kind === 'vector' && job.work.kind === 'mask') maskings.set(host.id, job.work)
          honest.onJob?.(host, job, result)
        },
        onCommit: (host, puts, deletes) => {
          const all = [...maskings.values()].map(work => clearOf(work)!.kept(level))
          const sum = all[0]?.map((_, i) => all.reduce((s, v) => s + v[i]!, 0) % 2_147_483_647)
          const told = (b: Body & { kind: 'RoundClosed' }) => ({
            ...b,
            sum: rootOfBytes(residueBytes(sum!), 1),
          })
          closed(told)(honest, c).onCommit?.(host, puts, deletes)
        },
      })
    }

    it('finds noise that stays though it is not needed, and noise that is needed and gone', () => {
      expect(noisy.play(exactness, { forge: staying(0) }).says).toEqual([])
      expect(noisy.play(exactness, { forge: staying(1) }).says).toContain(
        'round 1.0: noise that should have come off is in the certified sum',
      )
      expect(noisy.play(exactness, { forge: staying(-1) }).says).toContain(
        "round 1.0: the certified sum is not the sum of the survivors' inputs",
      )
    })

    it('finds levels that are taken off too many or too few, whatever becomes of the sum', () => {
      const off = (change: (keys: readonly NoiseKey[]) => readonly NoiseKey[]) =>
        done((job, result) => {
          if (job.kind !== 'vector' || job.work.kind !== 'sum' || !job.work.masked?.excess) return undefined
          const { excess } = job.work.masked
          const masked = { ...job.work.masked, excess: { ...excess, keys: change(excess.keys) } }
          return [{ ...job, work: { ...job.work, masked } }, result]
        })
      for (const change of [
        (keys: readonly NoiseKey[]) => keys.filter(k => k.level > 1),
        (keys: readonly NoiseKey[]) => [...keys, { level: 0, key: new Uint8Array(32) }],
        (keys: readonly NoiseKey[]) => keys.slice(1),
      ])
        expect(
          noisy.play(exactness, { forge: off(change) }).says.some(s => /takes noise of levels/.test(s)),
        ).toBe(true)
    })

    it('finds inputs in which there is less than the charter promises', () => {
      const forge: Forge = honest => ({
        onJob: (host, job, result) => {
          const work = job.kind === 'vector' && job.work.kind === 'mask' ? job.work : undefined
          const less = (s: Section): Section =>
            s.noise
              ? { ...s, noise: { ...s.noise, levels: [s.noise.levels[0]! - 1, ...s.noise.levels.slice(1)] } }
              : s
          const told = work && { ...work, sections: work.sections.map(less) }
          honest.onJob?.(host, told ? { kind: 'vector', work: told } : job, result)
        },
      })
      const { says } = noisy.play(exactness, { forge })
      expect(says).toContain('round 1.0: section update has less noise than the charter promises')
    })
  })

  describe('with a liar among the survivors', () => {
    const lying = (gossipBytesMax: number, lie: Lie) =>
      watched(exactness, {
        n: 4,
        gossipBytesMax,
        liars: [3],
        machine: id => (id === memberName(3) ? liar(lie) : undefined),
        limitMs: 60_000,
      })

    it('what it committed to counts, not what its machine made', () => {
      const { says, checker, done: isDone } = lying(32_768, lies.anyVector)
      expect(isDone).toBe(true)
      expect(says).toEqual([])
      expect((checker as Exactness).sums).toBe(3)
    })

    it('a sum that is another is found all the same', () => {
      const { says } = watched(exactness, {
        n: 4,
        liars: [3],
        machine: id => (id === memberName(3) ? liar(lies.anyVector) : undefined),
        forge: closed(b => ({ ...b, sum: other(b.sum) })),
      })
      expect(says).toContain("round 1.0: the certified sum is not the sum of the survivors' inputs")
    })

    it('what is not known is not checked', () => {
      const { says, checker } = watched(exactness, {
        n: 4,
        liars: [3],
        // What it sent is not seen.
        machine: id => (id === memberName(3) ? liar(lies.anyVector) : undefined),
        forge: () => ({ onRelease: () => {} }),
      })
      expect(says).toEqual([])
      expect((checker as Exactness).sums).toBe(0)
    })
  })
})
