/** Lies where contributions are audited: keys of pairwise masks, what is declared, and more than may be given. */
import { about, flipped, type Lie, silentAbout, twoFaced } from '../liar.ts'

export const noPairs: Lie = silentAbout('pairs')
/** One of the opened keys is another. */
export const wrongPairs: Lie = about('pairs', body => ({ ...body, keys: flipped(body.keys, 40) }))
export const twoPairs: Lie = twoFaced('pairs', body => ({ ...body, keys: flipped(body.keys, 40) }))
export const fewPairs: Lie = about('pairs', body => ({ ...body, keys: body.keys.subarray(32) }))
/** Commits to other keys than it encapsulates. */
export const wrongPairDigests: Lie = about('offer', body =>
  body.pairDigests ? { ...body, pairDigests: body.pairDigests.map(b => b ^ 1) } : undefined,
)
/** Says nothing of its rows where it should. */
export const declaresNothing: Lie = about('keys', ({ samples: _, ...body }) => body)
