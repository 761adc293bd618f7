/**
 * A peer in a gossip mesh: what it accepts it passes on, as the mesh does in a node. The world's network brings what is
 * published to everybody at once; where a liar tells each member something else, only passing on shows it.
 */
import { Peer } from '../protocol/peer.ts'
import type { Input, Millis, Output } from '../protocol/ports.ts'
import { openEnvelope } from '../protocol/wire/envelope.ts'
import { STREAM_TYPES } from '../protocol/wire/messages.ts'

export class MeshPeer extends Peer {
  override handle(input: Input, now: Millis): Output {
    const output = super.handle(input, now)
    if (input.kind !== 'message' || output.verdict !== 'accept') return output
    const raw = openEnvelope(input.bytes)
    if (!raw.ok || (STREAM_TYPES as readonly string[]).includes(raw.value.type)) return output
    // What an author sent to everybody itself is everywhere already.
    if (input.via === 'gossip' && raw.value.from === input.from) return output
    return { ...output, effects: [...output.effects, { kind: 'publish', bytes: input.bytes }] }
  }
}
