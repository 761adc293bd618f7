/** The explicit gradient is the learner's, its own derivative is right, and a sum is what its hospitals gave. */
import * as tf from '@tensorflow/tfjs-core'
import { describe, expect, test } from 'vitest'
import { figureOf } from '../../node/attack/judge.ts'
import { networkOf, products, seenLayers } from '../../node/attack/network.ts'
import { randomOf } from '../../node/attack/random.ts'
import { normalised } from '../../node/attack/subject.ts'
import { openedUpdate, see, type Target } from '../../node/attack/targets.ts'
import { buildModel } from '../../node/training/model.ts'
import { noised } from '../support/noised.ts'
import { CHANGE, hospitalsNoised, patientsNoised } from './noised.ts'
import { openSubjects } from './subjects.ts'

const random = randomOf(3)
const subjects = await openSubjects(random)

const norm2 = (g: Float32Array) => g.reduce((a, v) => a + v * v, 0)

describe.each(subjects.map(s => [s.name, s] as const))('%s', (_, subject) => {
  const { charter, model, limits } = subject
  const PLAIN: Target = { name: 'plain update', label: '', charter }
  const d = limits.length

  test('products are those of the learner’s gradient', async () => {
    const trained = await buildModel(charter)
    const seen = [0, 1, 2].map(t => see(subject, trained, PLAIN, random.fork(t)))
    trained.dispose()
    const network = networkOf(charter, model.parameters)
    const x = new Float32Array(3 * d)
    seen.forEach(({ persons }, t) => {
      x.set(normalised(subject, persons[0]!), t * d)
    })
    const y = tf.tensor2d(seen.map(({ persons }) => [persons[0]!.y]))
    const { own, cross } = products(network, tf.tensor3d(x, [3, 1, d]), y, seenLayers(charter, seen))
    const [owns, crosses] = [own.dataSync(), cross.dataSync()]
    seen.forEach(({ gradient }, t) => {
      expect(owns[t]! / norm2(gradient)).toBeCloseTo(1, 3)
      expect(crosses[t]! / norm2(gradient)).toBeCloseTo(1, 3)
    })
    network.dispose()
  })

  test('their derivative is a finite difference’s', async () => {
    const network = networkOf(charter, model.parameters)
    const gradient = model.parameters.map((_, i) => Math.sin(1 + 2.3 * i))
    const layers = seenLayers(charter, [{ gradient }])
    const y = tf.tensor2d([[1, 0]])
    const value = (x: tf.Tensor) => {
      const { own, cross } = products(network, x as tf.Tensor3D, y, layers)
      return tf.sum(tf.sub(own, cross)) as tf.Scalar
    }
    const at = Float32Array.from({ length: 2 * d }, (_, i) => 0.5 + 0.4 * Math.cos(i * i))
    const slope = tf
      .grad(value)(tf.tensor3d(at, [1, 2, d]))
      .dataSync()
    // Along the slope itself, where a step shows best in 32 bits.
    const size = Math.sqrt(Array.from(slope).reduce((a, v) => a + v * v, 0))
    const step = 0.01
    const moved = (sign: number) => at.map((v, i) => v + (sign * step * slope[i]!) / size)
    const [up, down] = [1, -1].map(sign => value(tf.tensor3d(moved(sign), [1, 2, d])).dataSync()[0]!)
    expect((up! - down!) / (2 * step) / size).toBeCloseTo(1, 1)
    network.dispose()
  })

  test('a sum is the mean of what its hospitals gave', async () => {
    const trained = await buildModel(charter)
    const target: Target = { name: 'sum', label: '', charter }
    const { gradient, persons } = see(subject, trained, target, random.fork('sum'))
    const alone = persons.map(person => {
      const one = { ...subject, draw: () => [person] }
      return see(one, trained, PLAIN, random.fork('alone')).gradient
    })
    trained.dispose()
    const off = gradient.map((v, i) => v - alone.reduce((sum, g) => sum + g[i]!, 0) / persons.length)
    expect(persons).toHaveLength(charter.members.length)
    expect(norm2(off) / norm2(gradient)).toBeLessThan(1e-8)
  })
})

describe('a noised sum', () => {
  const [, mlp] = subjects
  const { charter } = mlp

  test.each([
    ['hospitals', hospitalsNoised(charter, 1)],
    ['patients', patientsNoised(charter, 1, 1)],
  ])('has the noise that a charter counts on and no more, though four give: %s', (_, own) => {
    const nothing = { samples: 1, delta: new Float32Array(mlp.model.parameters.length) }
    const all = Array.from({ length: 4 }, () => nothing)
    const noise = Array.from({ length: 20 }, () => [...openedUpdate(own, all, random)]).flat()
    const deviation = Math.sqrt(noise.reduce((sum, v) => sum + v * v, 0) / noise.length)
    expect(Math.abs(deviation / CHANGE - 1)).toBeLessThan(5 / Math.sqrt(2 * noise.length))
  })

  test.each([
    ['in sums', { noise: 'sum', samplingRate: 0.7 }, { localUpdates: 1 }],
    ['in each hospital', { noise: 'hospital', samplingRate: 1 }, { localUpdates: 2 }],
  ] as const)('shows the mean gradient on average: %s', async (_, privacy, training) => {
    const trained = await buildModel(charter)
    const persons = mlp.draw(random.fork('persons'), 4)
    const one = { ...mlp, draw: () => persons }
    const plain = see(one, trained, { name: 'sum', label: '', charter }, random).gradient
    const clipNorm = 20
    const multipliers = { statistics: 1, training: 0.1, evaluation: 1 }
    const changed = noised({ ...privacy, clipNorm, noiseMultiplier: multipliers })(charter)
    const own = { ...changed, training: { ...changed.training, ...training, clipNorm: 100 } }
    const seen = Array.from({ length: 400 }, (_, t) => {
      const { gradient } = see(one, trained, { name: 'noised sum', label: '', charter: own }, random.fork(t))
      // In parts of what is to be seen.
      return gradient.reduce((sum, v, i) => sum + v * plain[i]!, 0) / norm2(plain)
    })
    trained.dispose()
    const { mean, standardError } = figureOf(seen)
    expect(standardError).toBeLessThan(0.05)
    expect(Math.abs(mean - 1)).toBeLessThan(4 * standardError + 0.02)
  })
})
