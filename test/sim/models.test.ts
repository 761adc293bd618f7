/** A model above the bound of one message: who lacks it gets it in parts, whoever dies meanwhile. */
import { expect, it } from 'vitest'
import { expandedFeatureCount, parameterCount } from '../../config/charter.ts'
import { modelHashHex } from '../../protocol/peer.ts'
import type { MemberId, TransferEvent } from '../../protocol/ports.ts'
import { WINDOW_PARTS } from '../../protocol/round/transfers.ts'
import { PART_BYTES, STREAM_MESSAGE_BYTES_MAX } from '../../protocol/wire/limits.ts'
import { bodyOf, readMessage } from '../../sim/checkers/read.ts'
import type { Observer } from '../../sim/observer.ts'
import { audited } from '../support/audit.ts'
import { memberName } from '../support/consortium.ts'

const PARAMETERS = 3_000_000
const late = memberName(3)

it('a hospital that was away gets it in parts, and again when its disk has lost it', {
  timeout: 120_000,
}, () => {
  /** To the one that was away; since it came back. */
  let given: { readonly from: MemberId; readonly part: number }[] = []
  const told: TransferEvent[] = []
  const tap: Observer = {
    onEvent: (host, event) => {
      if (host.id === late && event.kind === 'transfer' && event.what === 'model') told.push(event)
    },
    onRelease: (host, to, bytes) => {
      const message = to === late ? readMessage(bytes) : undefined
      const body = message && bodyOf(message, 'modelPart')
      if (body) given.push({ from: host.id, part: body.part })
    },
  }
  const { c, audit } = audited({
    n: 4,
    f: 1,
    rounds: 1,
    gossipBytesMax: 0,
    edit: charter => ({
      ...charter,
      model: { ...charter.model, weights: [{ name: 'wide', shape: [PARAMETERS], initialiser: 'zeros' }] },
      secureSum: {
        ...charter.secureSum,
        joinDeadlineMs: 5_000,
        inputDeadlineMs: 120_000,
        openDeadlineMs: 120_000,
      },
    }),
    learner: (_id, honest) => job => {
      if (job.task !== 'train') return honest(job)
      return {
        ...honest({ ...job, task: 'evaluate' }),
        samples: 30,
        delta: new Float32Array(PARAMETERS).fill(1e-4),
      }
    },
    site: () => ({ uplinkMbps: 50, downlinkMbps: 50 }),
    world: { observers: [tap] },
  })
  const { world } = c
  const bytes = 16 + 4 * parameterCount(c.charter) + 16 * expandedFeatureCount(c.charter)
  const parts = Math.ceil(bytes / PART_BYTES)
  expect(bytes).toBeGreaterThan(STREAM_MESSAGE_BYTES_MAX)
  const modelAt = (id: MemberId) => {
    const model = world.host(id).model
    return model && modelHashHex(model)
  }

  world.startAll()
  expect(world.run(() => c.closed(late).length === 1, 60_000)).toBe(true)
  world.crash(late)
  expect(world.run(() => c.closed(memberName(0)).length === 2, 600_000)).toBe(true)
  given = []
  world.start(late)

  // Who gives it dies half-way, and another goes on.
  expect(world.run(() => given.length >= parts / 2, 60_000)).toBe(true)
  const first = given[0]!.from
  world.crash(first)
  expect(world.run(() => modelAt(late) !== undefined, 60_000)).toBe(true)
  expect(new Set(given.map(g => g.part)).size).toBe(parts)
  expect(given.length).toBeLessThanOrEqual(parts + WINDOW_PARTS)
  expect(new Set(given.map(g => g.from)).size).toBe(2)
  expect(told[0]).toMatchObject({ way: 'from', peer: first, bytesDone: 0, bytesTotal: bytes, state: 'going' })
  expect(told.at(-1)).toMatchObject({ round: 2, bytesDone: bytes, state: 'done' })
  world.start(first)
  expect(world.run(() => c.finished(), 600_000)).toBe(true)
  world.run(() => false, 1_000)

  // Its record is lost; the ledger is not.
  world.crash(late)
  const disk = world.host(late).disk as Map<string, Uint8Array>
  expect(disk.delete('model')).toBe(true)
  given = []
  world.start(late)
  expect(modelAt(late)).toBeUndefined()
  expect(world.run(() => modelAt(late) !== undefined, 60_000)).toBe(true)
  expect(given).toHaveLength(parts)
  expect(new Set([0, 1, 2, 3].map(i => modelAt(memberName(i)))).size).toBe(1)
  world.run(() => false, 1_000)
  expect(disk.get('model')).toHaveLength(bytes)
  expect(audit.problems).toEqual([])
})

it('who is slow to compute it, and is overtaken by the round’s entry, has it from itself', () => {
  const asked: MemberId[] = []
  const tap: Observer = {
    onRelease: (host, _to, bytes) => {
      const message = readMessage(bytes)
      if (message && bodyOf(message, 'modelAsk')) asked.push(host.id)
    },
  }
  const { c, audit } = audited({
    n: 4,
    f: 1,
    rounds: 2,
    gossipBytesMax: 0,
    site: id => ({
      jobMs: job => (id === late && job.kind === 'vector' && job.work.kind === 'apply' ? 3_000 : 20),
    }),
    world: { observers: [tap] },
  })
  const { world } = c
  world.startAll()
  expect(world.run(() => c.finished(), 600_000)).toBe(true)
  expect(asked).toEqual([])
  const models = [0, 1, 2, 3].map(i => modelHashHex(world.host(memberName(i)).model!))
  expect(new Set(models).size).toBe(1)
  expect(audit.problems).toEqual([])
})
