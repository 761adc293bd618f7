import { describe, expect, it } from 'vitest'
import { type Charter, type CharterDraft, quorum } from '../../../config/charter.ts'
import { parseCharter } from '../../../config/parse.ts'
import { absentMax, ruleProblems } from '../../../config/rules.ts'
import { committeeProblems } from '../../../config/rules-committees.ts'
import { layoutFor, vectorLength } from '../../../protocol/sum/layout.ts'
import { SUM_BYTES_MAX } from '../../../protocol/wire/limits.ts'
import { testCharter } from '../../support/consortium.ts'
import { changed, draft, errorOf, exampleCharter, keyOf } from './study.ts'

const charter = exampleCharter()

// biome-ignore lint/suspicious/noExplicitAny: tests write what types forbid
type Change = (c: any) => void

/** [code, where the message must point, change that breaks the rule] */
const BROKEN: readonly (readonly [string, string, Change])[] = [
  [
    'CHARTER_MODEL_LAYERS',
    'model.keras.more',
    c => {
      c.model.keras.more = 1
    },
  ],
  [
    'CHARTER_MODEL_LAYERS',
    'model.keras.config.more',
    c => {
      c.model.keras.config.more = 1
    },
  ],
  [
    'CHARTER_MODEL_LAYERS',
    'layers[0].more',
    c => {
      c.model.keras.config.layers[0].more = 1
    },
  ],
  [
    'CHARTER_PREVIOUS',
    'previous',
    c => {
      c.previous = 'a'.repeat(64)
    },
  ],
  [
    'CHARTER_PREVIOUS',
    'previous',
    c => {
      c.version = 2
    },
  ],
  [
    'CHARTER_MEMBER_TWICE',
    'members[1].id is also members[0].id',
    c => {
      c.members[1].id = c.members[0].id
    },
  ],
  [
    'CHARTER_NAME_TWICE',
    'members[3].name reads like members[0].name',
    c => {
      // Full-width letters, other case, other spaces: one name to a reader.
      c.members[3].name = c.members[0].name.toUpperCase().replaceAll(' ', '\u2003').replace('C', '\uff23')
    },
  ],
  [
    'CHARTER_KEY_TWICE',
    'members[2].publicKey is also members[1].publicKey',
    c => {
      c.members[2].publicKey = c.members[1].publicKey
    },
  ],
  [
    'CHARTER_KEY_INVALID',
    'members[0].publicKey',
    c => {
      c.members[0].publicKey = `02${'0'.repeat(62)}`
    },
  ],
  // The neutral element: a signature under it holds for any text.
  [
    'CHARTER_KEY_INVALID',
    'members[0].publicKey',
    c => {
      c.members[0].publicKey = `01${'0'.repeat(62)}`
    },
  ],
  [
    'CHARTER_ADDRESS_TWICE',
    'members[1].addresses[0] is also members[0].addresses[0]',
    c => {
      c.members[1].addresses = c.members[0].addresses
    },
  ],
  ...[
    '192.0.2.1:4001',
    '/ip4/192.0.2.1/tcp/0',
    '/ip4/192.0.2.1/tcp/65536',
    '/ip4/192.0.2.1/udp/4001',
    '/ip4/192.0.2.1/tcp/4001/p2p/12D3',
  ].map((address): readonly [string, string, Change] => [
    'CHARTER_ADDRESS_INVALID',
    'members[1].addresses[0]',
    c => {
      c.members[1].addresses = [address]
    },
  ]),
  [
    'CHARTER_AGREEMENT',
    'maliciousMax must be at most 1',
    c => {
      c.maliciousMax = 2
    },
  ],
  [
    'CHARTER_AGREEMENT',
    'maliciousMax must be at most 0',
    c => {
      c.members.pop()
    },
  ],
  [
    'CHARTER_THRESHOLD',
    'threshold must be from 3',
    c => {
      c.threshold = 2
    },
  ],
  [
    'CHARTER_THRESHOLD',
    'threshold',
    c => {
      c.threshold = 5
    },
  ],
  [
    'CHARTER_SURVIVORS',
    'secureSum.survivorsMin',
    c => {
      c.secureSum.survivorsMin = 5
    },
  ],
  [
    'CHARTER_SURVIVORS',
    'secureSum.survivorsMin must be at least max(f, 1) + 2 = 4',
    c => {
      for (const k of [4, 5, 6])
        c.members.push({
          ...c.members[0],
          id: `member-${k}`,
          name: `Member ${k}`,
          publicKey: keyOf(k),
          addresses: [`/ip4/192.0.2.9/tcp/${k}`],
        })
      c.maliciousMax = 2
      c.threshold = 5
    },
  ],
  [
    'CHARTER_RANGE',
    'data.features[0].max',
    c => {
      c.data.features[0].max = c.data.features[0].min
    },
  ],
  [
    'CHARTER_RANGE',
    'data.features[0].max',
    c => {
      Object.assign(c.data.features[0], { min: -1.7e308, max: 1.7e308 })
    },
  ],
  [
    'CHARTER_COLUMN_TWICE',
    'data.features[3].name is also data.features[0].name',
    c => {
      c.data.features[3].name = 'age'
    },
  ],
  [
    'CHARTER_COLUMN_TWICE',
    'data.label.name is also data.features[0].name',
    c => {
      c.data.label.name = 'age'
    },
  ],
  [
    'CHARTER_COLUMN_TWICE',
    'data.split.name is also data.label.name',
    c => {
      c.data.split.name = 'y'
    },
  ],
  [
    'CHARTER_VALUE_TWICE',
    'data.features[8].values[3]',
    c => {
      c.data.features[8].values[3] = '1'
    },
  ],
  [
    'CHARTER_VALUE_TWICE',
    'data.label.negative',
    c => {
      c.data.label.negative = '1'
    },
  ],
  [
    'CHARTER_VALUE_TWICE',
    'data.split.test',
    c => {
      c.data.split.test = 'train'
    },
  ],
  [
    'CHARTER_VALIDITY',
    'study.validUntil',
    c => {
      c.study.validUntil = c.study.validFrom
    },
  ],
  [
    'CHARTER_DEADLINES',
    'secureSum.viewTimeoutMs must be less than inputDeadlineMs',
    c => {
      c.secureSum.viewTimeoutMs = c.secureSum.inputDeadlineMs
    },
  ],
  [
    'CHARTER_DEADLINES',
    'secureSum.viewTimeoutMs must be less than openDeadlineMs',
    c => {
      c.secureSum.viewTimeoutMs = c.secureSum.openDeadlineMs
    },
  ],
  [
    'CHARTER_QUANTISATION',
    'training.weightMax must be at most 262144',
    c => {
      c.training.weightMax = 262_145
    },
  ],
  [
    'CHARTER_QUANTISATION',
    'evaluation.rowsMax must be at most 671088',
    c => {
      c.evaluation.rowsMax = 671_089
      c.evaluation.lossMax = 200
    },
  ],
  [
    'CHARTER_MODEL_LAYERS',
    'model.keras',
    c => {
      c.model.keras = {}
    },
  ],
  [
    'CHARTER_MODEL_LAYERS',
    'model.keras',
    c => {
      c.model.keras.config.layers = []
    },
  ],
  [
    'CHARTER_MODEL_LAYERS',
    'class_name',
    c => {
      c.model.keras.config.layers[0].class_name = 'Lambda'
    },
  ],
  [
    'CHARTER_MODEL_LAYERS',
    'class_name',
    c => {
      c.model.keras.config.layers[0].class_name = 'constructor'
    },
  ],
  [
    'CHARTER_MODEL_LAYERS',
    'class_name',
    c => {
      c.model.keras.config.layers[0] = null
    },
  ],
  [
    'CHARTER_MODEL_LAYERS',
    'config',
    c => {
      c.model.keras.config.layers[0].config = 1
    },
  ],
  ...(
    [
      ['name', 'a/b'],
      ['activation', 'exec'],
      ['trainable', false],
      ['dtype', 'int32'],
      ['units', 0],
      ['use_bias', 1],
      ['batch_input_shape', [1, 13]],
      ['batch_shape', [null, 13]],
      ['kernel_regularizer', { class_name: 'L1L2' }],
      ['bias_constraint', { class_name: 'NonNeg' }],
    ] as const
  ).map(([field, value]): readonly [string, string, Change] => [
    'CHARTER_MODEL_LAYERS',
    `layers[0].config.${field}`,
    c => {
      c.model.keras.config.layers[0].config[field] = value
    },
  ]),
  [
    'CHARTER_MODEL_LAYERS',
    'layers[1].config.name',
    c => {
      c.model.keras.config.layers.push(c.model.keras.config.layers[0])
    },
  ],
  [
    'CHARTER_MODEL_INPUT',
    'must be [null, 13]',
    c => {
      c.model.keras.config.layers[0].config.batch_input_shape = [null, 12]
      c.model.weights[0].shape = [12, 1]
    },
  ],
  [
    'CHARTER_MODEL_INPUT',
    'must be [null, 12]',
    c => {
      c.data.features.pop()
      c.data.features.push({ name: 'bin', type: 'boolean', description: 'x' })
    },
  ],
  [
    'CHARTER_MODEL_OUTPUT',
    'layers[0]',
    c => {
      c.model.keras.config.layers[0].config.units = 2
      c.model.weights[0].shape = [13, 2]
      c.model.weights[1].shape = [2]
    },
  ],
  [
    'CHARTER_MODEL_OUTPUT',
    'layers[0]',
    c => {
      c.model.keras.config.layers[0].config.activation = 'linear'
    },
  ],
  [
    'CHARTER_MODEL_WEIGHTS',
    'model.weights must have 2 entries',
    c => {
      c.model.weights.pop()
    },
  ],
  [
    'CHARTER_MODEL_WEIGHTS',
    'model.weights must have 1 entries',
    c => {
      c.model.keras.config.layers[0].config.use_bias = false
    },
  ],
  [
    'CHARTER_MODEL_WEIGHTS',
    'model.weights[0].name',
    c => {
      c.model.weights.reverse()
    },
  ],
  [
    'CHARTER_MODEL_WEIGHTS',
    'model.weights[0].shape must be [13, 1]',
    c => {
      c.model.weights[0].shape = [1, 13]
    },
  ],
]

