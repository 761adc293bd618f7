import { describe, expect, it } from 'vitest'
import { expandedFeatureCount, parameterCount } from '../../../../config/charter.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { genesis } from '../../../../protocol/ledger/state.ts'
import { blankState, encodeState, stateHash } from '../../../../protocol/model/state.ts'
import { Effects } from '../../../../protocol/peer/effects.ts'
import { type ModelBooks, Models } from '../../../../protocol/peer/models.ts'
import type { Effect, Job, MemberId, ModelState } from '../../../../protocol/ports.ts'
import { WINDOW_PARTS } from '../../../../protocol/round/transfers.ts'
import { runVectorWork } from '../../../../protocol/sum/kernels.ts'
import { PART_BYTES } from '../../../../protocol/wire/limits.ts'
import type { Body } from '../../../../protocol/wire/messages.ts'
import { peerConfigs } from '../../../../sim/charter.ts'
import { testCharter } from '../../../support/consortium.ts'

const charter = testCharter({
  n: 4,
  edit: c => ({
    ...c,
    model: { ...c.model, weights: [{ name: 'w', shape: [600_000], initialiser: 'zeros' }] },
  }),
})
const P = parameterCount(charter)
const D = expandedFeatureCount(charter)
const PARTS = Math.ceil((16 + 4 * P + 16 * D) / PART_BYTES)
const others = charter.members.slice(1).map(m => m.id)
const [b, c] = others as [MemberId, MemberId, MemberId]
const STALL_MS = charter.secureSum.openDeadlineMs / 6

type Sent =
  | { readonly to: MemberId; readonly type: 'modelAsk'; readonly body: Body<'modelAsk'> }
  | { readonly to: MemberId; readonly type: 'modelPart'; readonly body: Body<'modelPart'> }

function modelOf(fill: number): ModelState {
  const model = blankState(P, { mean: new Float64Array(D), deviation: new Float64Array(D).fill(1) })
  model.parameters.fill(fill)
  return model
}

/** A peer's books, as far as its models need them. */
class Desk {
  readonly config = peerConfigs(charter)[0]!
  readonly effects = new Effects()
  readonly connected = new Set<MemberId>(others)
  readonly wire: Sent[] = []
  readonly blamed: string[] = []
  now = 0
  state: ModelBooks['state']
  readonly got: ModelState[] = []
  readonly models: Models

  model: ModelState | undefined

  /** `named`: by the ledger; `model`: what is here. */
  constructor(named: Uint8Array, model?: ModelState) {
    this.model = model
    this.state = genesis(charter, this.config.charterHash, named)
    this.models = new Models(this)
  }

  blame(peer: MemberId, f: { readonly code: string }): 'reject' {
    this.blamed.push(`${peer} ${f.code}`)
    return 'reject'
  }

  send(to: MemberId, type: 'modelAsk' | 'modelPart', body: Body<'modelAsk'> | Body<'modelPart'>): void {
    this.wire.push({ to, type, body } as Sent)
  }

  advance(): void {
    this.models.advance(model => {
      this.model = model
      this.got.push(model)
    })
  }

  /** What was asked for since. */
  asked(): { readonly to: MemberId; readonly body: Body<'modelAsk'> }[] {
    return this.wire.splice(0).flatMap(m => (m.type === 'modelAsk' ? [m] : []))
  }

  /** Work that was begun since. */
  jobs(): (Effect & { kind: 'job' })[] {
    return this.effects.take().flatMap(e => (e.kind === 'job' ? [e] : []))
  }

  done(id: number, job: Job): void {
    if (job.kind !== 'vector') throw new Error('not of this kind')
    this.effects.jobDone(id, { kind: 'vector', output: runVectorWork(job.work) })
    this.advance()
  }

  /** Answers all that is asked of `from`, out of `bytes`, until no more is. */
  answer(from: MemberId, bytes: Uint8Array): number {
    let parts = 0
    for (let asks = this.asked(); asks.length > 0; asks = this.asked()) {
      for (const { to, body } of asks) {
        if (to !== from) continue
        for (let part = body.part; part < body.part + body.parts; part++, parts++) {
          const data = bytes.subarray(part * PART_BYTES, (part + 1) * PART_BYTES)
          this.models.onPart(from, { hash: body.hash, part, data })
        }
      }
      this.advance()
    }
    return parts
  }
}

const model = modelOf(1)
const hash = stateHash(model)
const encoding = encodeState(model)

