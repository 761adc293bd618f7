/**
 * A consortium under the eyes of all checkers of random runs (`sim/checkers`): what they find, and how much they have checked, so
 * that a test cannot pass by checking nothing.
 */
import { toHex } from '../../protocol/bytes.ts'
import { sha256 } from '../../protocol/crypto/hash.ts'
import { decodeRecord } from '../../protocol/ledger/certificate.ts'
import { decodeEntry, type Entry } from '../../protocol/ledger/entry.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { allCheckers } from '../../sim/checkers/all.ts'
import { Exactness } from '../../sim/checkers/exactness.ts'
import type { SimHost } from '../../sim/host.ts'
import type { Checker, Observer } from '../../sim/observer.ts'
import { tapsOf } from '../../sim/taps.ts'
import { type Consortium, type ConsortiumOptions, consortium } from './consortium.ts'

/** A consortium that is watched; options as for `consortium`. */
export function audited(o: ConsortiumOptions): { c: Consortium; audit: Audit } {
  const audit = new Audit()
  const observers = [audit.taps, ...(o.world?.observers ?? [])]
  const c = consortium({ keepJobs: false, ...o, world: { ...o.world, observers } })
  audit.watch(c)
  return { c, audit }
}

/** Taps of an observer that is there only when the world is: a checker must know the charter beforehand. */
export function deferred(of: () => Observer): Observer {
  return {
    onStart: (...a) => of().onStart?.(...a),
    onCrash: (...a) => of().onCrash?.(...a),
    onInput: (...a) => of().onInput?.(...a),
    onOutput: (...a) => of().onOutput?.(...a),
    onCommit: (...a) => of().onCommit?.(...a),
    onRelease: (...a) => of().onRelease?.(...a),
    onJob: (...a) => of().onJob?.(...a),
    onEvent: (...a) => of().onEvent?.(...a),
    onFault: (...a) => of().onFault?.(...a),
    afterEvent: (...a) => of().afterEvent?.(...a),
  }
}

export interface Checked {
  /** RoundClosed entries whose sum was found to be exact. */
  readonly sums: number
  /** Sums that peers opened themselves and that were compared element by element. */
  readonly opened: number
  /** Audits that were compared with what the groups gave. */
  readonly audits: number
  /** Updates whose residual was found to be what their hospital owed. */
  readonly residuals: number
}

export class Audit {
  /** Hosts whose word counts for nothing: adversaries. To be filled before the world starts. */
  readonly liars = new Set<MemberId>()
  readonly taps: Observer
  #checkers: readonly Checker[] = []
  #exactness: Exactness | undefined
  #all: Observer = {}
  /** SHA-256 of all that was sent, in its order. */
  #wire: Uint8Array = new Uint8Array(32)

  constructor() {
    const taps = deferred(() => this.#all)
    this.taps = {
      ...taps,
      onRelease: (host, to, bytes) => {
        this.#wire = sha256(this.#wire, new TextEncoder().encode(`${host.id} ${to ?? ''} `), bytes)
        taps.onRelease?.(host, to, bytes)
      },
    }
  }

  watch({ charter, configs, world }: Consortium): void {
    const context = { charter, configs, liars: this.liars, f: charter.maliciousMax }
    this.#checkers = allCheckers(context)
    this.#exactness = this.#checkers.find(c => c instanceof Exactness)
    this.#all = tapsOf(this.#checkers)
    this.#all.onWorld?.(world)
  }

  get problems(): string[] {
    return this.#checkers.flatMap(c => c.violations.map(v => v.says))
  }

  /** Numbers of pairwise masks that inputs got. */
  get pairs(): ReadonlySet<number> {
    return this.#exactness!.pairs
  }

  /** Largest quantised value that a hospital gave in a section, as a fraction of what it may give there. */
  get largest(): ReadonlyMap<string, number> {
    return this.#exactness!.largest
  }

  get wireHash(): string {
    return toHex(this.#wire)
  }

  /** How much was checked by now. */
  get checked(): Checked {
    const { sums, opened, residuals, audits } = this.#exactness!
    return { sums, opened, residuals, audits }
  }
}

export interface Stored {
  readonly entry: Entry
  readonly bytes: Uint8Array
}

/** The ledger on a host's disk. */
export function ledgerOf(host: SimHost): Stored[] {
  const keys = [...host.disk.keys()].filter(k => k.startsWith('ledger/')).sort()
  return keys.map(key => {
    const record = decodeRecord(host.disk.get(key)!)
    const entry = record.ok ? decodeEntry(record.value.entry) : record
    if (!record.ok || !entry.ok) throw new Error('a stored entry cannot be read')
    return { entry: entry.value, bytes: record.value.entry }
  })
}
