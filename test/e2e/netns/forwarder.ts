/**
 * The forwarding process: every packet between two hospitals goes through here. It reads them from a macvtap device, which
 * is a file that can be read and written without any native code, holds each for the line's delay, drops what is lost or
 * cut, and writes the rest back. The kernel has done its part before: what is read are the segments as a network card
 * would send them.
 */
import { constants, openSync, readSync, writeSync } from 'node:fs'
import { setPriority } from 'node:os'
import { Random } from '../../../sim/random.ts'
import { readFrame } from './frame.ts'
import { Lines, type Traffic } from './line.ts'

export interface ForwarderOptions {
  readonly device: string
  readonly hospitals: number
  readonly delayMs: number
  readonly lossRate: number
  readonly seed: number
  /** Who is cut off, when after the beginning, and for how long. */
  readonly cutOff: readonly number[]
  readonly cutAtMs: number
  readonly cutForMs: number
}

/** From the parent: the scenario's time begins now. */
export type Order = 'begin'

/** To the parent, ten times a second: totals since the start. */
export interface Reading {
  readonly at: number
  readonly traffic: readonly Traffic[]
  /** When they were cut off and joined again, once they are. */
  readonly cutAt: number | undefined
  readonly joinedAt: number | undefined
  /** Longest that a frame was held beyond its time since the last reading. */
  readonly latestMs: number
  /** Frames longer than a segment: there must be none, as one loss would take several at once. */
  readonly oversized: number
}

const READ_BYTES = 70_000
const READING_MS = 100
const FRAME_BYTES_MAX = 1514
/** How often the device is looked at. A thread that waits for each packet would cost more than this does. */
const POLL_MS = 1

function main(options: ForwarderOptions): void {
  setPriority(-20)
  // A frame is seen half a poll after it was sent, and as much too late when it is due.
  const delayMs = Math.max(0, options.delayMs - POLL_MS)
  const lines = new Lines(options.hospitals, delayMs, options.lossRate, new Random(options.seed))
  const fd = openSync(options.device, constants.O_RDWR | constants.O_NONBLOCK)
  const buffer = Buffer.alloc(READ_BYTES)
  let latestMs = 0
  let oversized = 0

  const poll = () => {
    const now = performance.now()
    for (let length = readPacket(fd, buffer); length > 0; length = readPacket(fd, buffer)) {
      const packet = Uint8Array.prototype.slice.call(buffer, 0, length)
      const frame = readFrame(packet)
      if (frame === undefined) continue
      if (frame.bytes > FRAME_BYTES_MAX) oversized++
      lines.take(packet, frame, now)
    }
    for (let held = lines.due(now); held !== undefined; held = lines.due(now)) {
      latestMs = Math.max(latestMs, now - held.dueAt)
      writeSync(fd, held.packet)
    }
  }
  setInterval(poll, POLL_MS)
  let cutAt: number | undefined
  let joinedAt: number | undefined
  process.once('message', () => {
    setTimeout(() => {
      lines.cutOff(options.cutOff)
      cutAt = Date.now()
      setTimeout(() => {
        lines.cutOff([])
        joinedAt = Date.now()
      }, options.cutForMs)
    }, options.cutAtMs)
  })
  process.on('disconnect', () => process.exit())
  setInterval(() => {
    const reading: Reading = { at: Date.now(), traffic: lines.traffic, cutAt, joinedAt, latestMs, oversized }
    process.send?.(reading)
    latestMs = 0
  }, READING_MS)
}

/** Bytes of the next packet; 0: none is there. */
function readPacket(fd: number, buffer: Buffer): number {
  try {
    return readSync(fd, buffer, 0, buffer.length, null)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EAGAIN') return 0
    throw error
  }
}

if (import.meta.main) main(JSON.parse(process.argv[2]!) as ForwarderOptions)
