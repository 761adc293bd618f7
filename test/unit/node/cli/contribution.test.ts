/** What people and programs are told of who gives, from a ledger alone; and how a suspended member's appeal is signed. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateKeyPairFromSeed, privateKeyToProtobuf } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { beforeAll, describe, expect, it } from 'vitest'
import { charterHash } from '../../../../config/canonical.ts'
import { signCharter, unsignedCharter } from '../../../../config/signed.ts'
import { appealsIn } from '../../../../node/appeals.ts'
import { contributionOf } from '../../../../node/contribution.ts'
import { writeIdentityFile } from '../../../../node/identity/file.ts'
import { contributionSection } from '../../../../node/report/contribution.ts'
import { openStore } from '../../../../node/store/store.ts'
import { toHex } from '../../../../protocol/bytes.ts'
import { publicKeyOf } from '../../../../protocol/crypto/sign.ts'
import { restores } from '../../../../protocol/ledger/state.ts'
import { seedOf } from '../../../../sim/charter.ts'
import { ledgerOf } from '../../../support/audit.ts'
import type { Consortium } from '../../../support/consortium.ts'
import { memberName } from '../../../support/consortium.ts'
import { rider, riding } from '../../../support/riders.ts'
import { medmesh, temporary } from './harness.ts'

let c: Consortium
const first = memberName(0)

beforeAll(() => {
  // Under the hash that a signed charter has, as a node's is.
  const study = riding(24, 1, 24, own => {
    const hash = charterHash(own.charter)
    return { ...own, charterHash: hash, network: hash }
  })
  c = study.c
  c.world.startAll()
  const isOut = () =>
    c.events.some(e => e.host === first && e.event.kind === 'standing' && e.event.standing === 'suspended')
  if (!c.world.run(isOut, 600_000)) throw new Error('nobody was suspended')
}, 300_000)

/** The directory of a hospital of that study, as its node would have left it. */
async function directory(index: number): Promise<string> {
  const dir = temporary()
  const id = memberName(index)
  const key = await generateKeyPairFromSeed('Ed25519', seedOf(index))
  writeIdentityFile(join(dir, 'identity.key'), {
    format: 'medmesh-identity/1',
    publicKey: toHex(publicKeyOf(seedOf(index))),
    peerId: peerIdFromPrivateKey(key).toString(),
    key: { kind: 'plain', privateKey: Buffer.from(privateKeyToProtobuf(key)).toString('base64') },
  })
  writeFileSync(join(dir, 'node.yaml'), `member: ${id}\nlisten: /ip4/127.0.0.1/tcp/4001\ndata: none.csv\n`)
  const signed = c.charter.members.reduce(
    (charter, _, i) => signCharter(charter, seedOf(i)),
    unsignedCharter(c.charter),
  )
  writeFileSync(join(dir, 'charter.json'), JSON.stringify(signed))
  const store = openStore(join(dir, 'medmesh.db'))
  store.commit(
    [...c.world.host(id).disk].filter(([name]) => name.startsWith('ledger/')),
    [],
  )
  store.close()
  return dir
}

describe('medmesh contribution', () => {
  it('says who gives nothing, what follows from it, and what to do', async () => {
    const { code, out } = await medmesh(['contribution', await directory(0)])
    expect(code).toBe(0)
    const lines = out.split('\n')
    const of = (member: string) => lines.find(l => l.trimStart().startsWith(member))!
    expect(of(rider)).toMatch(/suspended +gives nothing/)
    expect(of(`${first} (you)`)).toMatch(/good +(gives|cannot tell yet) .*100 /)
    expect(out).toMatch(new RegExp(`${rider}: its updates have nothing of its own: ask it`))
    expect(out.match(/: its updates/g)).toHaveLength(1)
  })

  it('has for programs all members, with a curve of each audit', async () => {
    const { out } = await medmesh(['contribution', await directory(1), '--json'])
    const report = JSON.parse(out)
    expect(report).toMatchObject({ member: memberName(1), study: 'simulated-study' })
    expect(report.members).toHaveLength(12)
    for (const member of report.members) {
      expect(member.curve).toHaveLength(report.audits)
      expect(member.curve[0]).toMatchObject({ says: 'cannot tell yet' })
      expect(member.receipt).toMatchObject({ audits: report.audits, samples: 100, samplesChanged: 0 })
      expect(member.standing).toBe(member.member === rider ? 'suspended' : 'good')
    }
    const { own } = report.members.find((m: { member: string }) => m.member === rider)
    expect(own.high).toBeLessThan(0.2)
  })
})

