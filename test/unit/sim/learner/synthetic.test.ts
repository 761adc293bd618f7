import { describe, expect, it } from 'vitest'
import type { Charter } from '../../../../config/charter.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { contribution } from '../../../../protocol/model/contribution.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import type { ModelState, Task } from '../../../../protocol/ports.ts'
import { layoutFor } from '../../../../protocol/sum/layout.ts'
import { simCharter } from '../../../../sim/charter.ts'
import { syntheticStudy } from '../../../../sim/learner/synthetic.ts'
import { consortium } from '../../../support/consortium.ts'

const members = (n: number) => Array.from({ length: n }, (_, i) => `site-${i + 1}`)
const seed = new Uint8Array(32).fill(9)
/** Full batches, no clipping: a step is the gradient. */
const plain = { localUpdates: 1, batchSize: 65_536, learningRate: 1, clipNorm: 1000 }

function stateOf(
  charter: Charter,
  o: { w?: (j: number) => number; mean?: number; deviation?: number } = {},
): ModelState {
  const d = charter.data.features.length
  return {
    parameters: Float32Array.from({ length: d + 1 }, (_, j) => o.w?.(j) ?? 0),
    mean: new Float64Array(d).fill(o.mean ?? 0),
    deviation: new Float64Array(d).fill(o.deviation ?? 4),
  }
}

function learn(
  study: ReturnType<typeof syntheticStudy>,
  id: string,
  task: Task,
  model: ModelState,
  round = 1,
) {
  return study.learner(id)({ kind: 'learn', task, round, model, seed })
}

