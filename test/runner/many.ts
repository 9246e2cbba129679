import { pathToFileURL } from 'node:url'
import { BEGIN, END } from './sections.js'

// Runs the test files that its arguments name, one after another, in this process. Around what each of them writes it
// writes a line: see sections.ts.

// Before uvu is loaded, so that it does not run by itself what it is given.
const uvu: { UVU_DEFER: number; UVU_INDEX: number; UVU_QUEUE: unknown[][] } = Object.assign(globalThis, {
  UVU_DEFER: 1,
  UVU_INDEX: 0,
  UVU_QUEUE: [],
})
const { exec } = await import('uvu')

let failed = false
for (const script of process.argv.slice(2)) {
  const startedAt = performance.now()
  process.stdout.write(`${BEGIN}${script}\n`)
  uvu.UVU_QUEUE = [[null]]
  try {
    await import(pathToFileURL(script).href)
    await exec()
  } catch (error) {
    process.exitCode = 1
    process.stdout.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  }
  // uvu sets it again for each file.
  failed ||= process.exitCode !== 0
  process.stdout.write(`\n${END}${Math.round(performance.now() - startedAt)}\n`)
}
process.exitCode = failed ? 1 : 0
