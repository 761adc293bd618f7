/**
 * A run as text: a line for each input of each hospital and one for each thing that came of it. It names kinds, rounds and
 * sizes; no content, so no secret.
 */
import { isConsensusType, parseConsensus } from '../protocol/consensus/message.ts'
import type { Effect, Event, Input, Job, MemberId, Millis, Output, Value } from '../protocol/ports.ts'
import { decode } from '../protocol/wire/codec.ts'
import { openEnvelope, type RawEnvelope } from '../protocol/wire/envelope.ts'
import { BODIES, type BodyType } from '../protocol/wire/messages.ts'
import type { SimHost } from './host.ts'
import type { Injected } from './observer.ts'
import type { World } from './world.ts'

export class TraceLines {
  readonly #line: (text: string) => void
  #world: World | undefined
  #start: Millis = 0
  #width = 0

  constructor(line: (text: string) => void) {
    this.#line = line
  }

  onWorld(world: World): void {
    this.#world = world
    this.#start = world.now
    this.#width = Math.max(...[...world.hosts.keys()].map(id => id.length))
  }

  onStart(host: SimHost): void {
    this.#say(host.id, '== a life begins')
  }

  onCrash(host: SimHost, why: string, error: unknown): void {
    const what = error instanceof Error && why === 'broken' ? `: ${error.message}` : ''
    this.#say(host.id, `== its life ends (${why})${what}`)
  }

  onOutput(host: SimHost, input: Input, output: Output): void {
    if (input.kind === 'tick' && output.effects.length === 0) return
    const verdict = output.verdict === undefined ? '' : `  ${output.verdict}`
    this.#say(host.id, `<- ${describeInput(input)}${verdict}`)
    for (const e of output.effects) this.#effect(host.id, e, '')
  }

  onCommit(
    host: SimHost,
    puts: readonly (readonly [key: string, value: Uint8Array])[],
    deletes: readonly string[],
  ): void {
    this.#say(host.id, `.. durable: ${describeCommit(puts, deletes)}`)
  }

  onLostCommit(host: SimHost, keys: readonly string[], how: string): void {
    this.#say(host.id, `.. ${how}: ${keys.join(', ')}`)
  }

  onInjected({ kind, hospitals, detail }: Injected): void {
    this.#say('', `!! ${kind}: ${hospitals.join(', ')} ${detail}`.trimEnd())
  }

  #effect(id: MemberId, e: Effect, indent: string): void {
    if (e.kind === 'event') {
      this.#say(id, `   ${indent}** ${describeEvent(e.event)}`)
      return
    }
    this.#say(id, `   ${indent}-> ${describeEffect(e)}`)
    if (e.kind === 'store') for (const r of e.release) this.#effect(id, r, `${indent}   `)
  }

  #say(id: MemberId, text: string): void {
    const ms = (this.#world?.now ?? 0) - this.#start
    this.#line(`t=${(ms / 1000).toFixed(3)}s  ${id.padEnd(this.#width)}  ${text}`)
  }
}

function describeInput(input: Input): string {
  switch (input.kind) {
    case 'start':
      return `start, ${input.durable.size} records`
    case 'connected':
    case 'disconnected':
      return `${input.kind} ${input.peer}`
    case 'message':
      return `${input.via} ${describeMessage(input.bytes, input.from)}`
    case 'jobDone':
      return `job ${input.id} done: ${input.result.kind === 'learn' ? 'learned' : input.result.output.kind}`
    case 'jobFailed':
      return `job ${input.id} failed: ${input.reason}`
    case 'appeal':
      return `appeal for ${input.member}`
    case 'tick':
      return 'tick'
  }
}

function describeEffect(e: Exclude<Effect, { kind: 'event' }>): string {
  switch (e.kind) {
    case 'publish':
      return `publish ${describeMessage(e.bytes)}`
    case 'send':
      return `${e.to} ${describeMessage(e.bytes)}`
    case 'store':
      return `store ${describeCommit(e.puts, e.deletes)}`
    case 'write':
      return `write ${size(e.data.length)} into ${e.draft}`
    case 'sendRecord':
      return `${e.to} record ${e.key}`
    case 'sendPart':
      return `${e.to} part ${e.of.part} of ${e.key}`
    case 'job':
      return `job ${e.id}: ${describeJob(e.job)}`
    case 'cancel':
      return `cancel job ${e.id}`
    case 'shutOut':
      return `shut out ${e.peers.join(', ') || 'nobody'}`
    case 'fault':
      return `fault of ${e.peer}: ${e.fault.code}, ${e.fault.detail}`
  }
}

