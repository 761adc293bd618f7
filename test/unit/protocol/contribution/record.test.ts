import { describe, expect, it } from 'vitest'
import { recordOf } from '../../../../protocol/contribution/record.ts'

describe('recordOf', () => {
  const audit = {
    groups: [
      { members: ['a', 'b'], sum: [3, 0, 1] },
      { members: ['c', 'd'], sum: [0, 2, 1] },
    ],
    weights: new Map([
      ['a', 1],
      ['b', 4],
      ['c', 2],
      ['d', 0],
    ]),
    rows: new Map<string, number>(),
    progress: [1, 2, 3],
  }

  it('has means for each unit of weight, of each group and of all', () => {
    const { groups, mean, progress } = recordOf(audit)
    expect(groups.map(g => g.weight)).toEqual([5, 2])
    expect([...groups[0]!.mean]).toEqual([3 / 5, 0, 1 / 5])
    expect([...groups[1]!.mean]).toEqual([0, 1, 1 / 2])
    expect([...mean]).toEqual([3, 2, 2].map(v => expect.closeTo(v / 7, 14)))
    expect([...progress]).toEqual([1, 2, 3])
  })

  it('leaves out a group of which nobody has weight', () => {
    const weights = new Map([
      ['a', 1],
      ['b', 4],
    ])
    const { groups, mean } = recordOf({ ...audit, weights })
    expect(groups.map(g => g.members)).toEqual([['a', 'b']])
    expect([...mean]).toEqual([...groups[0]!.mean])
    expect(recordOf({ ...audit, weights: new Map() })).toMatchObject({ groups: [] })
    expect([...recordOf({ ...audit, weights: new Map() }).mean]).toEqual([0, 0, 0])
  })
})