describe('medmesh status', () => {
  it('names who is suspended, and needs a quorum of the others', async () => {
    const dir = await directory(0)
    expect((await medmesh(['status', dir])).out).toMatch(new RegExp(`suspended +${rider}: their nodes`))
    const status = JSON.parse((await medmesh(['status', dir, '--json'])).out)
    expect(status).toMatchObject({ suspended: [rider], onProbation: [], quorum: { needed: 7 } })
  })
})

describe('medmesh appeal', () => {
  it('is signed by one after the other, and what a node reads of it restores the member', async () => {
    const file = join(temporary(), 'appeal.json')
    const said: string[] = []
    for (const i of [0, 1, 2, 3, 4, 6, 7]) {
      const { code, out, err } = await medmesh(['appeal', await directory(i), rider, '--file', file])
      expect(err).toBe('')
      expect(code).toBe(0)
      said.push(out)
    }
    expect(said.at(-1)).toBe(`${file}: 7 signatures\n`)
    const dir = temporary()
    mkdirSync(join(dir, 'appeals'))
    writeFileSync(join(dir, 'appeals', 'rider.json'), readFileSync(file))
    writeFileSync(join(dir, 'appeals', 'other.json'), '{')
    const { inputs, wrong } = appealsIn(dir)
    expect(wrong).toEqual(['other.json'])
    const [appeal] = inputs
    if (appeal?.kind !== 'appeal') throw new Error('no appeal')
    const body = {
      kind: 'MemberRestored' as const,
      member: appeal.member,
      signatures: [...appeal.signatures],
    }
    const { state } = c.world.host(first).peer!
    // The next round may be open by now: what counts are the signatures.
    const between = {
      ...state,
      phase: { kind: 'between' as const, round: 1, attempt: 0, task: 'train' as const },
    }
    expect(restores(between, body)).toBe(true)
    expect(restores(between, { ...body, signatures: body.signatures.slice(1) })).toBe(false)
  })

  it('is for who is suspended, and names what is wrong', async () => {
    const file = join(temporary(), 'appeal.json')
    const dir = await directory(2)
    const none = await medmesh(['appeal', dir, memberName(3), '--file', file])
    expect(none.err).toMatch(/APPEAL_NOT_SUSPENDED/)
    writeFileSync(
      file,
      JSON.stringify({ format: 'medmesh-appeal/1', member: rider, entry: 'x', signatures: [] }),
    )
    expect((await medmesh(['appeal', dir, rider, '--file', file])).err).toMatch(/APPEAL_INVALID.*entry/s)
    writeFileSync(
      file,
      JSON.stringify({ format: 'medmesh-appeal/1', member: rider, entry: '00'.repeat(32), signatures: [] }),
    )
    expect((await medmesh(['appeal', dir, rider, '--file', file])).err).toMatch(/APPEAL_OTHER/)
  })
})

describe('the page of the report', () => {
  it('shows a curve of each member, what is said of it, and what to ask', () => {
    const { state } = c.world.host(first).peer!
    const entries = ledgerOf(c.world.host(first)).map(s => s.entry.body)
    const page = contributionSection(contributionOf(first, c.charter, state, entries)).text
    expect(page.match(/<svg /g)).toHaveLength(12)
    expect(page).toMatch(new RegExp(`${rider}</t[hd]><td[^>]*>suspended</td><td[^>]*>gives nothing</td>`))
    expect(page.match(/: its updates have nothing of its own/g)).toHaveLength(1)
    // Each curve names its figure for who cannot see it.
    expect(page).toMatch(new RegExp(`<title>${rider}: -?0\\.\\d\\d, from -?0\\.\\d\\d to 0\\.\\d\\d</title>`))
    expect(page).not.toMatch(/NaN|undefined/)
  })
})
