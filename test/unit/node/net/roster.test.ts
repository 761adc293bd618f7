import { generateKeyPair } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { Roster } from '../../../../node/net/roster.ts'
import { toHex } from '../../../../protocol/bytes.ts'

const keys = await Promise.all([1, 2, 3].map(() => generateKeyPair('Ed25519')))
const ids = ['basel', 'lyon', 'turin']
const members = keys.map((key, i) => ({
  id: ids[i]!,
  publicKeyHex: toHex(key.publicKey.raw),
  addresses: ['/dns4/node.example.org/tcp/4001'],
}))
const peer = (i: number) => peerIdFromPrivateKey(keys[i]!)

test('members are found by PeerId, ourselves included, and a stranger is not', async () => {
  const roster = new Roster(members, 'lyon', peer(1))
  expect(roster.self.id).toBe('lyon')
  expect(roster.others.map(o => o.id)).toEqual(['basel', 'turin'])
  expect(roster.byPeer(peer(2))?.id).toBe('turin')
  expect(roster.byPeer(peerIdFromPrivateKey(await generateKeyPair('Ed25519')))).toBeUndefined()
})

test('an address carries the PeerId, so that nobody else may answer there', () => {
  const [first] = new Roster(members, 'lyon', peer(1)).others
  expect(first?.addresses[0]?.toString()).toBe(`/dns4/node.example.org/tcp/4001/p2p/${peer(0)}`)
})

test('a wrong key file, an unknown member and a bad address are told apart', () => {
  const code = (code: string) => expect.objectContaining({ name: 'MedmeshError', code })
  expect(() => new Roster(members, 'lyon', peer(0))).toThrow(code('NET_SELF'))
  expect(() => new Roster(members, 'nobody', peer(0))).toThrow(code('NET_SELF'))
  const bad = [{ ...members[0]!, addresses: ['192.0.2.7:4001'] }, ...members.slice(1)]
  expect(() => new Roster(bad, 'lyon', peer(1))).toThrow(code('NET_ADDRESS'))
})