describe('rules across fields', () => {
  it.each(BROKEN)('%s: %s', (code, where, change) => {
    const error = errorOf(() => parseCharter(changed(charter, change)))
    expect(error.code).toBe(code)
    expect(error.message).toContain(where)
    expect(error.fix.length).toBeGreaterThan(10)
  })

  it('accepts what lies on the bounds', () => {
    const edge = changed(charter, c => {
      c.training.weightMax = 262_144
      c.evaluation.lossMax = 200
      c.evaluation.rowsMax = 671_088
      c.threshold = 4
      c.secureSum.survivorsMin = 4
      c.secureSum.viewTimeoutMs = c.secureSum.openDeadlineMs - 1
      c.members[0].addresses = ['/dns4/node.hospital.example/tcp/65535', '/ip6/2001:db8::1/tcp/1']
    })
    expect(parseCharter(edge)).toEqual(edge)
  })

  it('refuses a model of too many parameters', () => {
    const huge = changed(
      draft(yaml => `${yaml} `, 'charter-mlp.yaml'),
      c => {
        c.members = charter.members
        c.model.keras.config.layers[0].config.units = 4_000_000
        c.model.weights[0].shape = [13, 4_000_000]
        c.model.weights[1].shape = [4_000_000]
        c.model.weights[2].shape = [4_000_000, 1]
      },
    )
    expect(errorOf(() => parseCharter(huge)).code).toBe('CHARTER_MODEL_SIZE')
  })

  it('follows layers one after the other, with an input layer and separate activations', () => {
    const layered = changed(charter, c => {
      const [dense] = c.model.keras.config.layers
      const { batch_input_shape, ...config } = dense.config
      c.model.keras.config.layers = [
        {
          class_name: 'InputLayer',
          config: { name: 'in', batch_input_shape, dtype: 'float32', sparse: false },
        },
        { class_name: 'Dense', config: { ...config, activation: 'linear' } },
        { class_name: 'Activation', config: { name: 'out', activation: 'sigmoid' } },
      ]
    })
    expect(parseCharter(layered)).toEqual(layered)
    const late = changed(layered, c => {
      c.model.keras.config.layers[1].config.batch_input_shape = [null, 13]
    })
    expect(errorOf(() => parseCharter(late)).message).toContain('belongs to the first layer')
  })

  it('applies to drafts too, with what is there', () => {
    expect(errorOf(() => draft(y => y.replace('threshold: 3', 'threshold: 2'))).code).toBe(
      'CHARTER_THRESHOLD',
    )
  })

  it.each([
    [4, 1, 3, 0],
    [7, 1, 5, 1],
    [10, 2, 7, 1],
    [20, 4, 13, 3],
    [100, 20, 61, 19],
    [3, 0, 2, 1],
  ])('n = %i, f = %i: quorum %i, and %i may be away', (n, f, q, d) => {
    expect(quorum(n, f)).toBe(q)
    expect(absentMax(n, f)).toBe(d)
    expect(n > 3 * f + 2 * d && n <= 3 * f + 2 * (d + 1)).toBe(true)
    // Two quorums meet in an honest member; all but f and d reach one.
    expect(2 * q - n).toBeGreaterThan(f)
    expect(n - f - d).toBeGreaterThanOrEqual(q)
  })
})

