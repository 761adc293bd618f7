/**
 * The course of a run as one hash: SHA-256 over every event in its order, what came of it included. Two runs with one hash
 * are one run. On request each event is also a readable line (`trace-lines.ts`).
 */
import { createHash } from 'node:crypto'
import { Memo } from '../protocol/memo.ts'
import type { Effect, Input, JobResult, Millis, Output } from '../protocol/ports.ts'
import { isStored } from '../protocol/stored.ts'
import type { SimHost } from './host.ts'
import type { Injected, Observer } from './observer.ts'
import { TraceLines } from './trace-lines.ts'
import type { World } from './world.ts'

/** Numbers and short texts are collected, and hashed together. */
const CHUNK_BYTES = 4096

/** Contents that were hashed already: from then on their number stands for them. */
const hashed = new Memo<Uint8Array, { readonly in: Trace; readonly number: number }>()

export class Trace implements Observer {
  readonly #hash = createHash('sha256')
  readonly #chunk = new Uint8Array(CHUNK_BYTES)
  readonly #view = new DataView(this.#chunk.buffer)
  #at = 0
  #count = 0
  #world: World | undefined
  readonly #lines: TraceLines | undefined

  /** `line`: told each event, for people. */
  constructor(line?: (text: string) => void) {
    this.#lines = line && new TraceLines(line)
  }

  /** Of all events so far, in hex. */
  get hash(): string {
    return this.#hash.copy().update(this.#chunk.subarray(0, this.#at)).digest('hex')
  }

  onWorld(world: World): void {
    this.#world = world
    this.#lines?.onWorld(world)
  }

  onStart(host: SimHost): void {
    this.#event('start', host)
    this.#lines?.onStart(host)
  }

  onCrash(host: SimHost, why: string, error?: unknown): void {
    this.#event('crash', host)
    this.#text(why)
    this.#lines?.onCrash(host, why, error)
  }

  onInput(host: SimHost, input: Input, now: Millis): void {
    this.#event(input.kind, host)
    this.#number(now)
    switch (input.kind) {
      case 'start':
        this.#bytes(input.entropy)
        this.#number(input.durable.size)
        break
      case 'connected':
      case 'disconnected':
        this.#text(input.peer)
        break
      case 'message':
        this.#text(input.from)
        this.#text(input.via)
        this.#bytes(input.bytes)
        break
      case 'jobDone':
        this.#number(input.id)
        this.#result(input.result)
        break
      case 'jobFailed':
        this.#number(input.id)
        this.#text(input.reason)
        break
      case 'tick':
        break
    }
  }

  onOutput(host: SimHost, input: Input, output: Output): void {
    this.#effects(output.effects)
    this.#number(output.wakeAt ?? -1)
    this.#text(output.verdict ?? '')
    this.#lines?.onOutput(host, input, output)
  }

  onCommit(
    host: SimHost,
    puts: readonly (readonly [key: string, value: Uint8Array])[],
    deletes: readonly string[],
  ): void {
    this.#event('commit', host)
    for (const [key] of puts) this.#text(key)
    for (const key of deletes) this.#text(key)
    this.#lines?.onCommit(host, puts, deletes)
  }

  onLostCommit(host: SimHost, keys: readonly string[], how: 'lost' | 'torn'): void {
    this.#event(how, host)
    for (const key of keys) this.#text(key)
    this.#lines?.onLostCommit(host, keys, how)
  }

  onInjected(what: Injected): void {
    this.#event('injected')
    this.#text(what.kind)
    for (const id of what.hospitals) this.#text(id)
    this.#text(what.detail)
    this.#lines?.onInjected(what)
  }

