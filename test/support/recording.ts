/**
 * A recording of all that leaves the hospitals in a run, beside what must not leave them: and the analysis that says whether any
 * of it did (SPEC S7, S10, S15). The analysis is itself tested: on runs of machines that leak.
 */
import { equalBytes, toHex } from '../../protocol/bytes.ts'
import type { MemberId } from '../../protocol/ports.ts'
import { sliceHash } from '../../protocol/round/attempt.ts'
import { decodeSeed } from '../../protocol/round/join.ts'
import { attemptKeys } from '../../protocol/round/secrets.ts'
import { P, residuesFromBytes } from '../../protocol/sum/field.ts'
import { centre } from '../../protocol/sum/quantise.ts'
import { decode } from '../../protocol/wire/codec.ts'
import { openEnvelope } from '../../protocol/wire/envelope.ts'
import { BODIES } from '../../protocol/wire/messages.ts'
import { type Clear, clearOf, type MaskWork } from '../../sim/checkers/inputs.ts'
import { type Consortium, type ConsortiumOptions, consortium } from './consortium.ts'

export interface Recording {
  readonly c: Consortium
  /** Each message once, in the order of its first sending. */
  readonly wire: { readonly from: MemberId; readonly bytes: Uint8Array }[]
  /** Inputs in the clear, in the order of their masking. */
  readonly inputs: { readonly host: MemberId; readonly work: MaskWork; readonly clear: Clear }[]
  /** Hex of each secret of 32 bytes, with what it is. */
  readonly secrets: Map<string, string>
}

export function record(o: ConsortiumOptions, limitMs = 300_000): Recording {
  const seen = new Set<string>()
  const wire: Recording['wire'] = []
  const inputs: Recording['inputs'] = []
  const secrets: Recording['secrets'] = new Map()
  const c = consortium({
    ...o,
    onStep: ({ host }) => {
      noteSeed(host.id, host.disk.get('attempt/seed'), secrets)
      return false
    },
    onJob: (host, job) => {
      if (job.kind === 'learn') secrets.set(toHex(job.seed), `learning seed of ${host.id}`)
      else if (job.work.kind === 'mask') noteMask(host.id, job.work, inputs, secrets)
    },
    world: {
      ...o.world,
      observers: [
        {
          onRelease: (host, _to, bytes) => {
            const id = toHex(bytes)
            if (!seen.has(id)) wire.push({ from: host.id, bytes })
            seen.add(id)
          },
        },
      ],
    },
  })
  c.world.startAll()
  c.world.run(() => c.finished(), limitMs)
  return { c, wire, inputs, secrets }
}

function noteSeed(host: MemberId, bytes: Uint8Array | undefined, secrets: Recording['secrets']): void {
  const record = decodeSeed(bytes)
  if (!record || secrets.has(toHex(record.seed))) return
  const keys = attemptKeys(record.seed)
  secrets.set(toHex(record.seed), `attempt seed of ${host}`)
  secrets.set(toHex(keys.maskSeed), `mask seed of ${host}`)
  secrets.set(toHex(keys.selfSeed), `self-mask seed of ${host}`)
}

function noteMask(
  host: MemberId,
  work: MaskWork,
  inputs: Recording['inputs'],
  secrets: Recording['secrets'],
): void {
  inputs.push({ host, work, clear: clearOf(work)! })
  secrets.set(toHex(work.roundingKey), `rounding key of ${host}`)
  secrets.set(toHex(work.selfKey), `self-mask key of ${host}`)
  for (const { key } of work.pairs) secrets.set(toHex(key), `pairwise key of ${host}`)
}

/** Sentences on what has leaked; empty for a sound run. */
export function findLeaks(r: Recording): string[] {
  return [...clearUpdates(r), ...secretsOnWire(r), ...maskedInputs(r)]
}

/** Every run of four elements of every input, in every encoding that one may think of, at any place on the wire. */
function clearUpdates(r: Recording): string[] {
  const needles = new Map<string, { readonly text: string; readonly what: string }[]>()
  for (const { host, clear } of r.inputs) {
    const { numbers, residues } = clear
    for (let i = 0; i + 4 <= residues.length; i += 4) {
      for (const [name, needle] of encodings(numbers.subarray(i, i + 4), residues.subarray(i, i + 4))) {
        // Zeros and small counts are everywhere.
        if (new Set(needle).size < 7) continue
        const text = Buffer.from(needle).toString('latin1')
        const what = `input of ${host} in the clear: ${name}`
        needles.set(text.slice(0, 8), [...(needles.get(text.slice(0, 8)) ?? []), { text, what }])
      }
    }
  }
  const out = new Set<string>()
  const wire = Buffer.concat(r.wire.map(w => w.bytes)).toString('latin1')
  for (let at = 0; at < wire.length; at++) {
    for (const { text, what } of needles.get(wire.slice(at, at + 8)) ?? []) {
      if (wire.startsWith(text, at)) out.add(what)
    }
  }
  return [...out]
}

function encodings(values: Float64Array, residues: Uint32Array): [string, Uint8Array][] {
  const make = (bytes: number, write: (view: DataView, at: number, i: number) => void): Uint8Array => {
    const view = new DataView(new ArrayBuffer(bytes * values.length))
    for (let i = 0; i < values.length; i++) write(view, bytes * i, i)
    return new Uint8Array(view.buffer)
  }
  return [true, false].flatMap((little): [string, Uint8Array][] => {
    const end = little ? 'little' : 'big'
    return [
      [`float64 ${end}`, make(8, (v, at, i) => v.setFloat64(at, values[i]!, little))],
      [`float32 ${end}`, make(4, (v, at, i) => v.setFloat32(at, values[i]!, little))],
      [`residues ${end}`, make(4, (v, at, i) => v.setUint32(at, residues[i]!, little))],
      [`signed ${end}`, make(4, (v, at, i) => v.setInt32(at, centre(residues[i]!), little))],
    ]
  })
}

