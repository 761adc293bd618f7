import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { MedmeshError } from '../../../config/error.ts'
import { completeDraft, parseCharter, parseDraft } from '../../../config/parse.ts'
import { changed, codeOf, draft, errorOf, exampleCharter, IDS, keyOf, readStudy, same } from './study.ts'

/** `field=` stands for a field and its value, any other `from` for itself. */
const swap = (from: string, to: string) => () =>
  draft(yaml => {
    // Tuned values change; the tests name only the field where they do not need the value.
    const found = new RegExp(`${from.replace('=', ': ')}${from.endsWith('=') ? '\\S+' : ''}`)
    expect(yaml).toMatch(found)
    return yaml.replace(found, to)
  })

describe('parseDraft', () => {
  it('reads the example and puts the model file in its place', () => {
    const model = draft(same).model
    expect(model).toEqual(JSON.parse(readStudy('models/logistic.json')))
  })

  it('reads the model in the charter itself as well', () => {
    const model = readStudy('models/logistic.json').replace(/\n/g, '')
    const inline = draft(yaml => yaml.replace(/model:\n {2}file:.*/, `model: ${model}`))
    expect(inline).toEqual(draft(same))
  })

  it.each([
    ['a missing field', 'rounds=', '', /^line \d+: training\.rounds is missing; it must be a number$/],
    ['an unknown field', 'rounds=', 'rounds: 15\n  epochs: 3', /^line \d+: training\.epochs is not a field/],
    ['a wrong type', 'rounds=', 'rounds: many', /^line \d+: training\.rounds must be a number$/],
    ['a fraction', 'rounds=', 'rounds: 1.5', /^line \d+: training\.rounds must be a whole number$/],
    ['too small', 'rounds=', 'rounds: 0', /^line \d+: training\.rounds must be at least 1$/],
    ['too big', 'rounds=', 'rounds: 100001', /^line \d+: training\.rounds must be at most 100000$/],
    ['not above', 'lossMax=', 'lossMax: 0', /^line \d+: evaluation\.lossMax must be more than 0$/],
    ['a choice', 'optimizer=', 'optimizer: SGD', /optimizer must be one of "sgd", "adam"$/],
    ['a kind', 'type: boolean', 'type: bool', /type must be one of "number", "boolean", "category"$/],
    ['no number', 'min: 18', 'min: .nan', /^line \d+: data\.features\[0\]\.min must be a number$/],
    ['infinity', 'max: 110', 'max: .inf', /^line \d+: data\.features\[0\]\.max must be a number$/],
    ['no such day', 'validFrom: 2026-01-01', 'validFrom: 2026-02-30', /validFrom must be a day such as/],
    ['another modulus', 'modulus: 2147483647', 'modulus: 4294967291', /modulus must be 2147483647$/],
    ['a look-alike id', '- id: va', '- id: vа', /^line \d+: members\[3\]\.id must be 2 to 32 of a-z/],
    [
      'an invisible character',
      'unit: years',
      'unit: "ye\\u200bars"',
      /unit must be one line without invisible/,
    ],
    ['a control character', 'unit: mm Hg', 'unit: "mm\\u001b[2J"', /unit must be one line without invisible/],
    ['an empty text', 'unit: mm Hg', 'unit: ""', /unit must have at least 1 characters$/],
  ])('names field, line and what is allowed: %s', (_what, from, to, message) => {
    const error = errorOf(swap(from, to))
    expect(error.message).toMatch(message)
    expect(error.fix).not.toBe('')
  })

  it('names the line of the field itself', () => {
    const wrong = readStudy('charter.yaml').replace(/batchSize: .*/, 'batchSize: x')
    const line = wrong.split('\n').findIndex(l => l.includes('batchSize')) + 1
    expect(errorOf(() => parseDraft(wrong, readStudy)).message).toMatch(new RegExp(`^line ${line}: `))
  })

  it('lists the names that are known where one is not, and every problem at once', () => {
    const error = errorOf(swap('rounds=', 'rounds: 15\n  epochs: 3\n  momentum: 1'))
    expect(error.message).toContain(
      'epochs is not a field of a charter; known there: rounds, localUpdates, batchSize',
    )
    expect(error.message).toMatch(/epochs[\s\S]*momentum/)
    const many = errorOf(() => parseDraft('model: {}', readStudy))
    expect(many.message).toMatch(/and \d+ more$/)
  })

  it.each([
    ['one name twice', 'rounds=', 'rounds: 15\n  rounds: 15'],
    ['a tag of its own', 'rounds=', 'rounds: !!js/function 15'],
    ['a binary tag', 'unit: mm Hg', 'unit: !!binary aGFsbG8='],
    ['two documents', 'export:', '---\nexport:'],
    ['broken indentation', 'rounds=', '   rounds: 15'],
  ])('refuses YAML with %s', (_what, from, to) => {
    const error = errorOf(swap(from, to))
    expect(error.code).toBe('CHARTER_YAML')
    expect(error.message).toMatch(/^line \d+, column \d+: /)
  })

  it('knows no merge keys, and names an alias of nothing', () => {
    const merged = errorOf(swap('training:', 'training:\n  <<: {rounds: 3}'))
    expect(merged.message).toMatch(/training\.<< is not a field/)
    const dangling = errorOf(swap('unit: mm Hg', 'unit: *nobody'))
    expect([dangling.code, dangling.message]).toEqual(['CHARTER_YAML', expect.stringContaining('nobody')])
  })

  it('takes a few aliases and refuses a heap of them', () => {
    const aliased = (n: number) => `a: &a [${'1, '.repeat(10)}]\nb: [${'*a, '.repeat(n)}]`
    expect(codeOf(() => parseDraft(aliased(3), readStudy))).toBe('CHARTER_SCHEMA')
    const laughs = `a: &a [1]\n${Array.from({ length: 9 }, (_, i) => `x${i}: &x${i} [${`*${i ? `x${i - 1}` : 'a'}, `.repeat(9)}]`).join('\n')}`
    expect(codeOf(() => parseDraft(laughs, readStudy))).toBe('CHARTER_YAML')
  })

  it('points through an alias at the line where the value stands', () => {
    const yaml = readStudy('charter.yaml')
      .replace('legalBasis: >-', 'legalBasis: &x >-')
      .replace('unit: mm Hg', 'unit: *x')
    expect(errorOf(() => parseDraft(yaml, readStudy)).message).toMatch(
      /^line \d+: data\.features\[2\]\.unit must/,
    )
  })

  it('bounds size and nesting', () => {
    expect(codeOf(() => parseDraft(' '.repeat(2 ** 20 + 1), readStudy))).toBe('CHARTER_TOO_LONG')
    expect(codeOf(() => parseDraft('['.repeat(50_000), readStudy))).toBe('CHARTER_YAML')
    expect(codeOf(() => parseDraft(`${'['.repeat(200)}${']'.repeat(200)}`, readStudy))).toBe('CHARTER_SCHEMA')
  })

  it('is text or a MedmeshError for any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json()), text => {
        expect(() => parseDraft(text, readStudy)).toThrow(MedmeshError)
      }),
    )
  })

  it.each(['../secret', '/etc/passwd', 'models/../../x', './x', 'C:\\x', 'a//b', ''])(
    'reads no file outside the study: %s',
    name => {
      const read: string[] = []
      const yaml = readStudy('charter.yaml').replace('models/logistic.json', JSON.stringify(name))
      const error = errorOf(() =>
        parseDraft(yaml, file => {
          read.push(file)
          return '{}'
        }),
      )
      expect(error.code).toBe('CHARTER_MODEL_FILE')
      expect(read).toEqual([])
    },
  )

  it('names the model file that is missing, broken or wrong', () => {
    const missing = () => {
      throw new Error('ENOENT')
    }
    expect(errorOf(() => parseDraft(readStudy('charter.yaml'), missing)).message).toContain(
      'models/logistic.json',
    )
    const broken = errorOf(() => parseDraft(readStudy('charter.yaml'), () => '{"a": 1\n\n "b": 2}'))
    expect([broken.code, broken.message]).toEqual([
      'CHARTER_JSON',
      expect.stringMatching(/^models\/logistic\.json .*line 3/),
    ])
    const twice = errorOf(() => parseDraft(readStudy('charter.yaml'), () => '{"seed": 1,\n"\\u0073eed": 2}'))
    expect([twice.code, twice.message]).toEqual(['CHARTER_JSON', expect.stringMatching(/twice \(line 2\)/)])
    const wrong = errorOf(() => parseDraft(readStudy('charter.yaml'), () => '{"keras": {}, "weights": []}'))
    expect(wrong.message).toMatch(/models\/logistic\.json: model\.seed is missing/)
  })
})

