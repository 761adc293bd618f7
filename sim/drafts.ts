/** Drafts in memory: what `write` effects and jobs have made of them so far. */
import type { Stored } from '../protocol/ports.ts'
import type { StoreAccess } from '../protocol/stored.ts'
import { residueBytes, residuesIn } from '../protocol/sum/field.ts'

export class Drafts {
  readonly #drafts = new Map<string, { bytes: Uint8Array; length: number }>()

  get(name: string): Uint8Array | undefined {
    const draft = this.#drafts.get(name)
    return draft?.bytes.subarray(0, draft.length)
  }

  /** From byte `at` on; what is not written yet is zeros. */
  write(name: string, at: number, data: Uint8Array): void {
    const draft = this.#drafts.get(name) ?? { bytes: new Uint8Array(0), length: 0 }
    this.#drafts.set(name, draft)
    const end = at + data.length
    if (end > draft.bytes.length) {
      const larger = new Uint8Array(Math.max(end, 2 * draft.bytes.length))
      larger.set(draft.bytes)
      draft.bytes = larger
    }
    draft.bytes.set(data, at)
    draft.length = Math.max(draft.length, end)
  }

  delete(name: string): void {
    this.#drafts.delete(name)
  }
}

/** What a job has of a store whose records and drafts `read` finds. */
export function accessTo(drafts: Drafts, read: (name: string) => Uint8Array | undefined): StoreAccess {
  return {
    read: ({ record, from, to }: Stored) => {
      const bytes = read(record)
      if (!bytes) throw new Error(`no record ${record}`)
      return residuesIn(bytes, from, to)
    },
    write: (draft, at, words) => drafts.write(draft, 4 * at, residueBytes(words)),
  }
}
