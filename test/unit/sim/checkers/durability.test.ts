import { describe, expect, it } from 'vitest'
import { Peer, type PeerConfig } from '../../../../protocol/peer.ts'
import type { Effect, Input, Machine, Millis, Output } from '../../../../protocol/ports.ts'
import { durability } from '../../../../sim/checkers/durability.ts'
import { readMessage } from '../../../../sim/checkers/read.ts'
import { memberName } from '../../../support/consortium.ts'
import { entryOf, said, says as say } from '../../../support/says.ts'
import { type Forge, tape } from '../../../support/watched.ts'

const small = tape({ n: 4 })
const shards = tape({ n: 4, gossipBytesMax: 0 })
const victim = memberName(1)

/** What the victim makes durable is told as if some keys had not been among it. */
function without(key: RegExp): Forge {
  return honest => ({
    onCommit: (host, puts, deletes) =>
      honest.onCommit?.(
        host,
        puts.filter(([k]) => host.id !== victim || !key.test(k)),
        deletes,
      ),
    onRelease: (host, to, bytes) => {
      const disk = new Map([...host.disk].filter(([k]) => host.id !== victim || !key.test(k)))
      honest.onRelease?.(Object.create(host, { disk: { value: disk }, id: { value: host.id } }), to, bytes)
    },
  })
}

const MISSING: readonly [RegExp, typeof small, readonly string[]][] = [
  [
    /^attempt\/seed/,
    small,
    [
      'sends keys before the seed of its attempt is durable',
      'sends offer before the seed of its attempt is durable',
      'sends sealed before the seed of its attempt is durable',
    ],
  ],
  [
    /^consensus/,
    small,
    [
      'sends proposal before it is durable',
      'sends prevote before it is durable',
      'sends precommit before it is durable',
    ],
  ],
  [/^attempt\/input/, small, ['sends input before its input is durable']],
  [/^attempt\/shares/, small, ['sends input before the shares of all members are durable']],
  [
    /^attempt\/masked/,
    shards,
    [
      'sends part before its input is durable',
      // The own slice, which is a piece of it.
      'sends receipt before a slice that it names is durable',
    ],
  ],
  [/^attempt\/held/, small, ['sends receipt before a commitment that it names is durable']],
  [/^attempt\/held/, shards, ['sends receipt before a commitment that it names is durable']],
  [/^attempt\/reveal/, small, ['sends reveal before it is durable']],
]

describe('durability', () => {
  for (const [key, run, says] of MISSING) {
    it(`${key.source} is missed when it should be there (${run === small ? 'gossip' : 'shards'})`, () => {
      const found = run.play(durability, { forge: without(key) }).says
      expect([...found].sort()).toEqual(says.map(s => `${victim} ${s}`).sort())
    })
  }

  it('a reveal needs the entry that fixed the survivors', () => {
    const forge: Forge = honest => ({
      onCommit: (host, puts, deletes) => {
        const told = puts.filter(
          ([k, v]) =>
            host.id !== victim || !k.startsWith('ledger/') || entryOf(v).body.kind !== 'SurvivorsFixed',
        )
        honest.onCommit?.(host, told, deletes)
      },
    })
    expect(small.play(durability, { forge }).says).toContain(
      `${victim} sends reveal before the entry that it follows from is durable`,
    )
  })

  it('a receipt names no slice that is not held', () => {
    const forge: Forge = (honest, c) => ({
      onRelease: (host, to, bytes) => {
        const body = host.id === victim ? said(bytes, victim, 'receipt') : undefined
        const all = body && { ...body, held: [0, 1, 2, 3].map(shard => ({ shard, from: Uint8Array.of(15) })) }
        honest.onRelease?.(host, to, all ? say(c, victim, 'receipt', all) : bytes)
      },
    })
    expect(shards.play(durability, { forge }).says).toEqual([
      `${victim} sends receipt before a slice that it names is durable`,
    ])
  })

  it('an input is not made when the survivors are fixed', () => {
    const forge: Forge = honest => ({
      onCommit: (host, puts, deletes) => {
        honest.onCommit?.(host, puts, deletes)
        const isFixed = puts.some(
          ([k, v]) => k.startsWith('ledger/') && entryOf(v).body.kind === 'SurvivorsFixed',
        )
        const input = host.disk.get('attempt/input')
        if (isFixed && host.id === victim && input) honest.onCommit?.(host, [['attempt/input', input]], [])
      },
    })
    expect(small.play(durability, { forge }).says).toEqual([
      `${victim} makes an input when the survivors are fixed`,
    ])
  })

  it('finds a machine that lets its words go first', () => {
    const { c, play } = tape({
      n: 4,
      machine: id => (id === victim ? config => new Hasty(config) : undefined),
    })
    expect(c.finished()).toBe(true)
    const { says } = play(durability)
    expect(says).toContain(`${victim} sends prevote before it is durable`)
    expect(says).toContain(`${victim} sends reveal before it is durable`)
    expect(says.every(s => s.startsWith(victim))).toBe(true)
  })
})

/** What is to be stored first is stored last. */
class Hasty extends Peer implements Machine {
  constructor(config: PeerConfig) {
    super(config)
  }

  override handle(input: Input, now: Millis): Output {
    const output = super.handle(input, now)
    const effects = output.effects.flatMap((e): Effect[] =>
      e.kind === 'store' && e.release.some(r => r.kind === 'publish' && readMessage(r.bytes))
        ? [...e.release, { ...e, release: [] }]
        : [e],
    )
    return { ...output, effects }
  }
}
