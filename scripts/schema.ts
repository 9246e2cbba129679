import { writeFileSync } from 'node:fs'
import { buildConfigJsonSchema } from '../src/config/schema.js'
import { buildRecordJsonSchema } from '../src/ledger/schema.js'

// Run by the build: the JSON Schema that "$schema" in a config file names, and the schema of the usage records.
write('config.schema.json', buildConfigJsonSchema())
write('usage.schema.json', buildRecordJsonSchema())

function write(name: string, schema: object): void {
  writeFileSync(new URL(`../${name}`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`)
}
