/** A peer in a process of its own, to be killed and frozen by the tests: echoes stream messages, says who is connected. */
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { createNet } from '../../node/net/net.ts'
import { fromHex } from '../../protocol/bytes.ts'
import { NETWORK_ID } from './net-helpers.ts'

const { key, self, members } = JSON.parse(process.argv[2]!)
const net = createNet({
  privateKey: privateKeyFromRaw(fromHex(key)) as Ed25519PrivateKey,
  self,
  members,
  listen: members.find((m: { id: string }) => m.id === self).addresses,
  networkId: NETWORK_ID,
})
net.onMessage((from, via, bytes) => {
  if (via === 'stream') net.send(from, bytes)
  return 'accept'
})
await net.start()
