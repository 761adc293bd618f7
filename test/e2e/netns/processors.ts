/**
 * How long the hospitals' event loops worked, and how long they waited for a processor. Real hospitals have a machine each;
 * here they share one, and the simulator must be told so to be held against it.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Millis } from '../../../protocol/ports.ts'

/** Milliseconds since the processes' beginning, of all hospitals together. */
export interface WorkReading {
  readonly at: Millis
  /** On a processor. */
  readonly workMs: Millis
  /** Ready to work, while all processors did something else. */
  readonly waitMs: Millis
}

/** Shares of the time that passed, of one hospital on average. */
export interface WorkShare {
  readonly work: number
  readonly wait: number
}

/** The processes in these namespaces. */
export function pidsIn(namespaces: readonly string[]): number[] {
  return namespaces.flatMap(name =>
    execFileSync('ip', ['netns', 'pids', name], { encoding: 'utf8' })
      .split('\n')
      .filter(line => line !== '')
      .map(Number),
  )
}

/** Throws when one of the processes is gone. */
export function readWork(pids: readonly number[]): WorkReading {
  let workMs = 0
  let waitMs = 0
  for (const pid of pids) {
    // The event loop is the process' first thread; training and vectors have others of their own.
    const reading = parseSchedstat(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8'))
    workMs += reading.workMs
    waitMs += reading.waitMs
  }
  return { at: Date.now(), workMs, waitMs }
}

/** Nanoseconds on a processor, nanoseconds in its queue, turns (Documentation/scheduler/sched-stats.rst of the kernel). */
export function parseSchedstat(text: string): { readonly workMs: Millis; readonly waitMs: Millis } {
  const [work, wait] = text.trim().split(' ').map(Number)
  if (work === undefined || wait === undefined || Number.isNaN(work + wait)) {
    throw new Error(`not a schedstat: ${text.trim()}`)
  }
  return { workMs: work / 1e6, waitMs: wait / 1e6 }
}

/** From the first reading to the last one. Throws where there are not two. */
export function workShare(readings: readonly WorkReading[], hospitals: number): WorkShare {
  const a = readings[0]
  const b = readings.at(-1)
  if (a === undefined || b === undefined || a.at === b.at)
    throw new Error('too few readings of the processors')
  const ms = hospitals * (b.at - a.at)
  return { work: (b.workMs - a.workMs) / ms, wait: (b.waitMs - a.waitMs) / ms }
}
