/** Another end of the chain of noise levels' seeds than is true, and all that must fit it for this to be seen as late as can be. */
import { equalBytes } from '../../../protocol/bytes.ts'
import type { MemberId } from '../../../protocol/ports.ts'
import { hashOfOffers } from '../../../protocol/round/secrets.ts'
import { decode } from '../../../protocol/wire/codec.ts'
import { openEnvelope } from '../../../protocol/wire/envelope.ts'
import { BODIES, type Body } from '../../../protocol/wire/messages.ts'
import { flipped, type Liar, type Lie, type Tactic } from '../liar.ts'

/** Nothing where no noise may come off. */
export function otherAnchor(): Required<Pick<Tactic, 'hears' | 'lie'>> {
  const offers = new Map<MemberId, Body<'offer'>>()
  const take = (from: MemberId, offer: Body<'offer'>) => {
    const [other] = offers.values()
    if (other && !equalBytes(other.opened, offer.opened)) offers.clear()
    offers.set(from, offer)
  }
  const lie: Lie = (said, l) => {
    if (said.type === 'offer') {
      const offer = said.body as Body<'offer'>
      if (!offer.anchor) return undefined
      const told = { ...offer, anchor: flipped(offer.anchor) }
      take(l.self, told)
      return [{ bytes: l.says('offer', told) }]
    }
    const hash = told(l, offers)
    // With the true hash its input would count as made of offers that nobody else has.
    if (said.type === 'input' && hash)
      return [{ bytes: l.says('input', { ...(said.body as Body<'input'>), offers: hash }) }]
    if (said.type === 'reveal' && hash)
      return [{ bytes: l.says('reveal', { ...(said.body as Body<'reveal'>), offers: hash }) }]
    return undefined
  }
  return {
    hears: (input, l) => {
      const raw = input.kind === 'message' ? openEnvelope(input.bytes) : undefined
      if (!raw?.ok || raw.value.type !== 'offer' || raw.value.from === l.self) return input
      const body = decode(raw.value.body, BODIES.offer)
      if (body.ok) take(raw.value.from, body.value)
      return input
    },
    lie,
  }
}

/** The hash of the offers as the others have them; undefined while one is not known here. */
function told(l: Liar, offers: ReadonlyMap<MemberId, Body<'offer'>>): Uint8Array | undefined {
  const all = l.cohort.map(m => offers.get(m))
  return all.length > 0 && offers.has(l.self) && all.every(o => o !== undefined)
    ? hashOfOffers(all)
    : undefined
}
