import { writeFileSync } from 'node:fs'
import { configJsonSchema } from '../src/config/schema.js'
import { recordJsonSchema } from '../src/ledger/schema.js'

// Run by the build: the schema that "$schema" in a config file points at, and that of the usage ledger's records.
write('config.schema.json', configJsonSchema())
write('usage.schema.json', recordJsonSchema())

function write(name: string, schema: Record<string, unknown>): void {
  writeFileSync(new URL(`../${name}`, import.meta.url), `${JSON.stringify(schema, null, 2)}\n`)
}
