/** Writes protocol/sum/simd.module.ts, what simd.wat assembles to: `node node/scripts/assemble.ts`. A test holds one against the other. */
import { readFileSync, writeFileSync } from 'node:fs'
import wabt from 'wabt'
import { toHex } from '../../protocol/bytes.ts'

const FOLDER = new URL('../../protocol/sum/', import.meta.url)

/** The bytes of the module, in hex. */
export async function assembled(): Promise<string> {
  const { parseWat } = await wabt()
  const module = parseWat('simd.wat', readFileSync(new URL('simd.wat', FOLDER), 'utf8'), { simd: true })
  try {
    return toHex(module.toBinary({}).buffer)
  } finally {
    module.destroy()
  }
}

if (import.meta.main) {
  const lines = (await assembled()).match(/.{1,100}/g)!.map(line => `  '${line}'`)
  writeFileSync(
    new URL('simd.module.ts', FOLDER),
    `/** Made of simd.wat by node/scripts/assemble.ts. */\nexport const MODULE =\n${lines.join(' +\n')}\n`,
  )
}
