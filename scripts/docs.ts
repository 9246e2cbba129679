import { readFileSync, writeFileSync } from 'node:fs'
import { updateConfigReadme } from './config-reference.js'

// npm run docs: brings the generated parts of documentation up to date. A test fails when they are not.
const file = new URL('../../src/config/README.md', import.meta.url)
writeFileSync(file, updateConfigReadme(readFileSync(file, 'utf8')))
