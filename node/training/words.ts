/** A key stream's words one by one, which is how sampling takes them. */
import { type KeyStream, release } from '../../protocol/crypto/keystream.ts'

const CHUNK = 1024

/** The next word of `stream`, 0 .. 2^32 - 1. Nobody else may take from `stream`: words are drawn ahead. */
export function wordsOf(stream: KeyStream): () => number {
  let words: Uint32Array = new Uint32Array(0)
  let at = 0
  return () => {
    if (at === words.length) {
      release(words)
      words = stream.take(CHUNK)
      at = 0
    }
    return words[at++]!
  }
}
