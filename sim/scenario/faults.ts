/**
 * Plays the faults of a scenario on a world: who is struck, when, and for how long. Each fault has a stream of chance of
 * its own, so that what befalls a world does not depend on what its hospitals say. No fault outlasts `healAtMs`.
 */
import type { FaultSpec, Scenario, When, Who } from '../../config/scenario.ts'
import type { MemberId, Millis } from '../../protocol/ports.ts'
import type { Random } from '../random.ts'
import type { Undo, World } from '../world.ts'
import { type Role, shuffled, stream } from './cast.ts'
import { exponential } from './exponential.ts'
import type { StepCrash } from './step-crash.ts'

const HOUR_MS = 3_600_000

export interface Stage {
  readonly world: World
  readonly cast: readonly Role[]
  readonly steps: StepCrash
  /** Hospitals that a fault has made slow. */
  readonly slow: Set<MemberId>
}

/** Schedules all faults; the world is at its start. */
export function playFaults(stage: Stage, scenario: Scenario, seed: number): void {
  const endMs = scenario.healAtMs ?? scenario.limitMs
  scenario.faults.forEach((fault, i) => {
    new Play(stage, fault, endMs, stream(seed, 'faults', i)).begin()
  })
}

class Play {
  readonly #world: World
  readonly #cast: readonly Role[]
  readonly #steps: StepCrash
  readonly #slow: Set<MemberId>
  readonly #fault: FaultSpec
  readonly #endMs: Millis
  readonly #random: Random
  readonly #start: Millis
  #turns = 0

  constructor({ world, cast, steps, slow }: Stage, fault: FaultSpec, endMs: Millis, random: Random) {
    this.#world = world
    this.#cast = cast
    this.#steps = steps
    this.#slow = slow
    this.#fault = fault
    this.#endMs = endMs
    this.#random = random
    this.#start = world.now
  }

  begin(): void {
    this.#scheduleFrom(firstOf(this.#fault.when, this.#random))
  }

