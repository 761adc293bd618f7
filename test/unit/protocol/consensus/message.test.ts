/** Consensus messages: exactly their fields, within bounds, and no claim that cannot be. */
import { expect, test } from 'vitest'
import { ascii } from '../../../../protocol/bytes.ts'
import { parseConsensus, proposalBody, voteBody } from '../../../../protocol/consensus/message.ts'
import { sha256 } from '../../../../protocol/crypto/hash.ts'
import { encode } from '../../../../protocol/wire/codec.ts'
import { openEnvelope, plainEnvelope } from '../../../../protocol/wire/envelope.ts'
import { ENTRY_BYTES_MAX, GOSSIP_MESSAGE_BYTES_MAX } from '../../../../protocol/wire/limits.ts'
import { seal } from './network.ts'

function code(type: string, body: Uint8Array): string {
  const raw = openEnvelope(plainEnvelope(type, 'peer-1', body))
  const parsed = raw.ok ? parseConsensus(raw.value) : raw
  return parsed.ok ? 'parsed' : parsed.error.code
}

const value = ascii('value')
const id = sha256(value)

test('what is written parses', () => {
  expect(code('proposal', proposalBody(1, 0, -1, value))).toBe('parsed')
  expect(code('proposal', proposalBody(1, 4, 3, value))).toBe('parsed')
  expect(code('prevote', voteBody(1, 0, id))).toBe('parsed')
  expect(code('precommit', voteBody(4_294_967_295, 4_294_967_295, null))).toBe('parsed')
})

test('a proposal cannot point to its own view or a later one', () => {
  expect(code('proposal', proposalBody(1, 4, 4, value))).toBe('malformed')
  expect(code('proposal', proposalBody(1, 4, 5, value))).toBe('malformed')
})

test('other types, fields and sizes are malformed', () => {
  expect(code('keys', voteBody(1, 0, id))).toBe('malformed')
  expect(code('prevote', proposalBody(1, 0, -1, value))).toBe('malformed')
  expect(code('prevote', encode({ height: 1, view: 0, id, more: 1 }))).toBe('malformed')
  expect(code('prevote', voteBody(1, 0, id.subarray(1)))).toBe('malformed')
  expect(code('prevote', voteBody(-1, 0, id))).toBe('malformed')
  expect(code('prevote', voteBody(1, 4_294_967_296, id))).toBe('malformed')
  expect(code('proposal', proposalBody(1, 0, -1, new Uint8Array(ENTRY_BYTES_MAX + 1)))).toBe('malformed')
})

test('the largest proposal fits in a gossip message', () => {
  const body = proposalBody(4_294_967_295, 4_294_967_295, 4_294_967_294, new Uint8Array(ENTRY_BYTES_MAX))
  expect(seal('peer-1', 'proposal', body).length).toBeLessThanOrEqual(GOSSIP_MESSAGE_BYTES_MAX)
})
