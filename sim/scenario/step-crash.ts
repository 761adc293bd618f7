/** Crashes in the middle of what a machine does: just before or after one of its effects, as a scenario has armed them. */
import type { FaultSpec } from '../../config/scenario.ts'
import type { MemberId } from '../../protocol/ports.ts'
import type { SimHost, Step } from '../host.ts'
import type { Observer } from '../observer.ts'
import type { Random } from '../random.ts'

/** The host dies at the latest at so many-th effect. */
const EFFECTS_MAX = 12

interface Armed {
  readonly when: Step['when']
  /** Undefined: any effect. */
  readonly what: string | undefined
  /** Effects of this kind until then. */
  left: number
  crashed(): void
}

export class StepCrash implements Observer {
  readonly #armed = new Map<MemberId, Armed>()

  /** `crashed` is called after the crash. Where it is armed already nothing changes. False: it was. */
  arm(
    id: MemberId,
    moment: Exclude<(FaultSpec & { kind: 'crash' })['moment'], 'now'>,
    random: Random,
    crashed: () => void,
  ): boolean {
    const when = random.chance(0.5) ? 'before' : 'after'
    const isWrite = moment === 'write'
    const left = isWrite ? random.below(2) : random.below(EFFECTS_MAX)
    if (this.#armed.has(id)) return false
    this.#armed.set(id, { when, what: isWrite ? 'commit' : undefined, left, crashed })
    return true
  }

  disarm(id: MemberId): void {
    this.#armed.delete(id)
  }

  /** For the world: true where the host dies here. */
  onStep(step: Step): boolean {
    const armed = this.#armed.get(step.host.id)
    if (!armed || armed.when !== step.when || (armed.what ?? step.what) !== step.what) return false
    return armed.left-- === 0
  }

  onCrash(host: SimHost): void {
    const armed = this.#armed.get(host.id)
    this.#armed.delete(host.id)
    if (armed && armed.left < 0) armed.crashed()
  }
}
