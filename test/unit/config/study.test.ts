/** The committed example: its data, models, agreement and schema file are what the charters say. */
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { parse } from 'csv-parse/sync'
import { describe, expect, it } from 'vitest'
import { expandedFeatureCount, type Feature, parameterCount } from '../../../config/charter.ts'
import { charterJsonSchema } from '../../../config/json-schema.ts'
import { heartData } from '../../../node/scripts/make-heart-data.ts'
import { draft, IDS, readStudy, same } from './study.ts'

const PLANS = [
  ['charter.yaml', 14],
  ['charter-mlp.yaml', 13 * 16 + 16 + 16 + 1],
] as const

/** Rows, training rows, positive training rows (README). */
const COUNTS = {
  cleveland: [303, 199, 91],
  hungarian: [261, 172, 65],
  switzerland: [46, 30, 30],
  va: [130, 85, 66],
}

function rowsOf(id: string): Record<string, string>[] {
  return parse(readStudy(`data/${id}.csv`), { columns: true }) as Record<string, string>[]
}

function allows(feature: Feature, value: string): boolean {
  switch (feature.type) {
    case 'number':
      return value !== '' && Number(value) >= feature.min && Number(value) <= feature.max
    case 'boolean':
      return value === '0' || value === '1'
    case 'category':
      return feature.values.includes(value)
  }
}

describe('example study', () => {
  it.each(PLANS)("%s holds, with FLamby's 13 model inputs", (file, parameters) => {
    const plan = draft(same, file)
    expect(plan.members.map(m => m.id)).toEqual(IDS)
    expect(expandedFeatureCount(plan)).toBe(13)
    expect(parameterCount(plan)).toBe(parameters)
  })

  it('has two plans that differ in study and model only', () => {
    const [logistic, mlp] = PLANS.map(([file]) => draft(same, file))
    expect({ ...logistic, model: 0, study: 0 }).toEqual({ ...mlp, model: 0, study: 0 })
    expect(logistic!.study.id).not.toBe(mlp!.study.id)
  })

  it.each(PLANS)('%s names the agreement by its hash', file => {
    const hash = createHash('sha256').update(readStudy('agreement.md')).digest('hex')
    expect(draft(same, file).study.agreement.sha256).toBe(hash)
  })

  it.each(IDS)('data of %s obey the charter in each cell', id => {
    const { data } = draft(same)
    const rows = rowsOf(id)
    for (const row of rows) {
      for (const feature of data.features) expect(allows(feature, row[feature.name]!)).toBe(true)
      expect([data.label.positive, data.label.negative]).toContain(row[data.label.name])
      expect([data.split.train, data.split.test]).toContain(row[data.split.name])
    }
    const train = rows.filter(r => r.set === 'train')
    expect([rows.length, train.length, train.filter(r => r.y === '1').length]).toEqual(COUNTS[id])
  })
})

describe('recipe of the data', () => {
  const header =
    'center,hospital,row,set,age,sex,trestbps,chol,fbs,thalach,exang,oldpeak,cp_2,cp_3,cp_4,restecg_1,restecg_2,y,num'
  const row = (hospital: string, cp: string, ecg: string) =>
    `0,${hospital},7,test,63.0,1.0,145.0,0.0,1.0,150.0,0.0,-0.5,${cp},${ecg},1,2`

  it('makes one column of each one-hot group, the first category included', () => {
    const made = heartData(
      [header, row('va', '0,0,0', '0,0'), row('va', '0,1,0', '0,1'), row('cleveland', '1,0,0', '1,0')].join(
        '\n',
      ),
    )
    const lines = made.get('va')!.split('\n')
    expect(lines[0]).toBe('row,set,age,sex,trestbps,chol,fbs,thalach,exang,oldpeak,cp,restecg,y')
    expect(lines.slice(1)).toEqual([
      '7,test,63,1,145,0,1,150,0,-0.5,1,0,1',
      '7,test,63,1,145,0,1,150,0,-0.5,3,2,1',
      '',
    ])
    expect(made.get('cleveland')).toContain(',2,1,1\n')
  })

  it('refuses a row with two categories, and a missing cell', () => {
    expect(() => heartData([header, row('va', '1,1,0', '0,0')].join('\n'))).toThrow(/more than one of cp_/)
    expect(() => heartData([header, row('va', '0,0,0', '0,')].join('\n'))).toThrow(/restecg_2/)
  })
})

describe('config/charter.schema.json', () => {
  it('is the one made from the schema (node node/scripts/export-schema.ts)', () => {
    const committed = readFileSync(new URL('../../../config/charter.schema.json', import.meta.url), 'utf8')
    expect(committed).toBe(charterJsonSchema())
  })
})