function secretsOnWire(r: Recording): string[] {
  const all = Buffer.concat(r.wire.map(w => w.bytes))
  return [...r.secrets]
    .filter(([hex]) => all.includes(Buffer.from(hex, 'hex')))
    .map(([, what]) => `${what} left`)
}

interface Masked {
  readonly host: MemberId
  readonly words: Uint32Array
  /** The same elements in the clear. */
  readonly clear: Uint32Array
}

/** Masked inputs as they left: uniform each, unrelated to what is in them and to each other. */
function maskedInputs(r: Recording): string[] {
  const out: string[] = []
  const masked = masksOnWire(r)
  if (masked.length === 0) out.push('no masked input was seen')
  for (const m of masked) {
    if (!isUniform(m.words)) out.push(`a masked input of ${m.host} is not uniform`)
    if (isRelated(m.words, m.clear)) out.push(`a masked input of ${m.host} goes with what is in it`)
  }
  for (const [i, a] of masked.entries()) {
    for (const b of masked.slice(i + 1)) {
      const length = Math.min(a.words.length, b.words.length)
      const difference = Uint32Array.from({ length }, (_, k) => (a.words[k]! + P - b.words[k]!) % P)
      const what = `${a.host} and ${b.host}`
      if (!isUniform(difference)) out.push(`the difference of masked inputs of ${what} is not uniform`)
      const clear = Uint32Array.from({ length }, (_, k) => (a.clear[k]! + P - b.clear[k]!) % P)
      if (difference.filter((x, k) => x === clear[k]).length > 2) out.push(`one mask twice: ${what}`)
    }
  }
  return out
}

/** Whole inputs from gossip, or what left of them in shards; the k-th of a hospital belongs to its k-th mask job. */
function masksOnWire(r: Recording): Masked[] {
  const parts = new Map<string, { host: MemberId; hashes: Uint8Array; shards: Map<number, Uint8Array> }>()
  for (const { from, bytes } of r.wire) {
    const raw = openEnvelope(bytes)
    if (!raw.ok || raw.value.from !== from) continue
    const input = raw.value.type === 'input' ? decode(raw.value.body, BODIES.input) : undefined
    if (input?.ok) {
      const { round, attempt, hashes, data } = input.value
      const of = { host: from, hashes, shards: new Map<number, Uint8Array>() }
      if (data.length > 0) of.shards.set(0, data)
      parts.set(`${from} ${round} ${attempt}`, of)
    }
    const part = raw.value.type === 'part' ? decode(raw.value.body, BODIES.part) : undefined
    if (!part?.ok) continue
    const { round, attempt, hash, data } = part.value
    const of = parts.get(`${from} ${round} ${attempt}`)
    for (let k = 0; of && 32 * k < of.hashes.length; k++) {
      if (equalBytes(sliceHash(of.hashes, k), hash)) of.shards.set(k, data)
    }
  }
  const count = new Map<MemberId, number>()
  return [...parts.values()].flatMap(({ host, shards }) => {
    const k = count.get(host) ?? 0
    count.set(host, k + 1)
    const input = r.inputs.filter(i => i.host === host)[k]
    return input ? [together(host, input.clear.residues, input.work.shards, shards)] : []
  })
}

function together(
  host: MemberId,
  clear: Uint32Array,
  count: number,
  shards: ReadonlyMap<number, Uint8Array>,
): Masked {
  const words: number[] = []
  const inTheClear: number[] = []
  let at = 0
  for (let k = 0; k < count; k++) {
    const size = Math.floor(clear.length / count) + (k < clear.length % count ? 1 : 0)
    const data = shards.get(k)
    const part = data && residuesFromBytes(data)
    if (part) {
      words.push(...part)
      inTheClear.push(...clear.subarray(at, at + size))
    }
    at += size
  }
  return { host, words: Uint32Array.from(words), clear: Uint32Array.from(inTheClear) }
}

/** Chi-square of the high and of the low bits in 32 classes: beyond 95 with probability 2e-8 for 31 degrees of freedom. */
function isUniform(words: Uint32Array): boolean {
  return [(x: number) => x >>> 26, (x: number) => x & 31, (x: number) => (x >>> 13) & 31].every(
    classOf => chiSquare(words, classOf, 32) < 95,
  )
}

function chiSquare(words: Uint32Array, classOf: (x: number) => number, classes: number): number {
  const counts = new Float64Array(classes)
  for (const x of words) counts[classOf(x)]!++
  const expected = words.length / classes
  return counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0)
}

/** Pearson's correlation beyond six deviations of what chance gives. */
function isRelated(words: Uint32Array, clear: Uint32Array): boolean {
  const x = Float64Array.from(words, centre)
  const y = Float64Array.from(clear, centre)
  const mean = (v: Float64Array) => v.reduce((a, b) => a + b, 0) / v.length
  const [mx, my] = [mean(x), mean(y)]
  let xy = 0
  let xx = 0
  let yy = 0
  x.forEach((_, i) => {
    xy += (x[i]! - mx) * (y[i]! - my)
    xx += (x[i]! - mx) ** 2
    yy += (y[i]! - my) ** 2
  })
  return Math.abs(xy) / Math.sqrt(xx * yy || 1) > 6 / Math.sqrt(x.length)
}