describe('completeDraft', () => {
  const details = IDS.map((id, k) => ({ id, publicKey: keyOf(k), addresses: [`/ip4/192.0.2.${k}/tcp/4001`] }))

  it('fills keys and addresses in, whatever their order, and leaves the rest', () => {
    const charter = completeDraft(draft(same), [...details].reverse())
    expect(charter.members.map(m => [m.id, m.publicKey, m.addresses])).toEqual(
      details.map(d => [d.id, d.publicKey, d.addresses]),
    )
    expect({ ...charter, members: [] }).toEqual({ ...draft(same), members: [] })
    expect(completeDraft(charter, [])).toEqual(charter)
    expect(completeDraft(charter, details)).toEqual(charter)
  })

  it('names the member that nobody filled in', () => {
    const error = errorOf(() => completeDraft(draft(same), details.slice(0, 3)))
    expect([error.code, error.message]).toEqual([
      'CHARTER_MEMBER_INCOMPLETE',
      expect.stringMatching(/^members\[3\]\.publicKey is missing.*va/),
    ])
  })

  it('refuses details of a stranger, of one member twice, and other than the draft has', () => {
    const stranger = { ...details[0]!, id: 'elsewhere' }
    expect(codeOf(() => completeDraft(draft(same), [...details, stranger]))).toBe('CHARTER_MEMBER_UNKNOWN')
    expect(codeOf(() => completeDraft(draft(same), [...details, details[0]!]))).toBe('CHARTER_MEMBER_TWICE')
    const charter = completeDraft(draft(same), details)
    const otherKey = [{ ...details[0]!, publicKey: keyOf(9) }]
    expect(codeOf(() => completeDraft(charter, otherKey))).toBe('CHARTER_MEMBER_CONFLICT')
    const otherAddress = [{ ...details[0]!, addresses: ['/ip4/192.0.2.77/tcp/4001'] }]
    expect(codeOf(() => completeDraft(charter, otherAddress))).toBe('CHARTER_MEMBER_CONFLICT')
  })
})

describe('parseCharter', () => {
  it('gives a charter back as it is', () => {
    const charter = exampleCharter()
    expect(parseCharter(JSON.parse(JSON.stringify(charter)))).toEqual(charter)
  })

  it('refuses a draft, names the field, and does not repeat a value', () => {
    const wrong = changed(exampleCharter(), c => {
      delete c.members[2].publicKey
      c.members[0].publicKey = 'SECRET'
    })
    const error = errorOf(() => parseCharter(wrong))
    expect(error.message).toContain('members[2].publicKey is missing')
    expect(error.message).not.toContain('SECRET')
  })

  it('refuses what is nested too deeply for a recursive reader', () => {
    const deep = changed(exampleCharter(), c => {
      c.model.keras.deep = JSON.parse(`${'['.repeat(50_000)}${']'.repeat(50_000)}`)
    })
    expect(codeOf(() => parseCharter(deep))).toBe('CHARTER_SCHEMA')
  })

  it.each([[undefined], [null], [1], ['text'], [[]], [{}]])('refuses %j', value => {
    expect(codeOf(() => parseCharter(value))).toBe('CHARTER_SCHEMA')
  })
})
