/** What a malicious hospital can say that is wrong: one lie each, to be combined (`liar.ts`). */
export * from './lies/audits.ts'
export * from './lies/entries.ts'
export * from './lies/inputs.ts'
export * from './lies/receipts.ts'
export * from './lies/reveals.ts'
export * from './lies/shares.ts'
export * from './lies/sums.ts'
