import { fileURLToPath } from 'node:url'
import { checkSourceTree } from './source-tree.js'

/**
 * Run by `npm run check`: fails on an import that goes to a higher layer, on a cycle between folders, on a folder
 * without a README.md, on comment lines that are too long and on files that are too long.
 */

/** Lowest first; see `TreeRules.layers`. */
const LAYERS = [
  ['lib', 'version.ts', 'node-floor.ts'],
  ['json', 'http', 'sse', 'api'],
  ['config', 'access'],
  ['metering', 'translate'],
  ['exchange'],
  ['routing', 'upstream'],
  ['ledger', 'observe'],
  ['limits', 'stored', 'direct', 'rollups'],
  ['relay'],
  ['cache'],
  ['admin', 'server', 'page'],
  ['workers'],
  ['app'],
  ['doctor', 'demo', 'commands'],
  ['cli.ts'],
]

/** These lists may only become shorter. */
const ALLOWED_IMPORTS: readonly string[] = []

const ALLOWED_READMES: readonly string[] = []

const ALLOWED_COMMENTS: readonly string[] = []

const ALLOWED_FILES: readonly string[] = []

/** What the browser runs. */
const APART = [
  {
    folder: 'page/browser',
    files: ['page/shapes.ts'],
    packages: ['preact', 'preact/hooks', 'uplot'],
  },
]

const { problems, allowed, warnings } = checkSourceTree(
  fileURLToPath(new URL('../../src', import.meta.url)),
  {
    layers: LAYERS,
    allowedImports: ALLOWED_IMPORTS,
    allowedReadmes: ALLOWED_READMES,
    allowedComments: ALLOWED_COMMENTS,
    allowedFiles: ALLOWED_FILES,
    apart: APART,
  },
)
const print = (text: string): boolean => process.stderr.write(`layers: ${text}\n`)
const shown = process.argv.includes('--allowed') ? allowed : []
for (const text of shown) print(`allowed for now: ${text}`)
if (allowed.length > shown.length)
  print(`warning: ${allowed.length} problems are allowed for now: node dist/scripts/layers.js --allowed`)
for (const warning of warnings) print(`warning: ${warning}`)
for (const problem of problems) print(problem)
if (problems.length > 0) process.exitCode = 1
