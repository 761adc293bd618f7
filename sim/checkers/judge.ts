/** What all checkers share: findings, each said once, and the count of what was really checked. */
import type { MemberId, Millis } from '../../protocol/ports.ts'
import type { Checker, Violation } from '../observer.ts'
import type { World } from '../world.ts'
import type { CheckContext } from './context.ts'

/** Different sentences that one checker keeps: a run that breaks everything must not fill the memory. */
const VIOLATIONS_MAX = 200

export abstract class Judge implements Checker {
  readonly name: string
  readonly violations: Violation[] = []
  checked = 0
  protected readonly context: CheckContext
  readonly #said = new Set<string>()
  readonly #judged = new WeakSet<Uint8Array>()
  #world: World | undefined
  #startedAt: Millis = 0

  constructor(name: string, context: CheckContext) {
    this.name = name
    this.context = context
  }

  onWorld(world: World): void {
    this.#world = world
    this.#startedAt = world.now
  }

  /** Milliseconds since the run's start. */
  protected get nowMs(): Millis {
    return this.#world ? this.#world.now - this.#startedAt : 0
  }

  protected get world(): World | undefined {
    return this.#world
  }

  /** What is sent to many, or again for who missed it, is judged when it first leaves. */
  protected isNew(bytes: Uint8Array): boolean {
    if (this.#judged.has(bytes)) return false
    this.#judged.add(bytes)
    return true
  }

  protected isHonest(member: MemberId): boolean {
    return !this.context.liars.has(member)
  }

  /** `says`: names, rounds and heights, nothing random. The same sentence counts once. */
  protected fail(says: string): void {
    if (this.#said.has(says) || this.violations.length >= VIOLATIONS_MAX) return
    this.#said.add(says)
    this.violations.push({ checker: this.name, says, at: this.nowMs, event: this.#world?.events ?? 0 })
  }
}
