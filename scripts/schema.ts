import { writeFileSync } from 'node:fs'
import { configJsonSchema } from '../src/config/schema.js'

// Run by the build: the schema that "$schema" in a config file points at.
writeFileSync(
  new URL('../config.schema.json', import.meta.url),
  `${JSON.stringify(configJsonSchema(), null, 2)}\n`,
)
