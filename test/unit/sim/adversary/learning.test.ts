import { describe, expect, it } from 'vitest'
import type { Learned, ModelState } from '../../../../protocol/ports.ts'
import { catalogue } from '../../../../sim/adversary/catalogue.ts'
import { simCharter } from '../../../../sim/charter.ts'
import type { Learner } from '../../../../sim/host.ts'
import { syntheticStudy } from '../../../../sim/learner/synthetic.ts'
import { Random } from '../../../../sim/random.ts'

const seed = new Uint8Array(32).fill(5)
const charter = simCharter({ members: ['aachen', 'berlin', 'celle'], features: 3 })
const study = syntheticStudy(charter, 6)
const model: ModelState = {
  parameters: Float32Array.of(0.3, -0.7, 0.1, 0.2),
  mean: Float64Array.of(0.5, -1, 2),
  deviation: Float64Array.of(3, 4, 2),
}
type Task = 'statistics' | 'train' | 'evaluate'
const job = (task: Task, of = model) => ({ kind: 'learn' as const, task, round: 1, model: of, seed })
const honest = study.learner('berlin')
const liar = (behaviour: keyof typeof catalogue) => catalogue[behaviour].learner!(honest, new Random(1))

describe('learning adversaries', () => {
  it('give what the honest learner gives in all but the update', () => {
    for (const name of ['zeroUpdate', 'scaledUpdate', 'signFlipped'] as const) {
      const { delta, ...rest } = liar(name)(job('train'))
      const { delta: own, ...others } = honest(job('train'))
      expect(rest).toEqual(others)
      expect(delta).not.toEqual(own)
      expect(liar(name)(job('statistics'))).toEqual(honest(job('statistics')))
      expect(liar(name)(job('evaluate'))).toEqual(honest(job('evaluate')))
    }
  })

  it('give zeros, a hundred times, the opposite', () => {
    const own = honest(job('train')).delta!
    expect([...liar('zeroUpdate')(job('train')).delta!]).toEqual([0, 0, 0, 0])
    expect(liar('scaledUpdate')(job('train')).delta).toEqual(own.map(x => Math.fround(100 * x)))
    expect(liar('signFlipped')(job('train')).delta).toEqual(own.map(x => -x))
    expect(Math.max(...own.map(Math.abs))).toBeGreaterThan(0.01)
  })

  it('exchange labels: what comes is what the learner gives of the rows with other labels', () => {
    const rows = Array.from(
      { length: 40 },
      (_, i) => [Math.sin(i) * 3, (i % 7) - 3, i % 2, i % 3 === 0 ? 1 : -1] as const,
    )
    const plain = lines(rows)
    const other = lines(rows.map(([a, b, c, y]) => [a, b, c, -y] as const))
    const flipped = catalogue.labelFlipped.learner!(plain, new Random(1))
    for (const task of ['train', 'evaluate'] as const) {
      const got = flipped(job(task))
      const want = other(job(task))
      expect(got.samples).toBe(want.samples)
      expect(got.evaluation).toMatchObject({
        ...want.evaluation,
        lossSum: expect.closeTo(want.evaluation!.lossSum, 9),
      })
      expect([...(got.delta ?? [])].map((x, i) => x - want.delta![i]!).every(x => Math.abs(x) < 1e-6)).toBe(
        true,
      )
      expect(got.delta?.length).toBe(want.delta?.length)
    }
    expect(flipped(job('statistics'))).toEqual(plain(job('statistics')))
  })
})

/** A gradient step of least squares, and counts, of rows of three features and a label. */
function lines(rows: readonly (readonly [number, number, number, number])[]): Learner {
  return ({ task, model: { parameters: w } }): Learned => {
    if (task === 'statistics') return { samples: rows.length }
    const delta = new Float32Array(4)
    const evaluation = {
      positives: new Float64Array(2),
      negatives: new Float64Array(2),
      correct: 0,
      lossSum: 0,
    }
    for (const [a, b, c, y] of rows) {
      const score = w[0]! * a + w[1]! * b + w[2]! * c + w[3]!
      ;[a, b, c, 1].forEach((x, j) => {
        delta[j]! -= (0.1 * (score - y) * x) / rows.length
      })
      const counts = y > 0 ? evaluation.positives : evaluation.negatives
      counts[score >= 0 ? 1 : 0]!++
      if (score >= 0 === y > 0) evaluation.correct++
      evaluation.lossSum += (score - y) * (score - y)
    }
    return task === 'train' ? { samples: rows.length, delta, evaluation } : { samples: 0, evaluation }
  }
}
