import { pathToFileURL } from 'node:url'
import { setFlagsFromString } from 'node:v8'
import { preload } from '../../src/lib/preload.js'
import '../support/tls-mode.js'
import { findLeftovers, lookAround } from './leftovers.js'
import { BEGIN, END, LEFT } from './sections.js'

// Runs the test files that its arguments name, one after another, in this process. Around what each of them writes it
// writes a line, and one for each thing that a file has left behind: see sections.ts.

// Most of this code runs for a few seconds: to optimize what has run for a moment takes more time than it saves.
setFlagsFromString('--interrupt-budget=1000000')

// Before uvu is loaded, so that it does not run by itself what it is given.
const uvu: { UVU_DEFER: number; UVU_INDEX: number; UVU_QUEUE: unknown[][] } = Object.assign(globalThis, {
  UVU_DEFER: 1,
  UVU_INDEX: 0,
  UVU_QUEUE: [],
})
const { exec } = await import('uvu')

/** Most of a start is the loading of some hundred modules, which takes less time in one go. */
async function load(script: string): Promise<void> {
  try {
    preload(script, import.meta.url)
  } catch {
    // What is wrong with the file is wrong with its import, too. A file that waits at its top level has only the import.
  }
  await import(pathToFileURL(script).href)
}

let failed = false
for (const script of process.argv.slice(2)) {
  const startedAt = Date.now()
  process.stdout.write(`${BEGIN}${script}\n`)
  uvu.UVU_QUEUE = [[null]]
  const before = await lookAround()
  try {
    await load(script)
    await exec()
  } catch (error) {
    process.exitCode = 1
    process.stdout.write(`${error instanceof Error ? error.stack : String(error)}\n`)
  }
  // uvu sets it again for each file.
  failed ||= process.exitCode !== 0
  process.stdout.write('\n')
  for (const leftover of await findLeftovers(before)) process.stdout.write(`${LEFT}${leftover}\n`)
  process.stdout.write(`${END}${Date.now() - startedAt}\n`)
}
process.exitCode = failed ? 1 : 0