describe('compression', () => {
  const compressed = (bitsPerValue: number) =>
    changed(charter, c => {
      c.secureSum.compression = { bitsPerValue, rotation: false }
    })

  it.each([
    [8, 107],
    [10, 644],
  ])('%i bits hold the sum of %i members’ values, and of no more', (bitsPerValue, most) => {
    const of = (n: number) => {
      const c = testCharter({ n, f: 0 })
      return {
        ...c,
        secureSum: { ...c.secureSum, compression: { bitsPerValue, rotation: false } },
      } as CharterDraft
    }
    const broken = (n: number) => ruleProblems(of(n)).filter(p => p.code === 'CHARTER_QUANTISATION')
    expect(broken(most)).toEqual([])
    expect(broken(most + 1)).toMatchObject([
      {
        path: ['secureSum', 'compression', 'bitsPerValue'],
        says: expect.stringContaining(`at most ${most} members`),
        fix: expect.stringContaining(`set it to ${bitsPerValue === 8 ? 10 : 16}`),
      },
    ])
  })

  it('has the numbers of bits that it can keep, and no others', () => {
    for (const bitsPerValue of [31, 12, 4, 0]) {
      const error = errorOf(() => parseCharter(compressed(bitsPerValue)))
      expect(error.message).toContain('secureSum.compression')
    }
    expect(parseCharter(compressed(8)).secureSum.compression).toEqual({ bitsPerValue: 8, rotation: false })
  })

  it('may leave values for later, with all bits too; but all bits of all values are none', () => {
    const sparse = (bitsPerValue: number, oneIn: unknown) =>
      changed(charter, c => {
        c.secureSum.compression = { bitsPerValue, rotation: true, oneIn }
      })
    for (const bitsPerValue of [32, 16, 10, 8])
      for (const oneIn of [2, 1024]) {
        const compression = { bitsPerValue, rotation: true, oneIn }
        expect(parseCharter(sparse(bitsPerValue, oneIn)).secureSum.compression).toEqual(compression)
      }
    for (const oneIn of [1, 0, -2, 2.5, 1025, null])
      expect(errorOf(() => parseCharter(sparse(16, oneIn))).message).toContain('secureSum.compression.oneIn')
    const { code, message, fix } = errorOf(() => parseCharter(compressed(32)))
    expect({ code, message, fix }).toEqual({
      code: 'CHARTER_COMPRESSION',
      message: expect.stringContaining('secureSum.compression.bitsPerValue must be less than 32'),
      fix: expect.stringContaining('or set oneIn'),
    })
  })

  it('may have factors summed in place of matrices, of a model that has some', () => {
    const factored = (weights: readonly number[][], rank: unknown, oneIn?: number) => {
      const c = testCharter({ n: 4 })
      const model = { ...c.model, weights: weights.map(shape => ({ name: 'w', shape })) }
      const compression = { bitsPerValue: 32, rotation: true, rank, oneIn }
      const broken = { ...c, model, secureSum: { ...c.secureSum, compression } } as unknown as CharterDraft
      return ruleProblems(broken).filter(p => p.code === 'CHARTER_COMPRESSION')
    }
    expect(factored([[9], [7, 5], [3, 1]], 4)).toEqual([])
    expect(factored([[3, 3, 8, 16]], 15)).toEqual([])
    expect(factored([[9], [7, 5], [3, 1]], 5)).toMatchObject([
      {
        path: ['secureSum', 'compression', 'rank'],
        says: expect.stringContaining('a matrix with more than 5 rows and columns'),
      },
    ])
    expect(factored([[7, 5]], 2, 4)).toMatchObject([
      { path: ['secureSum', 'compression', 'rank'], says: expect.stringContaining('beside oneIn') },
    ])
    for (const rank of [0, 65, 1.5, null]) {
      const wrong = changed(charter, c => {
        c.secureSum.compression = { bitsPerValue: 16, rotation: false, rank }
      })
      expect(errorOf(() => parseCharter(wrong)).message).toContain('secureSum.compression.rank')
    }
  })
})