  #scheduleFrom(atMs: Millis | undefined): void {
    if (atMs === undefined || atMs >= this.#endMs) return
    this.#world.at(this.#start + atMs - this.#world.now, () => {
      this.#strike(atMs)
      this.#scheduleFrom(nextOf(this.#fault.when, atMs, this.#random))
    })
  }

  #strike(atMs: Millis): void {
    const meant = this.#victims(this.#fault.who)
    const forMs = Math.min(this.#random.draw(this.#fault.forMs), this.#endMs - atMs)
    const victims = meant.filter(id => this.#canStrike(id))
    if (victims.length === 0) return
    if (this.#fault.kind === 'crash' && this.#fault.moment !== 'now') {
      for (const id of victims) this.#arm(id, this.#fault, forMs)
      return
    }
    this.#tell(victims, forMs)
    this.#world.at(forMs, this.#begin(victims))
  }

  #canStrike(id: MemberId): boolean {
    switch (this.#fault.kind) {
      case 'crash':
      case 'pause':
        return this.#world.host(id).up
      case 'slow':
        // Factors would multiply: a hospital that is fifty times fifty times slower tells nothing.
        return !this.#slow.has(id)
      default:
        return true
    }
  }

  #tell(hospitals: readonly MemberId[], forMs: Millis): void {
    const fault = this.#fault
    this.#world.inject({ kind: fault.kind, hospitals, detail: detailOf(fault, forMs), forMs })
  }

  /** It dies when it does something next, and is started again so long after it was armed. */
  #arm(id: MemberId, { moment }: Crash, forMs: Millis): void {
    if (moment === 'now') return
    const until = this.#world.now + forMs
    const crashed = () => {
      const downMs = Math.max(0, until - this.#world.now)
      this.#tell([id], downMs)
      this.#world.at(downMs, () => this.#restart(id))
    }
    if (this.#steps.arm(id, moment, this.#random, crashed)) {
      this.#world.at(forMs, () => this.#steps.disarm(id))
    }
  }

  #restart(id: MemberId): void {
    if (!this.#world.host(id).up) this.#world.start(id)
  }

  #begin(victims: readonly MemberId[]): Undo {
    const world = this.#world
    const fault = this.#fault
    switch (fault.kind) {
      case 'crash':
        for (const id of victims)
          world.crash(id, fault.disk, fault.what === 'machine' ? 'vanished' : 'killed')
        return () => {
          for (const id of victims) this.#restart(id)
        }
      case 'outage':
        return all(victims.map(id => world.isolate(id)))
      case 'partition':
        return this.#part(victims, fault.direction)
      case 'linkdown':
        return all(
          victims.map(id => {
            const others = this.#others(id)
            return world.cut(id, others[this.#random.below(others.length)]!)
          }),
        )
      case 'clog':
        return all(
          victims.flatMap(id =>
            this.#others(id).flatMap(other => [
              world.clog(id, other, fault.delayMs),
              world.clog(other, id, fault.delayMs),
            ]),
          ),
        )
      case 'pause':
        return all(victims.map(id => world.pause(id)))
      case 'slow':
        return all(
          victims.map(id => {
            this.#slow.add(id)
            const undo = world.slow(id, fault.factor)
            return () => {
              this.#slow.delete(id)
              undo()
            }
          }),
        )
    }
  }

  #others(id: MemberId): MemberId[] {
    return this.#cast.filter(r => r.id !== id).map(r => r.id)
  }

  /** Between `group` and all others. `in`: the group hears nobody. */
  #part(group: readonly MemberId[], direction: 'both' | 'in' | 'out'): Undo {
    const inside = new Set(group)
    const outside = this.#cast.filter(r => !inside.has(r.id))
    return all(
      group.flatMap(a =>
        outside.flatMap(({ id: b }) => [
          ...(direction === 'in' ? [] : [this.#world.block(a, b)]),
          ...(direction === 'out' ? [] : [this.#world.block(b, a)]),
        ]),
      ),
    )
  }

  #victims(who: Who): MemberId[] {
    const ids = this.#cast.map(r => r.id)
    if (Array.isArray(who))
      return this.#cast.filter(r => who.includes(r.id) || who.includes(r.site.name)).map(r => r.id)
    if (who === 'all') return ids
    if (who === 'turn') return [ids[this.#turns++ % ids.length]!]
    if (who === 'any') return [ids[this.#random.below(ids.length)]!]
    const count = 'count' in who ? who.count : Math.max(1, Math.round(who.share * ids.length))
    return shuffled(ids, this.#random).slice(0, count)
  }
}

type Crash = FaultSpec & { readonly kind: 'crash' }

/** For people. */
function detailOf(fault: FaultSpec, forMs: Millis): string {
  const how = () => {
    switch (fault.kind) {
      case 'crash':
        return `, ${fault.what === 'machine' ? 'with its whole machine, ' : ''}open commits ${fault.disk}`
      case 'partition':
        return { both: '', in: ', hearing nobody', out: ', heard by nobody' }[fault.direction]
      case 'slow':
        return `, ${fault.factor} times slower`
      default:
        return ''
    }
  }
  return `for ${Math.round(forMs)} ms${how()}`
}

/** Milliseconds since the start. */
function firstOf(when: When, random: Random): Millis {
  if ('atMs' in when) return when.atMs
  return 'everyMs' in when ? (when.firstMs ?? when.everyMs) : gap(when.perHour, random)
}

function nextOf(when: When, atMs: Millis, random: Random): Millis | undefined {
  if ('atMs' in when) return undefined
  return atMs + ('everyMs' in when ? when.everyMs : gap(when.perHour, random))
}

function gap(perHour: number, random: Random): Millis {
  return (exponential(random) * HOUR_MS) / perHour
}

function all(undos: readonly Undo[]): Undo {
  return () => {
    for (const undo of undos) undo()
  }
}
