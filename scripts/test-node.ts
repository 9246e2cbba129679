import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { type Count, obtainNode, runSuite } from './node-versions.js'

// Runs the built test suite on other Node versions, which come from the npm registry, one after another:
//
//   npm run test:node                        the newest 22, 24 and 26
//   npm run test:node -- --node 20.18.1      another one; may be given several times
//   npm run test:node -- http                only the test files whose path contains this
//
// The last line is the sum of all runs, as the runner writes it. A version that cannot be obtained is one failure.

const VERSIONS = ['22', '24', '26']
const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const { values, positionals } = parseArgs({
  options: {
    node: { type: 'string', multiple: true, default: VERSIONS },
    cache: { type: 'string', default: `${ROOT}node_modules/.cache/thinwire-node` },
  },
  allowPositionals: true,
})

const print = (line: string): boolean => process.stdout.write(`${line}\n`)

/** What the runner says of failures when it ends, and the lines below it: they are told again at the very end. */
const FAILURE = /^(failed: |warning: .* failed, )/

let stopped = false
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.on(signal, () => {
    stopped = true
  })
}

const summary: string[] = []
let passed = 0
let failed = 0
for (const wanted of values.node) {
  if (stopped) break
  print(`node ${wanted}: is obtained`)
  const outcome = await test(wanted)
  passed += outcome.passed
  failed += outcome.failed
  summary.push(outcome.text)
}

print('')
for (const line of summary) print(line)
if (stopped) failed++
print(`${passed} passed, ${failed} failed`)
process.exitCode = failed > 0 ? 1 : 0

async function test(wanted: string): Promise<Count & { readonly text: string }> {
  let name = wanted
  try {
    const node = await obtainNode(wanted, values.cache)
    name = node.version
    print(`node ${name}: runs the tests`)
    const failures: string[] = []
    let isFailure = false
    const count = await runSuite(node, ROOT, positionals, (line) => {
      isFailure = FAILURE.test(line) || (isFailure && line.startsWith('  '))
      if (isFailure) failures.push(line)
      print(line)
    })
    const total = `node ${name}: ${count.passed} passed, ${count.failed} failed`
    return { ...count, text: [total, ...failures].join('\n') }
  } catch (error) {
    const text = `node ${name}: FAILED, ${error instanceof Error ? error.message : String(error)}`
    print(text)
    return { passed: 0, failed: 1, text }
  }
}
