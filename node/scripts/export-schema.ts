/**
 * Writes config/charter.schema.json and config/scenario.schema.json from the schemas in config/charter.ts and
 * config/scenario.ts; a test fails when they differ.
 *
 *   node node/scripts/export-schema.ts
 */
import { writeFileSync } from 'node:fs'
import { charterJsonSchema, scenarioJsonSchema } from '../../config/json-schema.ts'

const write = (name: string, text: string) =>
  writeFileSync(new URL(`../../config/${name}.schema.json`, import.meta.url), text)

write('charter', charterJsonSchema())
write('scenario', scenarioJsonSchema())
