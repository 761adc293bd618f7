/** Lies in the opening: revealed shares and tags. */
import { about, flipped, type Lie, silentAbout, twoFaced } from '../liar.ts'

/** One of the revealed shares is another. */
export const wrongReveal: Lie = about('reveal', body => ({ ...body, shares: flipped(body.shares, 35) }))
export const twoReveals: Lie = twoFaced('reveal', body => ({ ...body, shares: flipped(body.shares, 35) }))
export const noReveal: Lie = silentAbout('reveal')
export const wrongTags: Lie = about('tags', body => ({ ...body, tags: flipped(body.tags, 0) }))
export const twoTags: Lie = twoFaced('tags', body => ({ ...body, tags: flipped(body.tags, 0) }))
export const noTags: Lie = silentAbout('tags')
