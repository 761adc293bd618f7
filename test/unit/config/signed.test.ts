import { createHash } from 'node:crypto'
import { ed25519 } from '@noble/curves/ed25519.js'
import { bytesToHex, hexToBytes } from '@noble/hashes/utils.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { canonicalBytes, charterHash } from '../../../config/canonical.ts'
import type { Charter } from '../../../config/charter.ts'
import {
  parseSigned,
  readSigned,
  type SignedCharter,
  signCharter,
  unsignedCharter,
  type VerifiedCharter,
  verifyChain,
  verifyCharter,
} from '../../../config/signed.ts'
import { changed, codeOf, errorOf, exampleCharter, keyOf, NOW, seed, signedBy } from './study.ts'

const charter = exampleCharter()
const signed = signedBy(charter, [0, 1, 2, 3])
const verify = (value: unknown, now: number | undefined = NOW) => verifyCharter(value, { now })

describe('signCharter', () => {
  it('signs the canonical form, so that anyone can check it without this program', () => {
    for (const { keyid, sig } of signed.signatures) {
      expect(ed25519.verify(hexToBytes(sig), canonicalBytes(charter), hexToBytes(keyid))).toBe(true)
    }
  })

  it('does not depend on who signs first, and replaces the signature of the same key', () => {
    expect(signedBy(charter, [3, 1, 0, 2, 1])).toEqual(signed)
    const other = {
      ...signed,
      signed: changed(charter, c => {
        c.study.title = 'Changed'
      }),
    }
    const again = signCharter(other, seed(2))
    expect(again.signatures).toHaveLength(4)
    expect(errorOf(() => verify(again)).message).not.toContain('switzerland')
  })

  it('leaves its argument as it was, and refuses the key of no member', () => {
    const empty = unsignedCharter(charter)
    signCharter(empty, seed(0))
    expect(empty.signatures).toEqual([])
    expect(codeOf(() => signCharter(empty, seed(9)))).toBe('CHARTER_SIGNER')
  })
})

