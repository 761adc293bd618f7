/** What an alias table says of each column, read out of it in exact integers. */
import type { AliasTable } from '../../protocol/privacy/alias.ts'

/** The threshold of column `c`, of 160 - columnBits bits. */
export function thresholdOf({ columnBits, columns, rests }: AliasTable, c: number): bigint {
  return (BigInt(columns[c]! >>> columnBits) << 128n) | (rests[2 * c]! << 64n) | rests[2 * c + 1]!
}

/** How many of the 2^160 equally probable draws give each column. */
export function columnMasses(table: AliasTable): bigint[] {
  const full = 1n << BigInt(160 - table.columnBits)
  const masses = new Array<bigint>(table.columns.length).fill(0n)
  table.columns.forEach((column, c) => {
    const threshold = thresholdOf(table, c)
    const alias = column & (table.columns.length - 1)
    masses[c]! += threshold
    masses[alias]! += full - threshold
  })
  return masses
}
