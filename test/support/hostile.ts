/** Runs of a consortium with liars in it, and what must hold in each of them whatever they do. */

import type { Behaviour } from '../../config/scenario.ts'
import { toHex } from '../../protocol/bytes.ts'
import type { Entry } from '../../protocol/ledger/entry.ts'
import { stateHash } from '../../protocol/model/state.ts'
import type { PeerConfig } from '../../protocol/peer.ts'
import type { Effect, Machine, MemberId } from '../../protocol/ports.ts'
import { openEnvelope } from '../../protocol/wire/envelope.ts'
import { STREAM_TYPES } from '../../protocol/wire/messages.ts'
import { catalogue } from '../../sim/adversary/catalogue.ts'
import { Coalition } from '../../sim/adversary/coalition.ts'
import { type Lie, liar, type Tactic } from '../../sim/adversary/liar.ts'
import { Random } from '../../sim/random.ts'
import { audited, ledgerOf } from './audit.ts'
import { type Consortium, type ConsortiumOptions, memberName } from './consortium.ts'

export interface Named {
  readonly member: MemberId
  /** Code of an accusation, or the reason of having been left out. */
  readonly as: string
  readonly where: 'closed' | 'aborted' | 'leftOut' | 'absent'
  readonly round: number
  readonly evidence: number
}

export interface HostileRun {
  readonly c: Consortium
  /** All honest hospitals have finished the study. */
  readonly done: boolean
  /** What is wrong in a run, in sentences; empty when all holds. */
  readonly problems: readonly string[]
  /** Who is named in the ledger of an honest hospital. */
  readonly named: readonly Named[]
  readonly entries: readonly Entry[]
  readonly aborted: number
  /** Closed rounds whose sum was checked bit by bit. */
  readonly sums: number
  /** Virtual milliseconds that the study took. */
  readonly ms: number
  /** What left the liars, in its order. */
  readonly said: readonly SaidBy[]
}

export interface SaidBy {
  readonly by: MemberId
  readonly at: number
  /** Undefined: published. */
  readonly to: MemberId | undefined
  readonly bytes: Uint8Array
}

export interface HostileOptions extends Omit<ConsortiumOptions, 'machine'> {
  /** Single lies, by the index of the member that tells them. */
  readonly lies?: ReadonlyMap<number, readonly (Lie | Tactic)[]>
  /** Members that behave as the catalogue has it, and collude. */
  readonly adversaries?: ReadonlyMap<number, Behaviour>
  readonly limitMs?: number
  /** Whether what a liar tells one member reaches the others, as a mesh passes it on; default true. */
  readonly overheard?: boolean
  /** Honest members that are down for a while, or that a liar can keep out: the ledger may say that they were missing. */
  readonly victims?: readonly number[]
  readonly before?: (c: Consortium) => void
}

export function hostileRun(o: HostileOptions): HostileRun {
  const lies = new Map([...(o.lies ?? [])].map(([i, l]) => [memberName(i), l]))
  const behaviours = new Map([...(o.adversaries ?? [])].map(([i, b]) => [memberName(i), b]))
  const liars = new Set([...lies.keys(), ...behaviours.keys()])
  const random = new Random((o.seed ?? 1) + 999)
  const chances = new Map([...behaviours.keys()].map(id => [id, new Random(random.u32())]))
  const said: SaidBy[] = []
  let coalition: Coalition | undefined
  const { c, audit } = audited({
    ...o,
    // What differs from one to another is passed on in the mesh, as what is published is.
    site: id => (liars.has(id) && o.overheard !== false ? { whispers: isGossip } : {}),
    machine: id => {
      const own = lies.get(id)
      if (own) return recorded(liar(...own), said)
      const behaviour = behaviours.get(id)
      const make = behaviour && catalogue[behaviour].machine
      if (!make) return undefined
      return config => {
        coalition ??= new Coalition(
          [...behaviours.keys()].map(m => c.configs.get(m)!),
          o.seed ?? 1,
        )
        return recorded(c => make(c, coalition!, chances.get(id)!), said)(config)
      }
    },
    learner: (id, honest) => {
      const behaviour = behaviours.get(id)
      const own = o.learner?.(id, honest) ?? honest
      return behaviour ? (catalogue[behaviour].learner?.(own, chances.get(id)!) ?? own) : own
    },
  })
  for (const id of liars) audit.liars.add(id)
  const honest = [...c.world.hosts.values()].filter(h => !liars.has(h.id))
  const from = c.world.now
  c.world.startAll()
  o.before?.(c)
  const done = c.world.run(() => c.finished(), o.limitMs ?? 600_000)
  const { sums } = audit.checked
  const up = honest.filter(h => h.up)
  const longest = up.map(h => ledgerOf(h)).reduce((a, b) => (b.length > a.length ? b : a))
  const entries = longest.map(s => s.entry)
  const named = entries.flatMap(namedIn)
  const problems = [...audit.problems, ...accusedHonest(named, liars, o.victims ?? [])]
  const hashes = new Set(up.map(h => h.model && toHex(stateHash(h.model))))
  if (done && hashes.size !== 1) problems.push('models differ')
  const aborted = entries.filter(e => e.body.kind === 'RoundAborted').length
  return { c, done, problems, named, entries, aborted, sums, ms: c.world.now - from, said }
}

function isGossip(bytes: Uint8Array): boolean {
  const raw = openEnvelope(bytes)
  return raw.ok && !(STREAM_TYPES as readonly string[]).includes(raw.value.type)
}

/** The machine, with a note of all that leaves it. */
function recorded(make: (config: PeerConfig) => Machine, said: SaidBy[]): (config: PeerConfig) => Machine {
  return config => {
    const machine = make(config)
    const note = (effects: readonly Effect[], at: number): void => {
      for (const e of effects) {
        if (e.kind === 'store') note(e.release, at)
        else if (e.kind === 'publish') said.push({ by: config.self, at, to: undefined, bytes: e.bytes })
        else if (e.kind === 'send') said.push({ by: config.self, at, to: e.to, bytes: e.bytes })
      }
    }
    return {
      handle: (input, now) => {
        const output = machine.handle(input, now)
        note(output.effects, now)
        return output
      },
    }
  }
}

/** What the ledger says of who was not there. */
const MISSING = ['silent', 'undelivered', 'absent', 'unshared', 'withheld']

function accusedHonest(
  named: readonly Named[],
  liars: ReadonlySet<MemberId>,
  victims: readonly number[],
): string[] {
  const spared = victims.map(memberName)
  return named
    .filter(n => !liars.has(n.member) && !(MISSING.includes(n.as) && spared.includes(n.member)))
    .map(n => `round ${n.round} names the honest ${n.member}: ${n.as}`)
}

function namedIn({ body }: Entry): Named[] {
  switch (body.kind) {
    case 'RoundOpened':
      return body.absent.map(member => ({
        member,
        as: 'absent',
        where: 'absent',
        round: body.round,
        evidence: 0,
      }))
    case 'SurvivorsFixed':
      return body.leftOut.map(l => ({
        member: l.member,
        as: l.reason,
        where: 'leftOut',
        round: body.round,
        evidence: l.evidence.length,
      }))
    case 'RoundClosed':
    case 'RoundAborted': {
      const where = body.kind === 'RoundClosed' ? 'closed' : 'aborted'
      const list = body.kind === 'RoundClosed' ? body.faults : body.culprits
      return list.map(a => ({
        member: a.member,
        as: a.code,
        where,
        round: body.round,
        evidence: a.evidence.length,
      }))
    }
    default:
      return []
  }
}