describe('verifyCharter', () => {
  it('accepts all and just enough signatures, and names the signers', () => {
    expect(verify(signed)).toEqual({
      charter,
      hash: charterHash(charter),
      signers: ['cleveland', 'hungarian', 'switzerland', 'va'],
    })
    expect(verify(signedBy(charter, [3, 0, 1])).signers).toEqual(['cleveland', 'hungarian', 'va'])
  })

  it('accepts the text of its own file, however it is laid out', () => {
    expect(verify(readSigned(JSON.stringify(signed, null, 4))).signers).toHaveLength(4)
    const backwards = Object.fromEntries(Object.entries(charter).reverse())
    expect(verify({ signatures: signed.signatures, signed: backwards }).hash).toEqual(charterHash(charter))
  })

  it.each([null, 7, 'text', {}, { signed: charter }, { signatures: [] }])(
    'refuses what is not signed',
    value => {
      expect(codeOf(() => verify(value))).toBe('CHARTER_UNSIGNED')
    },
  )

  it.each([
    ['a field beside', { ...signed, more: 1 }, 'more is not a field'],
    ['no list of signatures', { ...signed, signatures: {} }, 'signatures must be a list'],
    ['an upper-case key', upper('keyid'), 'signatures[0].keyid must be 64 lower-case'],
    ['an upper-case signature', upper('sig'), 'signatures[0].sig must be 128 lower-case'],
    ['no charter', { ...signed, signed: { format: 'medmesh-charter/1' } }, 'version is missing'],
    [
      'a field that the schema does not know',
      { ...signed, signed: { ...charter, extra: 1 } },
      'extra is not a field',
    ],
  ])('refuses %s as not the schema', (_what, value, message) => {
    const error = errorOf(() => verify(value))
    expect([error.code, error.message]).toEqual(['CHARTER_SCHEMA', expect.stringContaining(message)])
  })

  it('refuses a name that the schema would drop without a word', () => {
    const text = JSON.stringify(signed).replace('"keras":{', '"keras":{"__proto__":{"class_name":"Lambda"},')
    expect(codeOf(() => verify(readSigned(text)))).toBe('CHARTER_SCHEMA')
  })

  it('refuses a file that names a field twice', () => {
    const text = JSON.stringify(signed).replace('"threshold":3', '"threshold":4,"threshold":3')
    expect(codeOf(() => readSigned(text))).toBe('CHARTER_JSON')
  })

  it('checks the rules too: signatures do not make a bad charter good', () => {
    const bad = changed(charter, c => {
      c.threshold = 1
    })
    expect(codeOf(() => verify(signedBy(bad, [0, 1, 2, 3])))).toBe('CHARTER_THRESHOLD')
  })

  it('says whose signature does not hold', () => {
    const broken = changed(signed, s => {
      const entry = s.signatures.find((x: { keyid: string }) => x.keyid === keyOf(2))
      entry.sig = signed.signatures.find(x => x.keyid === keyOf(1))!.sig
    })
    const error = errorOf(() => verify(broken))
    expect(error.code).toBe('CHARTER_SIGNATURE_INVALID')
    expect(error.message).toContain('switzerland')
    expect(error.message).not.toMatch(/cleveland|hungarian|va /)
  })

  it('refuses one broken signature also where enough others hold', () => {
    const extra = changed(signed, s => {
      s.signatures[3].sig = '00'.repeat(64)
    })
    expect(codeOf(() => verify(extra))).toBe('CHARTER_SIGNATURE_INVALID')
  })

  it('says who has not signed', () => {
    const error = errorOf(() => verify(signedBy(charter, [1, 3])))
    expect(error.code).toBe('CHARTER_SIGNATURES_MISSING')
    expect(error.message).toMatch(/^2 of the 3 .* cleveland, switzerland$/)
    expect(codeOf(() => verify(unsignedCharter(charter)))).toBe('CHARTER_SIGNATURES_MISSING')
  })

  it('refuses a stranger, whose signature holds, beside enough members', () => {
    const sig = bytesToHex(ed25519.sign(canonicalBytes(charter), seed(9)))
    const value = { ...signed, signatures: [...signed.signatures, { keyid: keyOf(9), sig }] }
    const error = errorOf(() => verify(value))
    expect([error.code, error.message]).toEqual([
      'CHARTER_SIGNATURE_STRANGER',
      expect.stringContaining(keyOf(9)),
    ])
  })

  it('refuses two signatures of one key, and never counts them twice', () => {
    const two = signedBy(charter, [0, 1])
    const value = { ...two, signatures: [...two.signatures, two.signatures[0]] }
    expect(codeOf(() => verify(value))).toBe('CHARTER_SIGNATURE_TWICE')
  })

  it('refuses a signature that only lax checks accept (S not reduced)', () => {
    const order = 2n ** 252n + 27742317777372353535851937790883648493n
    const malleated = changed(signed, s => {
      const bytes = hexToBytes(s.signatures[0].sig)
      const raised = BigInt(`0x${bytesToHex(bytes.slice(32).reverse())}`) + order
      bytes.set(hexToBytes(raised.toString(16).padStart(64, '0')).reverse(), 32)
      s.signatures[0].sig = bytesToHex(bytes)
    })
    expect(codeOf(() => verify(malleated))).toBe('CHARTER_SIGNATURE_INVALID')
  })

  it('refuses a signature that ZIP 215 accepts and RFC 8032 does not (R not in its one encoding)', () => {
    // R is the neutral element, written as y = p + 1 instead of 1; so S = k a.
    const R = hexToBytes(`ee${'ff'.repeat(30)}7f`)
    const { scalar, pointBytes } = ed25519.utils.getExtendedPublicKey(seed(0))
    const message = canonicalBytes(charter)
    const digest = createHash('sha512').update(R).update(pointBytes).update(message).digest()
    const k = ed25519.Point.Fn.create(BigInt(`0x${bytesToHex(digest.reverse())}`))
    const S = ed25519.Point.Fn.toBytes(ed25519.Point.Fn.mul(k, scalar))
    const sig = new Uint8Array([...R, ...S])
    expect(ed25519.verify(sig, message, pointBytes, { zip215: true })).toBe(true)
    const value = changed(signed, s => {
      s.signatures.find((x: { keyid: string }) => x.keyid === keyOf(0)).sig = bytesToHex(sig)
    })
    expect(codeOf(() => verify(value))).toBe('CHARTER_SIGNATURE_INVALID')
  })

  it('is in force from the first moment of the first day to the last of the last, UTC', () => {
    const from = Date.UTC(2026, 0, 1)
    const until = Date.UTC(2037, 0, 1)
    expect(verify(signed, from).signers).toHaveLength(4)
    expect(verify(signed, until - 1).signers).toHaveLength(4)
    expect(codeOf(() => verify(signed, from - 1))).toBe('CHARTER_NOT_YET_VALID')
    expect(codeOf(() => verify(signed, until))).toBe('CHARTER_EXPIRED')
    expect(verifyCharter(signed, { now: undefined }).signers).toHaveLength(4)
  })
})