describe('committees', () => {
  /** A charter of `n` members, with made-up ids and keys. */
  function many(n: number, f: number, committees: unknown, survivorsMin: number): unknown {
    const change: Change = c => {
      c.members = Array.from({ length: n }, (_, i) => ({
        ...c.members[0],
        id: `hospital-${i}`,
        name: `Hospital ${i}`,
        publicKey: keyOf(i),
        addresses: [`/dns4/h${i}.example/tcp/4001`],
      }))
      c.maliciousMax = f
      c.threshold = quorum(n, f)
      c.secureSum.survivorsMin = survivorsMin
      c.training.weightMax = 100
      c.evaluation.rowsMax = 1000
      if (committees !== undefined) c.committees = committees
    }
    return changed(charter, change)
  }

  it('of ten bear three malicious of sixty', () => {
    expect(() => parseCharter(many(60, 3, { size: 10, maliciousMax: 3 }, 5))).not.toThrow()
  })

  it.each<[string, number, number, unknown, number, RegExp]>([
    ['CHARTER_COMMITTEE_AGREEMENT', 60, 3, { size: 9, maliciousMax: 3 }, 5, /at most 2/],
    ['CHARTER_COMMITTEE_SIZE', 19, 3, { size: 10, maliciousMax: 3 }, 5, /at most 9/],
    [
      'CHARTER_SURVIVORS',
      60,
      3,
      { size: 10, maliciousMax: 3 },
      4,
      /at least max\(f, 1\) \+ 2 = 5.*at most 10/,
    ],
    ['CHARTER_SURVIVORS', 60, 3, { size: 10, maliciousMax: 3 }, 11, /at most 10/],
    // 7 committees, each with 0.00043.
    ['CHARTER_COMMITTEE_TAIL', 60, 4, { size: 10, maliciousMax: 3 }, 5, /up to 0\.0030; at most 0\.0001/],
  ])('%s: %i members, %i malicious, %j', (code, n, f, committees, survivorsMin, says) => {
    const error = errorOf(() => parseCharter(many(n, f, committees, survivorsMin)))
    expect(error.code).toBe(code)
    expect(error.message).toMatch(says)
  })

  it('that are too risky: the error names what would do, and that does', () => {
    const { fix } = errorOf(() => parseCharter(many(60, 4, { size: 10, maliciousMax: 3 }, 5)))
    const [, size, faulty] = /set size to (\d+) and maliciousMax of committees to (\d+)/.exec(fix)!
    const does = { size: Number(size), maliciousMax: Number(faulty) }
    expect(() => parseCharter(many(60, 4, does, does.maliciousMax + 2))).not.toThrow()
    const less = errorOf(() => parseCharter(many(60, 4, { size: 13, maliciousMax: 1 }, 3)))
    expect(less.fix).toBe('set it to 4')
  })

  it('bear a model whose sums fit in a message, and no larger one', () => {
    const sized = (parameters: number): Charter => ({
      ...(many(60, 3, { size: 10, maliciousMax: 3 }, 5) as Charter),
      model: { ...charter.model, weights: [{ name: 'w', shape: [parameters], initialiser: 'zeros' }] },
    })
    const beside = vectorLength(layoutFor(sized(1), 'train', 60)) - 1
    const most = SUM_BYTES_MAX / 4 - beside
    expect(committeeProblems(sized(most))).toEqual([])
    const [problem, ...more] = committeeProblems(sized(most + 1))
    expect(problem).toMatchObject({ code: 'CHARTER_COMMITTEE_SUM', path: ['model'] })
    expect(problem?.fix).toContain(`at most ${most} parameters`)
    expect(more).toEqual([])
    expect(committeeProblems({ ...sized(most + 1), committees: undefined })).toEqual([])
  })

  it('are needed above 255 members', () => {
    const error = errorOf(() => parseCharter(many(256, 3, undefined, 5)))
    expect(error.code).toBe('CHARTER_MEMBERS')
    expect(error.fix).toContain('committees')
    expect(() => parseCharter(many(256, 3, { size: 16, maliciousMax: 5 }, 7))).not.toThrow()
  })
})