  #event(what: string, host?: SimHost): void {
    this.#text(what)
    this.#number(this.#world?.now ?? 0)
    this.#number(host?.index ?? -1)
  }

  #effects(effects: readonly Effect[]): void {
    this.#number(effects.length)
    for (const e of effects) {
      this.#text(e.kind)
      switch (e.kind) {
        case 'publish':
          this.#bytes(e.bytes)
          break
        case 'send':
          this.#text(e.to)
          this.#bytes(e.bytes)
          break
        case 'store':
          for (const [key, value] of e.puts) {
            this.#text(key)
            if (value instanceof Uint8Array) this.#bytes(value)
            else this.#text(value.sameAs)
          }
          for (const key of e.deletes) this.#text(key)
          this.#effects(e.release)
          break
        case 'write':
          this.#text(e.draft)
          this.#number(e.at)
          this.#bytes(e.data)
          break
        case 'sendRecord':
          this.#text(e.to)
          this.#text(e.key)
          break
        case 'sendPart':
          this.#text(e.to)
          this.#text(e.key)
          this.#bytes(e.of.hash)
          this.#number(e.of.part)
          break
        case 'job':
          this.#number(e.id)
          this.#text(e.job.kind === 'learn' ? e.job.task : e.job.work.kind)
          if (e.job.kind === 'learn') this.#bytes(e.job.seed)
          break
        case 'cancel':
          this.#number(e.id)
          break
        case 'shutOut':
          for (const peer of e.peers) this.#text(peer)
          break
        case 'fault':
          this.#text(e.peer)
          this.#text(e.fault.code)
          this.#text(e.fault.detail)
          break
        case 'event':
          this.#text(JSON.stringify(e.event))
          break
      }
    }
  }

  #result(result: JobResult): void {
    if (result.kind === 'learn') {
      const { samples, featureSums, delta, evaluation } = result.learned
      this.#number(samples)
      for (const v of [featureSums?.first, featureSums?.second]) this.#vector(v)
      if (delta && isStored(delta)) this.#text(delta.record)
      else this.#vector(delta)
      for (const v of [evaluation?.positives, evaluation?.negatives]) this.#vector(v)
      this.#number(evaluation?.correct ?? -1)
      this.#number(evaluation?.lossSum ?? -1)
      return
    }
    const { output } = result
    switch (output.kind) {
      case 'mask':
        this.#vector(output.masked)
        break
      case 'check':
        this.#bytes(output.hash)
        break
      case 'sum':
      case 'apply':
        this.#vector(output.sum)
        break
      case 'tag':
        for (const tag of output.tags) this.#vector(tag)
        break
      case 'refused':
        this.#text(output.reason)
        break
    }
  }

  #vector(v: Float32Array | Float64Array | Uint32Array | undefined): void {
    if (v) this.#bytes(new Uint8Array(v.buffer, v.byteOffset, v.byteLength))
    else this.#number(-1)
  }

  #number(x: number): void {
    if (this.#at + 8 > CHUNK_BYTES) this.#flush()
    this.#view.setFloat64(this.#at, x)
    this.#at += 8
  }

  #text(text: string): void {
    if (text.length > CHUNK_BYTES / 4) {
      this.#number(text.length)
      this.#flush()
      this.#hash.update(text)
      return
    }
    if (this.#at + 2 + 2 * text.length > CHUNK_BYTES) this.#flush()
    this.#view.setUint16(this.#at, text.length)
    this.#at += 2
    for (let i = 0; i < text.length; i++) {
      this.#view.setUint16(this.#at, text.charCodeAt(i))
      this.#at += 2
    }
  }

  /** Contents are never changed once they are handed over, so an array stands for what it held at first. */
  #bytes(bytes: Uint8Array): void {
    const known = hashed.get(bytes)
    if (known?.in === this) {
      this.#number(known.number)
      return
    }
    hashed.set(bytes, { in: this, number: ++this.#count })
    this.#number(-bytes.length)
    if (bytes.length > CHUNK_BYTES / 4) {
      this.#flush()
      this.#hash.update(bytes)
      return
    }
    if (this.#at + bytes.length > CHUNK_BYTES) this.#flush()
    this.#chunk.set(bytes, this.#at)
    this.#at += bytes.length
  }

  #flush(): void {
    this.#hash.update(this.#chunk.subarray(0, this.#at))
    this.#at = 0
  }
}
