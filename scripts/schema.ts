import { writeFileSync } from 'node:fs'
import { buildConfigJsonSchema } from '../src/config/schema.js'
import { buildRecordJsonSchema } from '../src/ledger/schema.js'

// Run by the build: the schema that "$schema" in a config file points at, and that of the usage ledger's records.
write('config.schema.json', buildConfigJsonSchema())
write('usage.schema.json', buildRecordJsonSchema())

function write(name: string, schema: object): void {
  writeFileSync(new URL(`../${name}`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`)
}
