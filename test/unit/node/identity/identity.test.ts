import { createPrivateKey, createPublicKey } from 'node:crypto'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { createIdentity, environmentPassphrase, loadIdentity } from '../../../../node/identity/identity.ts'
import { fromHex, toHex } from '../../../../protocol/bytes.ts'

let dir: string
let path: string
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'medmesh-identity-'))
  path = join(dir, 'identity.json')
})
afterEach(() => rmSync(dir, { recursive: true }))

const none = { passphrase: () => undefined }
const swan = { passphrase: () => 'four grey swans' }
const code = (code: string) => expect.objectContaining({ name: 'MedmeshError', code })

test('a new key is read back as the same identity, from a file that only its owner may read', async () => {
  const made = await createIdentity(path, none)
  const read = await loadIdentity(path, none)
  expect({ ...read, privateKey: undefined }).toEqual({ ...made, privateKey: undefined })
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readdirSync(dir)).toEqual(['identity.json'])
})

test('seed, public key and PeerId are those of one Ed25519 key', async () => {
  const { seed, publicKeyHex, peerId } = await createIdentity(path, none)
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed])
  const publicKey = createPublicKey(createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }))
  expect(seed).toHaveLength(32)
  expect(publicKey.export({ format: 'der', type: 'spki' }).subarray(-32).toString('hex')).toBe(publicKeyHex)
  expect(peerIdFromPublicKey(publicKeyFromRaw(fromHex(publicKeyHex))).toString()).toBe(peerId)
})

test('a key is never overwritten', async () => {
  await createIdentity(path, none)
  const before = readFileSync(path)
  await expect(createIdentity(path, none)).rejects.toEqual(code('IDENTITY_EXISTS'))
  expect(readFileSync(path)).toEqual(before)
  expect(readdirSync(dir)).toEqual(['identity.json'])
})

test('two that create at once: one key, one error', async () => {
  const both = await Promise.allSettled([createIdentity(path, none), createIdentity(path, none)])
  const made = both.filter(r => r.status === 'fulfilled')
  expect(made).toHaveLength(1)
  expect((await loadIdentity(path, none)).peerId).toBe(made[0]!.value.peerId)
})

test('a folder that is not there is named', async () => {
  await expect(createIdentity(join(dir, 'no', 'such'), none)).rejects.toEqual(code('IDENTITY_WRITE'))
  await expect(loadIdentity(join(dir, 'absent'), none)).rejects.toEqual(code('IDENTITY_MISSING'))
})

test.each([0o640, 0o604, 0o660, 0o601])('mode %o is refused, with the command that mends it', async mode => {
  await createIdentity(path, none)
  chmodSync(path, mode)
  await expect(loadIdentity(path, none)).rejects.toMatchObject({
    code: 'IDENTITY_MODE',
    fix: expect.stringContaining(`chmod 600 '${path}'`),
  })
})

test('an encrypted key opens with its passphrase only, and the file does not hold the key', async () => {
  const made = await createIdentity(path, swan)
  expect((await loadIdentity(path, swan)).seed).toEqual(made.seed)
  await expect(loadIdentity(path, { passphrase: () => 'four grey swan' })).rejects.toEqual(
    code('IDENTITY_PASSPHRASE'),
  )
  await expect(loadIdentity(path, none)).rejects.toEqual(code('IDENTITY_PASSPHRASE_NEEDED'))
  const file = JSON.parse(readFileSync(path, 'utf8'))
  const stored = Buffer.from(file.key.box, 'base64').toString('hex') + JSON.stringify(file)
  expect(stored).not.toContain(toHex(made.seed))
  expect(stored).not.toContain(Buffer.from(made.seed).toString('base64').slice(0, 40))
})

test('the same key twice encrypted differs in salt, nonce and box', async () => {
  const files = []
  for (const name of ['a', 'b']) {
    await createIdentity(join(dir, name), swan)
    files.push(JSON.parse(readFileSync(join(dir, name), 'utf8')).key)
  }
  expect(files[0].kdf.salt).not.toBe(files[1].kdf.salt)
  expect(files[0].nonce).not.toBe(files[1].nonce)
})

test('every single damaged character is noticed as damage, and no error quotes the file', async () => {
  const { seed } = await createIdentity(path, none)
  const text = readFileSync(path, 'utf8')
  for (let at = 0; at < text.length; at++) {
    const flipped = text[at] === 'A' ? 'B' : 'A'
    const bad = text.slice(0, at) + flipped + text.slice(at + 1)
    if (/^\s$/.test(text[at]!)) continue
    writeFileSync(path, bad)
    const error = await loadIdentity(path, none).catch(e => e)
    expect(error, `character ${at}`).toEqual(code('IDENTITY_DAMAGED'))
    expect(String(error)).not.toContain(Buffer.from(seed).toString('base64').slice(0, 12))
  }
})

test.each(['', '{}', 'null', '[]', '{"format":"medmesh-identity/9"}'])('%j is not a key file', async text => {
  writeFileSync(path, text, { mode: 0o600 })
  await expect(loadIdentity(path, none)).rejects.toEqual(code('IDENTITY_DAMAGED'))
})

test('the environment gives the passphrase itself or the first line of a file', () => {
  const file = join(dir, 'passphrase')
  writeFileSync(file, 'from a file\n')
  expect(environmentPassphrase({})).toBeUndefined()
  expect(environmentPassphrase({ MEDMESH_PASSPHRASE_FILE: file })).toBe('from a file')
  expect(environmentPassphrase({ MEDMESH_PASSPHRASE: 'direct', MEDMESH_PASSPHRASE_FILE: file })).toBe(
    'direct',
  )
  expect(() => environmentPassphrase({ MEDMESH_PASSPHRASE_FILE: join(dir, 'absent') })).toThrow(
    expect.objectContaining({ code: 'IDENTITY_PASSPHRASE_FILE' }),
  )
})
