import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { nodeConfigText, parseNodeConfig, readPassphrase } from '../../../node/config.ts'
import { parseEventLine } from '../../../node/event-line.ts'
import { temporary } from './cli/harness.ts'

const MINIMAL = 'member: va\nlisten: /ip4/0.0.0.0/tcp/4001\n'

describe('node.yaml', () => {
  it('has defaults for all but member and listen, with paths in its own directory', () => {
    expect(parseNodeConfig(MINIMAL, '/srv/va')).toEqual({
      dir: '/srv/va',
      member: 'va',
      listen: ['/ip4/0.0.0.0/tcp/4001'],
      backend: 'auto',
      charterFile: '/srv/va/charter.json',
      dataFile: '/srv/va/data.csv',
      identityFile: '/srv/va/identity.key',
      storeFile: '/srv/va/medmesh.db',
      passphraseFile: undefined,
      bandwidthMax: {},
    })
  })

  it('takes absolute paths and a list of addresses as they are', () => {
    const text = 'member: va\nlisten: [/ip4/10.0.0.1/tcp/1, /ip6/::1/tcp/2]\ndata: /data/rows.csv\n'
    expect(parseNodeConfig(text, '/srv/va')).toMatchObject({
      listen: ['/ip4/10.0.0.1/tcp/1', '/ip6/::1/tcp/2'],
      dataFile: '/data/rows.csv',
    })
  })

  it.each([
    ['a field that does not exist', `${MINIMAL}colour: red\n`, /colour/],
    ['an address that is no multiaddr', 'member: va\nlisten: localhost:4001\n', /listen\.0: .*multiaddr/],
    ['an address without TCP', 'member: va\nlisten: /ip4/10.0.0.1/udp/4001\n', /listen/],
    ['no member', 'listen: /ip4/0.0.0.0/tcp/4001\n', /member/],
    ['an unknown backend', `${MINIMAL}backend: abacus\n`, /backend/],
    ['an empty file', '', /file: /],
    ['a bound without an end', `${MINIMAL}bandwidthMax: {uploadMbps: .inf}\n`, /bandwidthMax\.uploadMbps/],
    ['a bound that lets nothing pass', `${MINIMAL}bandwidthMax: {downloadMbps: 0}\n`, /downloadMbps: .*0\.1/],
    ['a bound in words', `${MINIMAL}bandwidthMax: {uploadMbps: 8 Mbps}\n`, /uploadMbps: .*megabits/],
    ['a bound on something else', `${MINIMAL}bandwidthMax: {upload: 8}\n`, /bandwidthMax: .*upload/],
  ])('refuses %s, and names it', (_, text, names) => {
    expect(() => parseNodeConfig(text, '/srv/va')).toThrow(
      expect.objectContaining({ code: 'NODE_CONFIG_INVALID', message: expect.stringMatching(names) }),
    )
  })

  it('takes a bound on either way', () => {
    const bound = (text: string) => parseNodeConfig(`${MINIMAL}bandwidthMax: ${text}\n`, '/x').bandwidthMax
    expect(bound('{uploadMbps: 8}')).toEqual({ uploadMbps: 8 })
    expect(bound('{uploadMbps: 0.5, downloadMbps: 100}')).toEqual({ uploadMbps: 0.5, downloadMbps: 100 })
  })

  it('names line and column of broken YAML', () => {
    expect(() => parseNodeConfig('member: va\nlisten: [a\n', '/srv/va')).toThrow(
      expect.objectContaining({
        code: 'NODE_CONFIG_SYNTAX',
        message: expect.stringMatching(/node\.yaml:\d+:\d+: /),
      }),
    )
  })

  it('reads what init writes, whatever is in the names', () => {
    const given = {
      member: 'va',
      listen: '/ip4/0.0.0.0/tcp/1',
      data: 'a: "b" #c.csv',
      passphraseFile: '/p: q',
    }
    expect(parseNodeConfig(nodeConfigText(given), '/x')).toMatchObject({
      dataFile: '/x/a: "b" #c.csv',
      passphraseFile: '/p: q',
    })
  })
})

describe('the passphrase', () => {
  it('comes from the environment, else from the first line of the file, else there is none', () => {
    const file = join(temporary(), 'pass')
    writeFileSync(file, 'of the file\nmore\n')
    expect(readPassphrase(file, { MEDMESH_PASSPHRASE: 'of the environment' })).toBe('of the environment')
    expect(readPassphrase(file, {})).toBe('of the file')
    expect(readPassphrase(undefined, {})).toBeUndefined()
  })

  it('is an error when its file is missing or empty: no key must stay unencrypted by mistake', () => {
    const file = join(temporary(), 'pass')
    expect(() => readPassphrase(file, {})).toThrow(expect.objectContaining({ code: 'PASSPHRASE_FILE' }))
    writeFileSync(file, '\n')
    expect(() => readPassphrase(file, {})).toThrow(expect.objectContaining({ code: 'PASSPHRASE_FILE' }))
  })
})

describe('event lines', () => {
  it('are told from anything else on stdout', () => {
    const line = { at: 1, member: 'va', bytesSent: 2, event: { kind: 'peers', connected: [] } }
    expect(parseEventLine(JSON.stringify(line))).toEqual(line)
    for (const text of [
      '',
      'hello',
      '{',
      '{}',
      'null',
      '[]',
      '{"at":"1"}',
      JSON.stringify({ ...line, event: null }),
    ]) {
      expect(parseEventLine(text)).toBeUndefined()
    }
  })
})
