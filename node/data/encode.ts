/** How one column's text becomes numbers, for each type that a charter can give it. */
import type { Charter, Feature } from '../../config/charter.ts'
import type { Problem } from './problems.ts'

type Wrong = Pick<Problem, 'code' | 'says' | 'fix'>

export interface Encoder {
  readonly name: string
  /** Appends the column's inputs to `values`; returns what is wrong instead, or for the split column the part. */
  readonly encode: (text: string, values: number[]) => Wrong | 'train' | 'test' | undefined
}

export type Column =
  | Feature
  | ({ readonly type: 'label' } & Charter['data']['label'])
  | ({ readonly type: 'split' } & Charter['data']['split'])

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/
const BOOLEAN = new Map([
  ['0', 0],
  ['1', 1],
  ['false', 0],
  ['true', 1],
])

/** The encoder of a column. A category is one-hot without its first value; a boolean and the label are 0 or 1. */
export function encoderOf(column: Column): Encoder {
  const { name } = column
  const fix = `column ${name} takes ${allowedBy(column)}`
  const encode = encodeBy(column, fix)
  const missing: Wrong = {
    code: 'DATA_VALUE_MISSING',
    says: 'the field is empty',
    fix: `${fix}; leave out rows without a value`,
  }
  return { name, encode: (text, values) => (text === '' ? missing : encode(text, values)) }
}

function allowedBy(column: Column): string {
  switch (column.type) {
    case 'number':
      return `a decimal number from ${column.min} to ${column.max} ${column.unit}`
    case 'boolean':
      return '0, 1, false or true'
    case 'category':
      return oneOf(column.values)
    case 'label':
      return oneOf([column.positive, column.negative])
    case 'split':
      return oneOf([column.train, column.test])
  }
}

function oneOf(values: readonly string[]): string {
  return values.map(v => JSON.stringify(v)).join(' or ')
}

function encodeBy(column: Column, fix: string): Encoder['encode'] {
  switch (column.type) {
    case 'number':
      return (text, values) => {
        if (!DECIMAL.test(text)) return { code: 'DATA_NOT_A_NUMBER', says: 'not a decimal number', fix }
        const value = Number(text)
        if (!(value >= column.min && value <= column.max)) {
          return { code: 'DATA_OUT_OF_RANGE', says: 'outside the range that the charter allows', fix }
        }
        values.push(value)
        return undefined
      }
    case 'boolean':
      return (text, values) => {
        const value = BOOLEAN.get(text.toLowerCase())
        if (value === undefined) return { code: 'DATA_NOT_BOOLEAN', says: 'neither true nor false', fix }
        values.push(value)
        return undefined
      }
    case 'category': {
      const [, ...others] = column.values
      const known = new Set(column.values)
      return (text, values) => {
        if (!known.has(text))
          return { code: 'DATA_UNKNOWN_CATEGORY', says: 'a category that the charter does not know', fix }
        for (const value of others) values.push(value === text ? 1 : 0)
        return undefined
      }
    }
    case 'label':
      return (text, values) => {
        if (text !== column.positive && text !== column.negative) {
          return { code: 'DATA_BAD_LABEL', says: "neither of the charter's two labels", fix }
        }
        values.push(text === column.positive ? 1 : 0)
        return undefined
      }
    case 'split':
      return text => {
        if (text === column.train) return 'train'
        if (text === column.test) return 'test'
        return { code: 'DATA_BAD_SPLIT', says: 'neither training nor test', fix }
      }
  }
}
