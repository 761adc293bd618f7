import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { toHex } from '../../../../protocol/bytes.ts'
import { initialState } from '../../../../protocol/model/initial.ts'
import { blankState, decodeState, encodeState, stateHash, stateIn } from '../../../../protocol/model/state.ts'
import type { ModelState } from '../../../../protocol/ports.ts'
import { testCharter } from '../../../support/consortium.ts'

const charter = testCharter({ n: 4, features: 3 })

describe('model state', () => {
  const state: ModelState = {
    parameters: Float32Array.of(1.5, -2, 3e-8, 4),
    mean: Float64Array.of(1, 2, 3),
    deviation: Float64Array.of(0.1, 0.2, 0.3),
  }

  it('survives the way to bytes and back, and its hash tells every bit', () => {
    const bytes = encodeState(state)
    const back = decodeState(bytes, charter)
    expect(back).toEqual({ ok: true, value: state })
    const other = { ...state, deviation: Float64Array.of(0.1, 0.2, 0.30000000000000004) }
    expect(toHex(stateHash(other))).not.toBe(toHex(stateHash(state)))
  })

  it('lies in the memory of an encoding of our own, and keeps it', () => {
    const bytes = encodeState(state)
    const held = stateIn(bytes, stateHash(state))
    expect(held).toEqual(state)
    expect(held.parameters.buffer).toBe(bytes.buffer)
    expect(encodeState(held)).toBe(bytes)
    expect(stateHash(held)).toEqual(stateHash(state))
    const bare = initialState(charter)
    expect(stateIn(encodeState(bare), stateHash(bare))).toEqual(bare)
  })

  it('lies in memory that threads share, when it is large, however it came to be', () => {
    const large = { ...state, parameters: new Float32Array(10_000) }
    for (const encoding of [encodeState(large), encodeState(blankState(10_000, large))])
      expect(stateIn(encoding, stateHash(large)).parameters.buffer).toBeInstanceOf(SharedArrayBuffer)
  })

  it('has one byte layout: this is part of the protocol', () => {
    const small = {
      parameters: Float32Array.of(1, -2.5),
      mean: Float64Array.of(3),
      deviation: Float64Array.of(0.5),
    }
    expect(toHex(encodeState(small))).toBe(
      ['646f6d6d', '01000000', '02000000', '01000000'].join('') +
        ['0000803f', '000020c0', '0000000000000840', '000000000000e03f'].join(''),
    )
  })

  it('before the statistics round it has no normalisation, and survives too', () => {
    const bare = initialState(charter)
    expect(decodeState(encodeState(bare), charter)).toEqual({ ok: true, value: bare })
  })

  it('takes nothing that is not the charter’s model', () => {
    const bytes = encodeState(state)
    const changed = (at: number, value: number) => Uint8Array.from(bytes, (b, i) => (i === at ? value : b))
    const nan = bytes.slice()
    new DataView(nan.buffer).setFloat32(16, Number.NaN, true)
    const endless = bytes.slice()
    new DataView(endless.buffer).setFloat64(16 + 16 + 8, Infinity, true)
    const wide = bytes.slice()
    new DataView(wide.buffer).setFloat64(16 + 16 + 24, Infinity, true)
    const flat = bytes.slice()
    new DataView(flat.buffer).setFloat64(16 + 16 + 24, 0, true)
    for (const bad of [
      bytes.slice(1),
      bytes.slice(0, -1),
      changed(0, 0),
      changed(4, 9),
      changed(8, 5),
      changed(12, 2),
      nan,
      endless,
      wide,
      flat,
      Uint8Array.of(...bytes, 0),
      new Uint8Array(0),
    ]) {
      expect(decodeState(bad, charter).ok).toBe(false)
    }
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), bytes => !decodeState(bytes, charter).ok))
  })

  it('decodes from a view that does not start at a word', () => {
    const shifted = new Uint8Array(encodeState(state).length + 3)
    shifted.set(encodeState(state), 3)
    expect(decodeState(shifted.subarray(3), charter).ok).toBe(true)
  })
})
