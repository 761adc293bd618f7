/** The example study with made-up keys: what the tests of config/ start from. */
import { readFileSync } from 'node:fs'
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToHex } from '@noble/hashes/utils.js'
import type { Charter, CharterDraft } from '../../../config/charter.ts'
import { MedmeshError } from '../../../config/error.ts'
import { completeDraft, parseDraft } from '../../../config/parse.ts'
import { type SignedCharter, signCharter, unsignedCharter } from '../../../config/signed.ts'

const FOLDER = new URL('../../../config/studies/heart-disease/', import.meta.url)

export const IDS = ['cleveland', 'hungarian', 'switzerland', 'va'] as const
export const NOW = Date.UTC(2026, 10, 24)

export function readStudy(name: string): string {
  return readFileSync(new URL(name, FOLDER), 'utf8')
}

export function draft(change: (yaml: string) => string = yaml => yaml, file = 'charter.yaml'): CharterDraft {
  const yaml = readStudy(file)
  const changed = change(yaml)
  if (changed === yaml && change.length > 0 && change !== same) throw new Error('the change changed nothing')
  return parseDraft(changed, readStudy)
}

export const same = (yaml: string) => yaml

/** 32 bytes, another for each number. */
export function seed(k: number): Uint8Array {
  return new Uint8Array(32).fill(k + 1)
}

export function keyOf(k: number): string {
  return bytesToHex(ed25519.getPublicKey(seed(k)))
}

/** Member k holds the key of seed(k). */
export function exampleCharter(): Charter {
  const details = IDS.map((id, k) => ({
    id,
    publicKey: keyOf(k),
    addresses: [`/ip4/192.0.2.${k + 1}/tcp/4001`],
  }))
  return completeDraft(draft(same), details)
}

export function signedBy(charter: Charter, seeds: readonly number[], previous?: Charter): SignedCharter {
  return seeds.reduce((s, k) => signCharter(s, seed(k), previous), unsignedCharter(charter))
}

/** The MedmeshError that `work` throws; fails when it throws nothing or anything else. */
export function errorOf(work: () => unknown): MedmeshError {
  try {
    work()
  } catch (error) {
    if (error instanceof MedmeshError) return error
    throw error
  }
  throw new Error('nothing was thrown')
}

export function codeOf(work: () => unknown): string {
  return errorOf(work).code
}

/** A deep copy in which `change` may write anything. */
// biome-ignore lint/suspicious/noExplicitAny: tests write what types forbid
export function changed<T>(value: T, change: (copy: any) => void): any {
  const copy = structuredClone(value)
  change(copy)
  return copy
}
