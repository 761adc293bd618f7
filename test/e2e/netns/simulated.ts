/** The scenario in the simulator, put into the same form as what the real nodes did. */
import type { Scenario } from '../../../config/scenario.ts'
import type { Event } from '../../../protocol/ports.ts'
import type { SimHost } from '../../../sim/host.ts'
import type { Injected, Observer } from '../../../sim/observer.ts'
import { runScenario } from '../../../sim/run.ts'
import type { World } from '../../../sim/world.ts'
import { type Course, CourseWriter, type Cut, type Mark } from './course.ts'

export interface SimulatedRun {
  readonly course: Course
  /** That a machine was given, of all hospitals and rounds. */
  readonly messages: number
}

/** Throws when the study does not end, or a machine breaks. */
export function playSimulated(scenario: Scenario, seed: number): SimulatedRun {
  const watch = new Watch()
  const result = runScenario(scenario, { seed, checkers: false, observers: [watch] })
  const says = result.violations[0]?.says
  if (!result.finished || says !== undefined) {
    throw new Error(`seed ${seed}: ${says ?? 'the simulated study did not end'}`)
  }
  return { course: watch.course(), messages: watch.messages }
}

class Watch implements Observer {
  messages = 0
  readonly #writer = new CourseWriter()
  #world: World | undefined
  #start = 0
  #from: Mark | undefined
  #to: Mark | undefined

  onWorld(world: World): void {
    this.#world = world
    this.#start = world.now
  }

  onEvent(_: SimHost, event: Event): void {
    this.#writer.note(event, () => this.#mark())
  }

  onDelivered(): void {
    this.messages++
  }

  onInjected({ kind, forMs }: Injected): void {
    if (kind !== 'partition' || forMs === undefined) return
    this.#from = this.#mark()
    this.#world!.at(forMs, () => {
      this.#to = this.#mark()
    })
  }

  course(): Course {
    if (this.#from === undefined || this.#to === undefined) throw new Error('nothing was cut off')
    const cut: Cut = { from: this.#from, to: this.#to }
    return this.#writer.course(cut)
  }

  #mark(): Mark {
    const world = this.#world!
    let bytes = 0
    for (const id of world.hosts.keys()) bytes += world.traffic(id).bytesSent
    return { at: world.now - this.#start, bytes }
  }
}