describe('a model that is missing', () => {
  it('is asked of who says that it has it, and of nobody else', () => {
    const desk = new Desk(hash)
    desk.models.says(b, new Uint8Array(32))
    desk.advance()
    expect(desk.asked()).toEqual([])
    desk.models.says(c, hash)
    desk.advance()
    expect(desk.answer(c, encoding)).toBe(PARTS)
    const [check, ...more] = desk.jobs()
    expect(more).toEqual([])
    expect(desk.models.size).toBe(1)
    desk.done(check!.id, check!.job)
    expect(stateHash(desk.got[0]!)).toEqual(hash)
    expect(desk.models.size).toBe(0)
    expect(desk.models.dueAt).toBeUndefined()
  })

  it('is asked of the next when one is silent, who has more time', () => {
    const desk = new Desk(hash)
    for (const m of [b, c]) desk.models.says(m, hash)
    desk.advance()
    expect(desk.models.dueAt).toBe(STALL_MS)
    expect(desk.asked().map(m => m.to)).toEqual([b])
    desk.now = STALL_MS
    desk.advance()
    expect(desk.asked().map(m => m.to)).toEqual([c])
    expect(desk.models.dueAt).toBe(3 * STALL_MS)
    desk.now = 3 * STALL_MS - 1
    desk.advance()
    expect(desk.asked()).toEqual([])
    expect(desk.answer(c, encoding)).toBe(0)
  })

  it('does not count when its hash is another: who gave it is at fault, and the next is asked', () => {
    const desk = new Desk(hash)
    for (const m of [b, c]) desk.models.says(m, hash)
    desk.advance()
    desk.answer(b, encodeState(modelOf(2)))
    const [check] = desk.jobs()
    desk.done(check!.id, check!.job)
    expect(desk.blamed).toEqual([`${b} badModel`])
    expect(desk.got).toEqual([])
    expect(desk.answer(c, encoding)).toBe(PARTS)
  })

  it('does not come in parts of another length, and not unasked', () => {
    const desk = new Desk(hash)
    const part = { hash, part: 0, data: encoding.slice(0, PART_BYTES) }
    expect(desk.models.onPart(b, part)).toBe('ignore')
    desk.models.says(b, hash)
    desk.advance()
    expect(desk.models.onPart(c, part)).toBe('ignore')
    expect(desk.models.onPart(b, { ...part, hash: sha256(hash) })).toBe('ignore')
    expect(desk.models.onPart(b, { ...part, part: PARTS })).toBe('ignore')
    expect(desk.models.onPart(b, part)).toBe('accept')
    expect(desk.models.onPart(b, part)).toBe('ignore')
    expect(desk.models.onPart(b, { ...part, part: 1, data: part.data.subarray(4) })).toBe('reject')
    expect(desk.blamed).toEqual([`${b} badModel`])
  })

  it('is checked on when the attempt ends, and comes again when the check fails', () => {
    const desk = new Desk(hash)
    desk.models.says(b, hash)
    desk.advance()
    desk.answer(b, encoding)
    const [check] = desk.jobs()
    desk.effects.cancelJobs()
    expect(desk.effects.jobs).toBe(1)
    desk.effects.jobFailed(check!.id, 'the worker died')
    desk.advance()
    expect(desk.answer(b, encoding)).toBe(PARTS)
    const [again] = desk.jobs()
    desk.done(again!.id, again!.job)
    expect(desk.got).toHaveLength(1)
    expect(desk.blamed).toEqual([])
  })

  it('is dropped when the ledger names another', () => {
    const desk = new Desk(hash)
    desk.models.says(b, hash)
    desk.advance()
    const next = modelOf(3)
    desk.models.says(c, stateHash(next))
    desk.state = { ...desk.state, modelHash: stateHash(next) }
    desk.wire.splice(0)
    desk.advance()
    expect(desk.asked().map(m => [m.to, m.body.hash])).toEqual([[c, stateHash(next)]])
    const told = desk.effects.take().flatMap(e => (e.kind === 'event' ? [e.event] : []))
    expect(told.map(e => e.kind === 'transfer' && [e.what, e.state, e.round])).toEqual([
      ['model', 'going', 0],
      ['model', 'dropped', 0],
      ['model', 'going', 0],
    ])
  })

  it('is not checked any longer then', () => {
    const desk = new Desk(hash)
    desk.models.says(b, hash)
    desk.advance()
    desk.answer(b, encoding)
    const [check] = desk.jobs()
    desk.state = { ...desk.state, modelHash: stateHash(modelOf(3)) }
    desk.advance()
    expect(desk.effects.take()).toContainEqual({ kind: 'cancel', id: check!.id })
    expect(desk.effects.jobs).toBe(0)
  })

  it('is let be when what the ledger names is no model of the charter', () => {
    const bytes = encoding.slice()
    bytes[0]! ^= 1
    const desk = new Desk(sha256(bytes))
    desk.models.says(b, sha256(bytes))
    desk.advance()
    expect(desk.answer(b, bytes)).toBe(PARTS)
    const [check] = desk.jobs()
    desk.done(check!.id, check!.job)
    desk.advance()
    expect([desk.got, desk.blamed, desk.asked()]).toEqual([[], [], []])
  })
})

describe('a model that is here', () => {
  const ask = { hash, part: 0, parts: 16_384 }

  it('is given a window at a time, and by no other name', () => {
    const desk = new Desk(hash, model)
    desk.models.onAsk(b, { ...ask, hash: sha256(hash) })
    expect(desk.wire).toEqual([])
    desk.models.onAsk(b, ask)
    expect(desk.wire.map(m => m.body.part)).toEqual(Array.from({ length: WINDOW_PARTS }, (_, i) => i))
    desk.state = { ...desk.state, modelHash: sha256(hash) }
    desk.model = undefined
    desk.wire.splice(0)
    desk.models.onAsk(b, ask)
    expect(desk.wire).toEqual([])
  })

  it('is given to nobody without end; but the next one again', () => {
    const desk = new Desk(hash, model)
    const given = () =>
      desk.wire.splice(0).reduce((n, m) => n + (m.type === 'modelPart' ? m.body.data.length : 0), 0)
    for (let i = 0; i < 100; i++) desk.models.onAsk(b, ask)
    expect(given()).toBeLessThanOrEqual(8 * (encoding.length + PART_BYTES))
    desk.models.onAsk(b, ask)
    expect(given()).toBe(0)
    desk.models.onAsk(c, ask)
    expect(given()).toBe(WINDOW_PARTS * PART_BYTES)
    desk.model = modelOf(2)
    desk.state = { ...desk.state, modelHash: stateHash(desk.model) }
    desk.models.onAsk(b, { ...ask, hash: desk.state.modelHash })
    expect(given()).toBe(WINDOW_PARTS * PART_BYTES)
  })
})
