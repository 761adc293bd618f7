/** The charter's schema for editors and other programs: JSON Schema 2020-12. The committed file is made from this. */
import { z } from 'zod'
import { CharterSchema } from './charter.ts'

/** Text of config/charter.schema.json. The rules of rules.ts are beyond JSON Schema, and not in it. */
export function charterJsonSchema(): string {
  const schema = {
    title: 'medmesh charter',
    ...z.toJSONSchema(CharterSchema, { target: 'draft-2020-12', io: 'input' }),
  }
  return `${JSON.stringify(schema, null, 2)}\n`
}
