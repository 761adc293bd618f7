/** Lies about what is held. */
import type { Body } from '../../../protocol/wire/messages.ts'
import { about, type Liar, type Lie } from '../liar.ts'

/** Says that it holds everything. */
export const falseReceipts: Lie = about('receipt', (body, l) =>
  body.held.length === 1 && l.config.charter.secureSum.gossipBytesMax > 0
    ? undefined
    : { ...body, held: allHeld(l) },
)

/** Tells each of the others that it holds that one's slices and no other's. */
export const splitReceipts: Lie = (said, l) => {
  if (said.type !== 'receipt') return undefined
  const cohort = l.cohort
  return l.others.map(to => {
    const from = new Uint8Array(Math.ceil(cohort.length / 8))
    const i = cohort.indexOf(to)
    from[i >> 3]! |= 1 << (i & 7)
    const held = (said.body as Body<'receipt'>).held.map(h => ({ shard: h.shard, from }))
    return { to, bytes: l.says('receipt', { ...(said.body as Body<'receipt'>), held }) }
  })
}

/** Holds nothing of these many others, whatever they send: no sum can be made of what it says that it holds. */
export function omits(count: number): Lie {
  return about('receipt', (body, l) => {
    const others = l.cohort.filter(m => m !== l.self).slice(0, count)
    const held = body.held.map(({ shard, from }) => {
      const rest = from.slice()
      for (const m of others) rest[l.cohort.indexOf(m) >> 3]! &= ~(1 << (l.cohort.indexOf(m) & 7))
      return { shard, from: rest }
    })
    return { ...body, held }
  })
}

function allHeld(l: Liar): Body<'receipt'>['held'] {
  const cohort = l.cohort
  const from = new Uint8Array(Math.ceil(cohort.length / 8))
  cohort.forEach((_m, i) => {
    from[i >> 3]! |= 1 << (i & 7)
  })
  return cohort.map((_m, shard) => ({ shard, from }))
}