function describeJob(job: Job): string {
  return job.kind === 'learn' ? `${job.task}, round ${job.round}` : job.work.kind
}

function describeCommit(
  puts: readonly (readonly [key: string, value: Value])[],
  deletes: readonly string[],
): string {
  const kept = puts.map(([key, value]) => `${key} (${describeValue(value)})`)
  return [...kept, ...deletes.map(key => `not ${key}`)].join(', ')
}

function describeValue(value: Value): string {
  return value instanceof Uint8Array ? size(value.length) : `as ${value.sameAs}`
}

/** Kind, author, round and size; `relay`: who handed it over, where that is another. */
export function describeMessage(bytes: Uint8Array, relay?: MemberId): string {
  const raw = openEnvelope(bytes)
  if (!raw.ok)
    return `what is no message${relay === undefined ? '' : `, by ${relay}`} (${size(bytes.length)})`
  const { type, from } = raw.value
  const by = relay === undefined || relay === from ? '' : ` by ${relay}`
  const of = relay === undefined ? '' : ` of ${from}${by}`
  return `${type}${of} (${[...placeOf(raw.value), size(bytes.length)].join(', ')})`
}

function placeOf(raw: RawEnvelope): string[] {
  if (isConsensusType(raw.type)) {
    const parsed = parseConsensus(raw)
    return parsed.ok ? [`height ${parsed.value.height}, view ${parsed.value.view}`] : ['malformed']
  }
  if (!Object.hasOwn(BODIES, raw.type)) return ['unknown']
  const decoded = decode<unknown>(raw.body, BODIES[raw.type as BodyType])
  if (!decoded.ok) return ['malformed']
  const { round, attempt, shard } = decoded.value as { round?: number; attempt?: number; shard?: number }
  const place: string[] = []
  if (round !== undefined) place.push(`round ${round}${attempt === undefined ? '' : `.${attempt}`}`)
  if (shard !== undefined) place.push(`shard ${shard}`)
  return place
}

function describeEvent(event: Event): string {
  const where = 'attempt' in event ? ` ${event.round}.${event.attempt}` : ''
  switch (event.kind) {
    case 'started':
      return `started at height ${event.height}, round ${event.round}`
    case 'roundOpened':
      return `round${where} opened: ${event.task} with ${event.cohort.length}${listed(' without ', event.absent)}`
    case 'committee':
      return `round ${event.round}: committee ${event.index} of ${event.of}${event.decides ? ', decides' : ''}`
    case 'phase':
      return `round${where}: ${event.phase}`
    case 'transfer': {
      const far =
        event.state === 'dropped' ? 'dropped' : `${size(event.bytesDone)} of ${size(event.bytesTotal)}`
      return `round${where}: ${event.what} ${event.vector} ${event.way} ${event.peer}, ${far}`
    }
    case 'survivorsFixed': {
      const leftOut = event.leftOut.map(l => `${l.member} (${l.reason})`)
      return `round${where}: ${event.survivors.length} survivors${listed(' without ', leftOut)}`
    }
    case 'roundClosed': {
      const faults = event.faults.map(f => `${f.member} (${f.fault})`)
      return `round${where} closed: model ${event.modelHash.slice(0, 12)}${listed(', accused ', faults)}`
    }
    case 'roundAborted':
      return `round${where} aborted: ${event.reason}${listed(', culprits ', event.culprits)}`
    case 'studyFinished':
      return `study finished after ${event.rounds} rounds: model ${event.modelHash.slice(0, 12)}`
    case 'settled':
      return 'settled'
    case 'waiting':
      return `waiting: ${event.reason}${listed(', for ', event.for)}`
    case 'standing':
      return `${event.member}: ${event.standing}`
    case 'jobFailed':
      return `job failed: ${event.reason}`
    case 'budgetSpent':
      return `privacy budget of one ${event.unit} spent: epsilon ${event.epsilon.toFixed(3)} of ${event.epsilonMax}`
  }
}

function listed(before: string, list: readonly string[]): string {
  return list.length === 0 ? '' : before + list.join(', ')
}

function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`
  return bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
}