describe('one byte changed', () => {
  const form = canonicalBytes(charter)
  /** Reads the bytes as a node reads a file, and verifies; true: accepted. */
  const accepted = (bytes: Uint8Array, signatures: SignedCharter['signatures']): boolean => {
    try {
      const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
      verify({ signed: readSigned(text), signatures })
      return true
    } catch {
      return false
    }
  }
  const flip = (bytes: Uint8Array, at: number, mask: number) => bytes.map((b, i) => (i === at ? b ^ mask : b))

  it('in the canonical form is refused', () => {
    expect(accepted(form, signed.signatures)).toBe(true)
    fc.assert(
      fc.property(fc.nat(form.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        expect(accepted(flip(form, at, mask), signed.signatures)).toBe(false)
      }),
      { numRuns: 300 },
    )
  })

  it('in a signature or its key is refused, each byte of them', () => {
    const one = signed.signatures[1]!
    for (const field of ['sig', 'keyid'] as const) {
      const bytes = hexToBytes(one[field])
      fc.assert(
        fc.property(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
          const other = { ...one, [field]: bytesToHex(flip(bytes, at, mask)) }
          expect(accepted(form, signed.signatures.with(1, other))).toBe(false)
        }),
      )
    }
  })
})

describe('the next version', () => {
  const first = verify(signed)
  const next = (change: (c: Charter & { members: Charter['members'] }) => void = () => {}): Charter =>
    changed(charter, c => {
      c.version = 2
      c.previous = bytesToHex(first.hash)
      change(c)
    })
  const adopt = (value: unknown, previous: VerifiedCharter = first) =>
    verifyCharter(value, { now: NOW, previous })

  it('takes effect with the signatures of enough old and new members', () => {
    expect(adopt(signedBy(next(), [0, 1, 2])).charter.version).toBe(2)
    expect(verifyChain([signed, signedBy(next(), [0, 1, 2])], NOW).charter.version).toBe(2)
  })

  it('needs the old members where the members change, and the new ones', () => {
    // Two of four are replaced: keys 4 and 5 come for 2 and 3.
    const replaced = next(c => {
      for (const k of [2, 3]) {
        Object.assign(c.members[k]!, { id: `new-${k}`, name: `New ${k}`, publicKey: keyOf(k + 2) })
      }
    })
    const old = first.charter
    expect(codeOf(() => adopt(signedBy(replaced, [0, 1, 4, 5], old)))).toBe(
      'CHARTER_SIGNATURES_MISSING_PREVIOUS',
    )
    const error = errorOf(() => adopt(signedBy(replaced, [0, 1, 4, 5], old)))
    expect(error.message).toMatch(/version 1 .* switzerland, va$/)
    expect(codeOf(() => adopt(signedBy(replaced, [0, 1, 2, 3], old)))).toBe('CHARTER_SIGNATURES_MISSING')
    const done = adopt(signedBy(replaced, [0, 1, 2, 4], old))
    expect(done.signers).toEqual(['cleveland', 'hungarian', 'new-2'])
  })

  it('is refused with a leap, a repeat or a step back', () => {
    for (const version of [1, 3, 4]) {
      const value = changed(next(), c => {
        c.version = version
        if (version === 1) c.previous = null
      })
      expect(codeOf(() => adopt(signedBy(value, [0, 1, 2, 3])))).toBe('CHARTER_VERSION')
    }
  })

  it('is refused without the one before, which only version 1 does not need', () => {
    expect(codeOf(() => verify(signedBy(next(), [0, 1, 2, 3])))).toBe('CHARTER_VERSION')
    expect(codeOf(() => verifyChain([], NOW))).toBe('CHARTER_VERSION')
  })

  it('is refused when it follows another version 1, or is of another study', () => {
    const fork = next(c => {
      c.previous = 'ab'.repeat(32)
    })
    expect(codeOf(() => adopt(signedBy(fork, [0, 1, 2, 3])))).toBe('CHARTER_PREVIOUS')
    const other = next(c => {
      c.study.id = 'other'
    })
    expect(codeOf(() => adopt(signedBy(other, [0, 1, 2, 3])))).toBe('CHARTER_STUDY')
  })

  it('may follow one that has expired', () => {
    const second = next(c => {
      c.study.validUntil = '2040-12-31'
    })
    const later = Date.UTC(2038, 0, 1)
    expect(verifyChain([signed, signedBy(second, [0, 1, 2])], later).charter.version).toBe(2)
    expect(codeOf(() => verifyChain([signed, signedBy(next(), [0, 1, 2])], later))).toBe('CHARTER_EXPIRED')
  })
})

describe('parseSigned', () => {
  it('reads a charter that is still to be signed', () => {
    const one = signedBy(charter, [2])
    expect(parseSigned(JSON.parse(JSON.stringify(one)))).toEqual(one)
  })
})

function upper(field: 'keyid' | 'sig'): unknown {
  return changed(signed, s => {
    s.signatures[0][field] = `A${s.signatures[0][field].slice(1)}`
  })
}
