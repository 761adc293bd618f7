import { describe, expect, it } from 'vitest'
import { Random } from '../../../../sim/random.ts'
import { type Frame, readFrame, TAP_HEADER_BYTES } from '../../../e2e/netns/frame.ts'
import { Lines } from '../../../e2e/netns/line.ts'

/** A TCP segment between two hospitals as the device hands it over. */
function packet(from: number, to: number, payloadBytes: number, optionBytes = 12): Uint8Array {
  const tcpBytes = 20 + optionBytes
  const out = new Uint8Array(TAP_HEADER_BYTES + 14 + 20 + tcpBytes + payloadBytes)
  const view = new DataView(out.buffer, TAP_HEADER_BYTES)
  view.setUint16(12, 0x0800)
  view.setUint8(14, 0x45)
  view.setUint16(16, 20 + tcpBytes + payloadBytes)
  view.setUint8(14 + 9, 6)
  out.set([10, 77, 0, from, 10, 77, 0, to], TAP_HEADER_BYTES + 14 + 12)
  view.setUint8(34 + 12, (tcpBytes / 4) << 4)
  return out
}

describe('a frame', () => {
  it('tells whose it is, what it weighs and what it carries', () => {
    expect(readFrame(packet(3, 8, 1448))).toEqual({ bytes: 1514, from: 3, to: 8, payloadBytes: 1448 })
    expect(readFrame(packet(1, 2, 0))).toEqual({ bytes: 66, from: 1, to: 2, payloadBytes: 0 })
    expect(readFrame(packet(1, 2, 5, 0))).toMatchObject({ payloadBytes: 5 })
  })

  it('shorter than its Ethernet carries nothing that counts as payload', () => {
    const padded = new Uint8Array([...packet(1, 2, 0, 0), 0, 0, 0, 0, 0, 0])
    expect(readFrame(padded)).toMatchObject({ bytes: 60, payloadBytes: 0 })
  })

  it('of another kind, or none at all, belongs to nobody', () => {
    const arp = packet(1, 2, 0)
    arp.set([0x08, 0x06], TAP_HEADER_BYTES + 12)
    expect(readFrame(arp)).toMatchObject({ from: undefined, to: undefined, payloadBytes: 0 })
    for (const bytes of [0, 5, TAP_HEADER_BYTES + 13])
      expect(readFrame(new Uint8Array(bytes))).toBeUndefined()
    expect(readFrame(new Uint8Array(TAP_HEADER_BYTES + 14))?.bytes).toBe(14)
  })
})

describe('the lines', () => {
  const frame = (from: number, to: number, payloadBytes = 100): Frame => ({
    bytes: payloadBytes + 66,
    from,
    to,
    payloadBytes,
  })
  const bytes = (k: number) => new Uint8Array([k])
  const taken = (lines: Lines, now: number) => {
    const out: number[] = []
    for (let held = lines.due(now); held !== undefined; held = lines.due(now)) out.push(held.packet[0]!)
    return out
  }

  it('hold each frame for their delay, and keep the order', () => {
    const lines = new Lines(3, 50, 0, new Random(1))
    lines.take(bytes(1), frame(1, 2), 1000)
    lines.take(bytes(2), frame(2, 3), 1000.5)
    expect(lines.nextAt).toBe(1050)
    expect(taken(lines, 1049.9)).toEqual([])
    expect(taken(lines, 1050)).toEqual([1])
    expect(taken(lines, 1060)).toEqual([2])
    expect(lines.nextAt).toBeUndefined()
  })

  it('let through at once what is no message between hospitals', () => {
    const lines = new Lines(2, 50, 1, new Random(1))
    lines.take(bytes(1), { bytes: 42, from: undefined, to: undefined, payloadBytes: 0 }, 7)
    expect(taken(lines, 7)).toEqual([1])
    expect(lines.traffic.every(t => t.frames === 0)).toBe(true)
  })

  it('lose the share that they should, and count it as sent', () => {
    const lines = new Lines(2, 0, 0.01, new Random(4))
    for (let i = 0; i < 20_000; i++) lines.take(bytes(1), frame(1, 2, i % 2), i)
    const [first, second] = lines.traffic
    expect(first).toMatchObject({ frames: 20_000, acks: 10_000, ackBytes: 660_000, payloadBytes: 10_000 })
    expect(first!.bytes).toBe(20_000 * 66 + 10_000)
    expect(first!.lost).toBeGreaterThan(200 - 5 * 15)
    expect(first!.lost).toBeLessThan(200 + 5 * 15)
    expect(taken(lines, 1e6)).toHaveLength(20_000 - first!.lost)
    expect(second!.frames).toBe(0)
  })

  it('let nothing pass between those who are cut off and the others, in either direction, until they are joined', () => {
    const lines = new Lines(4, 0, 0, new Random(1))
    lines.cutOff([2, 3])
    const pairs = [
      [1, 2],
      [1, 3],
      [3, 1],
      [3, 4],
      [4, 2],
    ] as const
    pairs.forEach(([from, to], k) => {
      lines.take(bytes(k), frame(from, to), 0)
    })
    expect(taken(lines, 0)).toEqual([0, 3])
    expect(lines.traffic.map(t => t.cut)).toEqual([1, 0, 1, 1])
    lines.cutOff([])
    lines.take(bytes(9), frame(4, 2), 1)
    expect(taken(lines, 1)).toEqual([9])
  })
})
