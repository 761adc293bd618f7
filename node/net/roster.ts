/** Who is who: the charter's members by their identifier and by their libp2p PeerId, which their public key fixes. */
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { MedmeshError } from '../../config/error.ts'
import { fromHex } from '../../protocol/bytes.ts'
import type { MemberId } from '../../protocol/ports.ts'

/** A member as the charter has it. */
export interface NetMember {
  readonly id: MemberId
  /** 64 hex digits: an Ed25519 public key. */
  readonly publicKeyHex: string
  /** Multiaddrs without /p2p. */
  readonly addresses: readonly string[]
}

export interface RosterEntry {
  readonly id: MemberId
  readonly peerId: PeerId
  /** Where it listens, with /p2p, so that a dial fails when somebody else answers there. */
  readonly addresses: readonly Multiaddr[]
}

export class Roster {
  readonly self: RosterEntry
  readonly others: readonly RosterEntry[]
  readonly #byPeer: ReadonlyMap<string, RosterEntry>

  /**
   * Throws MedmeshError NET_ADDRESS for an address that is none, NET_SELF when `self` is not among the members or
   * its key is not `ownPeerId`'s.
   */
  constructor(members: readonly NetMember[], self: MemberId, ownPeerId: PeerId) {
    const entries = members.map(entryOf)
    const own = entries.find(e => e.id === self)
    if (own === undefined || !own.peerId.equals(ownPeerId)) {
      throw new MedmeshError(
        'NET_SELF',
        own === undefined
          ? `the charter has no member ${self}`
          : `the key file does not hold the key that the charter gives for ${self}`,
        'Use the key file of this member, or correct the member in node.yaml.',
      )
    }
    this.self = own
    this.others = entries.filter(e => e !== own)
    this.#byPeer = new Map(entries.map(e => [e.peerId.toString(), e]))
  }

  /** The member with this PeerId, ourselves included; undefined: a stranger. */
  byPeer(peerId: PeerId): RosterEntry | undefined {
    return this.#byPeer.get(peerId.toString())
  }
}

function entryOf(member: NetMember): RosterEntry {
  const peerId = peerIdFromPublicKey(publicKeyFromRaw(fromHex(member.publicKeyHex)))
  const addresses = member.addresses.map(text => {
    try {
      return multiaddr(`${text}/p2p/${peerId.toString()}`)
    } catch {
      throw new MedmeshError(
        'NET_ADDRESS',
        `${JSON.stringify(text)} of member ${member.id} is not a network address`,
        'Write it as a multiaddr, such as /ip4/192.0.2.7/tcp/4001 or /dns4/node.example.org/tcp/4001.',
      )
    }
  })
  return { id: member.id, peerId, addresses }
}