describe('the synthetic study', () => {
  it('gives results that the protocol takes, for every task and member', () => {
    const charter = simCharter({ members: members(40), features: 12 })
    const study = syntheticStudy(charter, 3)
    const rows = charter.members.map(m => study.samples(m.id))
    expect(Math.min(...rows)).toBeGreaterThanOrEqual(12)
    expect(Math.max(...rows)).toBeGreaterThan(5 * Math.min(...rows))
    for (const { id } of charter.members) {
      for (const task of ['statistics', 'train', 'evaluate'] as const) {
        const model =
          task === 'statistics' ? initialState(charter) : stateOf(charter, { w: j => j / 9 - 0.5 })
        const learned = learn(study, id, task, model)
        expect(contribution(charter, task, layoutFor(charter, task, 40), learned)).toMatchObject({ ok: true })
        expect(learned.samples).toBe(task === 'evaluate' ? 0 : study.samples(id))
      }
    }
  })

  it('has statistics of the rows that it trains on', () => {
    const charter = simCharter({ members: members(3), features: 4, training: plain })
    const study = syntheticStudy(charter, 8)
    for (const id of members(3)) {
      const { featureSums } = learn(study, id, 'statistics', initialState(charter))
      // With u = (x + 10) / 20 as input: the gradients at a weight of 1 and at 0 differ by the means of u^2 and of u.
      const unit = { mean: -10, deviation: 20 }
      const at0 = learn(study, id, 'train', stateOf(charter, unit)).delta!
      for (let j = 0; j < 4; j++) {
        const at1 = learn(study, id, 'train', stateOf(charter, { ...unit, w: k => (k === j ? 1 : 0) })).delta!
        const n = study.samples(id)
        expect(n * (at0[4]! - at1[4]!)).toBeCloseTo(featureSums!.first[j]!, 4)
        expect(n * (at0[j]! - at1[j]!)).toBeCloseTo(featureSums!.second[j]!, 4)
      }
    }
  })

  it('knows its optimum: there the weighed steps of all cancel, and nowhere near', () => {
    for (const weighting of ['samples', 'equal'] as const) {
      const training = { ...plain, weighting, weightMax: 50 }
      const charter = simCharter({ members: members(9), features: 5, training })
      const study = syntheticStudy(charter, 21)
      const state = stateOf(charter, { mean: 0.3, deviation: 2.5 })
      const best = study.optimum(state)!
      const stepAt = (offset: number) => {
        const parameters = Float32Array.from(best, w => w + offset)
        const sum = new Float64Array(6)
        for (const { id } of charter.members) {
          const weight = weighting === 'equal' ? 1 : Math.min(50, study.samples(id))
          learn(study, id, 'train', { ...state, parameters }).delta!.forEach((x, j) => {
            sum[j]! += weight * x
          })
        }
        return Math.max(...sum.map(Math.abs))
      }
      expect(stepAt(0)).toBeLessThan(1e-4)
      expect(stepAt(0.01)).toBeGreaterThan(1e-2)
      expect(study.distance({ ...state, parameters: Float32Array.from(best) })).toBeLessThan(1e-6)
      const away = { ...state, parameters: Float32Array.from(best, w => w + 0.5) }
      expect(study.distance(away)).toBeCloseTo(0.5 * Math.sqrt(6), 5)
    }
  })

  it('has no distance before the statistics round, nor where the rows do not determine the optimum', () => {
    const charter = simCharter({ members: members(3), features: 250 })
    const study = syntheticStudy(charter, 1)
    expect(charter.members.reduce((n, m) => n + study.samples(m.id), 0)).toBeLessThan(251)
    expect(study.distance(stateOf(charter))).toBeUndefined()
    const small = simCharter({ members: members(3) })
    expect(syntheticStudy(small, 1).distance(initialState(small))).toBeUndefined()
  })

  it('is the same for a seed, on every machine, and another for another', () => {
    const charter = simCharter({ members: members(4), features: 6 })
    const digest = (from: number) => {
      const study = syntheticStudy(charter, from)
      const parts = members(4).map(id => {
        const { delta, evaluation } = learn(study, id, 'train', stateOf(charter, { w: j => j / 10 }))
        return [...delta!, ...evaluation!.positives, ...evaluation!.negatives, evaluation!.lossSum].join()
      })
      return toHex(sha256(new TextEncoder().encode(parts.join('\n')))).slice(0, 16)
    }
    expect(digest(1)).toBe(digest(1))
    expect(digest(2)).not.toBe(digest(1))
    expect(digest(1)).toBe('82c98f790c82b4c5')
  })

  it('refuses what is no member, and a model that is no line', () => {
    const charter = simCharter({ members: members(3) })
    expect(() => syntheticStudy(charter, 1).samples('nobody')).toThrow('nobody is no member')
    const weights = [{ name: 'w', shape: [4, 3], initialiser: 'zeros' as const }]
    expect(() => syntheticStudy({ ...charter, model: { ...charter.model, weights } }, 1)).toThrow(RangeError)
  })
})

describe('a study with the synthetic learner', () => {
  for (const gossipBytesMax of [32_768, 0]) {
    it(`comes to within .1 of the optimum in 20 rounds (${gossipBytesMax > 0 ? 'gossip' : 'shards'})`, () => {
      const training = { localUpdates: 4, batchSize: 16, learningRate: 0.1, clipNorm: 2 }
      const options = { n: 5, f: 1, rounds: 20, features: 8, gossipBytesMax }
      const edit = (c: Charter): Charter => ({ ...c, training: { ...c.training, ...training } })
      const distances = new Map<number, number>()
      const c = consortium({
        ...options,
        edit,
        keepJobs: false,
        learner: id => job => study.learner(id)(job),
        onEvent: (host, event) => {
          if (event.kind !== 'roundClosed' || !host.model) return
          distances.set(event.round, study.distance(host.model) ?? Number.NaN)
        },
      })
      const study = syntheticStudy(c.charter, 4)
      c.world.startAll()
      expect(c.world.run(() => c.finished(), 600_000)).toBe(true)
      expect(distances.size).toBe(22)
      expect(distances.get(1)).toBeLessThan(0.8 * distances.get(0)!)
      expect(distances.get(5)).toBeLessThan(0.3 * distances.get(0)!)
      expect(distances.get(20)).toBeLessThan(0.1)
      expect(c.closed('hospital-000').at(-1)?.metrics?.auc).toBeGreaterThan(0.8)
    })
  }
})
