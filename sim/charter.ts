/** A valid charter for simulated hospitals, and their keys: a study on synthetic data whose every clause is the protocol's own. */
import { type Charter, CharterSchema } from '../config/charter.ts'
import { toHex } from '../protocol/bytes.ts'
import { sha256 } from '../protocol/crypto/hash.ts'
import { publicKeyOf } from '../protocol/crypto/sign.ts'
import type { PeerConfig } from '../protocol/peer.ts'
import type { MemberId } from '../protocol/ports.ts'

export interface SimCharterOptions {
  /** Ids, in the charter's order; 3 at least. */
  readonly members: readonly MemberId[]
  /** f; the most that the number of members allows where it is left out. */
  readonly maliciousMax?: number
  /** Size and f of committees; default none. */
  readonly committees?: Charter['committees']
  /** Training rounds; default 5. */
  readonly rounds?: number
  /** Numeric features from -10 to 10, so model inputs; the linear model on them has one weight more. Default 8. */
  readonly features?: number
  readonly training?: Partial<Charter['training']>
  readonly evaluation?: Partial<Charter['evaluation']>
  /** Deadlines, clock skew, `survivorsMin`; `gossipBytesMax`: 32,768 (default) or 0 for shards over streams. */
  readonly secureSum?: Partial<Charter['secureSum']>
  /** Default none. With noise a round is one step. */
  readonly privacy?: Charter['privacy']
  /** Any other change, before the schema is applied. */
  readonly edit?: (charter: Charter) => Charter
}

/** Seed of the identity of the member at `index` of the charter; 32 bytes. No secret: all of a simulation knows it. */
export function seedOf(index: number): Uint8Array {
  return sha256(new TextEncoder().encode(`simulated member ${index}`))
}

/** Throws a ZodError where an option is outside the schema's bounds. */
export function simCharter(o: SimCharterOptions): Charter {
  const n = o.members.length
  const f = o.maliciousMax ?? Math.max(0, Math.floor((n - 1) / 3))
  const features = o.features ?? 8
  const isNoisy = o.privacy?.unit === 'patient'
  const charter: Charter = {
    format: 'medmesh-charter/1',
    version: 1,
    previous: null,
    study: {
      id: 'simulated-study',
      title: 'Simulated study',
      purpose: 'Simulation',
      legalBasis: 'None needed: synthetic data',
      agreement: { title: 'None', sha256: '00'.repeat(32) },
      validFrom: '2020-01-01',
      validUntil: '2120-01-01',
    },
    threshold: n,
    members: o.members.map((id, i) => ({
      id,
      name: id,
      publicKey: toHex(publicKeyOf(seedOf(i))),
      addresses: [`/ip4/127.0.0.1/tcp/${20_000 + i}`],
    })),
    maliciousMax: f,
    ...(o.committees && { committees: o.committees }),
    data: dataOf(features),
    model: linearModel(features),
    training: {
      rounds: o.rounds ?? 5,
      localUpdates: 4,
      batchSize: 16,
      optimizer: 'sgd',
      learningRate: 0.1,
      clipNorm: 2,
      // Together at most 2^20 rows, as the rules of charters have it.
      weightMax: Math.min(1000, Math.floor(2 ** 20 / n)),
      weighting: 'samples',
      ...(isNoisy && ({ localUpdates: 1, weighting: 'equal' } as const)),
      ...o.training,
    },
    evaluation: { bins: 16, rowsMax: 1000, lossMax: 20, ...o.evaluation },
    privacy: o.privacy ?? { unit: 'none' },
    secureSum: {
      modulus: 2_147_483_647,
      survivorsMin: Math.max(o.committees?.maliciousMax ?? f, 1) + 2,
      joinDeadlineMs: 2000,
      inputDeadlineMs: 8000,
      openDeadlineMs: 4000,
      viewTimeoutMs: 500,
      clockSkewMaxMs: 60_000,
      gossipBytesMax: 32_768,
      ...o.secureSum,
    },
    export: { model: 'members' },
  }
  return CharterSchema.parse(o.edit ? o.edit(charter) : charter)
}

/** What each member's peer is configured with, in the charter's order. `samples`: its training rows. */
export function peerConfigs(charter: Charter, samples: (id: MemberId) => number = () => 0): PeerConfig[] {
  const charterHash = sha256(new TextEncoder().encode(JSON.stringify(charter)))
  return charter.members.map((m, i) => ({
    charter,
    charterHash,
    network: charterHash,
    self: m.id,
    seed: seedOf(i),
    samples: samples(m.id),
  }))
}

function dataOf(features: number): Charter['data'] {
  return {
    features: Array.from({ length: features }, (_, i) => ({
      name: `x${i}`,
      type: 'number' as const,
      unit: '1',
      min: -10,
      max: 10,
      description: 'synthetic',
    })),
    label: { name: 'y', positive: '1', negative: '0', description: 'synthetic' },
    split: { name: 'set', train: 'train', test: 'test' },
  }
}

/** One unit on all features. */
function linearModel(features: number): Charter['model'] {
  const config = {
    name: 'dense',
    units: 1,
    activation: 'sigmoid',
    use_bias: true,
    batch_input_shape: [null, features],
    dtype: 'float32',
  }
  return {
    keras: {
      class_name: 'Sequential',
      config: { name: 'linear', layers: [{ class_name: 'Dense', config }] },
    },
    weights: [
      { name: 'dense/kernel', shape: [features, 1], initialiser: 'zeros' },
      { name: 'dense/bias', shape: [1], initialiser: 'zeros' },
    ],
    seed: 1,
  }
}
