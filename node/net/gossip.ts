/**
 * Gossipsub for a closed consortium: small signed messages on one topic, signed by libp2p as well, valid only when
 * a member is their author. What is larger than the bound, or needs to arrive, goes over direct streams.
 */
import {
  type GossipSub,
  type GossipsubOpts,
  gossipsub,
  type Message,
  StrictSign,
  TopicValidatorResult,
} from '@libp2p/gossipsub'
import { createTopicScoreParams } from '@libp2p/gossipsub/score'
import type { PeerId } from '@libp2p/interface'
import { toHex } from '../../protocol/bytes.ts'

/** The largest RPC that gossipsub's framing can carry: several messages when a peer asks for missed ones. */
const RPC_BYTES_MAX = 4 << 20
/** Members up to which everyone is everyone's mesh neighbour; beyond, gossipsub's own degrees. */
const MESH_DEGREE_MAX = 6

export type GossipVerdict = 'accept' | 'ignore' | 'reject'

/** For libp2p's `services`. `others`: members besides ourselves. */
export function gossipService(topic: string, others: number) {
  const D = Math.max(1, Math.min(others, MESH_DEGREE_MAX))
  const options: Partial<GossipsubOpts> = {
    globalSignaturePolicy: StrictSign,
    fallbackToFloodsub: false,
    floodPublish: false,
    allowedTopics: [topic],
    fastMsgIdFn: copyId,
    D,
    Dlo: others <= MESH_DEGREE_MAX ? D : 4,
    Dhi: 2 * MESH_DEGREE_MAX,
    Dout: Math.min(2, Math.floor(D / 2)),
    maxInboundDataLength: RPC_BYTES_MAX,
    maxOutboundBufferSize: 4 * RPC_BYTES_MAX,
    maxInboundStreams: 4,
    maxOutboundStreams: 4,
    decodeRpcLimits: {
      maxSubscriptions: 16,
      maxMessages: 5000,
      maxIhaveMessageIDs: 5000,
      maxIwantMessageIDs: 5000,
      maxIdontwantMessageIDs: 5000,
      maxControlMessages: 128,
      maxPeerInfos: 16,
    },
    scoreParams: {
      // Members may share one address (one data centre, one relay); they are known by key.
      IPColocationFactorWeight: 0,
      // A node that was busy for a moment breaks a few promises and is not misbehaving.
      behaviourPenaltyThreshold: 6,
      topics: {
        // Only invalid messages count: at nine within seconds a peer is not listened to until it stops.
        [topic]: createTopicScoreParams({
          topicWeight: 1,
          timeInMeshWeight: 0,
          firstMessageDeliveriesWeight: 0,
          meshMessageDeliveriesWeight: 0,
          meshFailurePenaltyWeight: 0,
          invalidMessageDeliveriesWeight: -1,
          invalidMessageDeliveriesDecay: 0.95,
        }),
      },
    },
  }
  return gossipsub(options)
}

/**
 * What tells that a message has come before, without a look at its signature, which is checked once: most of what
 * arrives are copies. Only a message whose signature held is remembered by it. Empty: unsigned, and so invalid.
 */
export function copyId({ signature }: { readonly signature?: Uint8Array }): string {
  return signature === undefined ? '' : toHex(signature)
}

const RESULT: Record<GossipVerdict, TopicValidatorResult> = {
  accept: TopicValidatorResult.Accept,
  ignore: TopicValidatorResult.Ignore,
  reject: TopicValidatorResult.Reject,
}

/**
 * Puts `judge` between receiving and forwarding: a message that it does not accept goes no further.
 * `author` is who signed it for gossipsub, `relay` who handed it to us.
 */
export function validateTopic(
  pubsub: GossipSub,
  topic: string,
  judge: (relay: PeerId, author: PeerId, data: Uint8Array) => GossipVerdict,
): void {
  pubsub.topicValidators.set(topic, (relay: PeerId, message: Message) =>
    message.type === 'signed'
      ? RESULT[judge(relay, message.from, message.data)]
      : TopicValidatorResult.Reject,
  )
}
