/**
 * The schemas of charters and scenarios for editors and other programs: JSON Schema 2020-12. The committed files are made
 * from these. The rules of rules.ts and scenario-rules.ts are beyond JSON Schema, and not in them.
 */
import { z } from 'zod'
import { CharterSchema } from './charter.ts'
import { ScenarioSchema } from './scenario.ts'

/** Text of config/charter.schema.json. */
export function charterJsonSchema(): string {
  return jsonSchema('medmesh charter', CharterSchema)
}

/** Text of config/scenario.schema.json. */
export function scenarioJsonSchema(): string {
  return jsonSchema('medmesh scenario', ScenarioSchema)
}

function jsonSchema(title: string, schema: z.ZodType): string {
  const made = { title, ...z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'input' }) }
  return `${JSON.stringify(made, null, 2)}\n`
}
