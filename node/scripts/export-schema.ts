/**
 * Writes config/charter.schema.json from the schema in config/charter.ts; a test fails when they differ.
 *
 *   node node/scripts/export-schema.ts
 */
import { writeFileSync } from 'node:fs'
import { charterJsonSchema } from '../../config/json-schema.ts'

writeFileSync(new URL('../../config/charter.schema.json', import.meta.url), charterJsonSchema())
