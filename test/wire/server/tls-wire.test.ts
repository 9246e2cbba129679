import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

/**
 * Tests of the wire that hold over TLS as they do without it, run with relays that speak HTTPS (`THINWIRE_TEST_TLS=1`,
 * see `support/tls-mode.ts`): those that depend most on what a connection is. Others can be run by hand in the same way.
 */
const FILES = [
  'bytes/connection-reuse',
  'bytes/expect-continue',
  'cuts/close-delimited',
  'cuts/pipelined-cut',
  'cuts/upstream-cut',
  'leaving/tunnel-leaving',
  'server/drain',
  'server/upgrade-offer',
  'server/websocket',
]

/** Those on how a connection ends, which is another thing in each version of TLS. */
const ENDS = FILES.filter((file) => /^(?:cuts|leaving)\//.test(file))

const RUNS = [
  ...FILES.map((file) => [file, 'TLSv1.3'] as const),
  ...ENDS.map((file) => [file, 'TLSv1.2'] as const),
]

/** A file that hangs fails. */
const LIMIT_MS = 120_000

for (const [file, version] of RUNS)
  test(`${file} holds over ${version}`, async () => {
    const script = fileURLToPath(new URL(`../${file}.test.js`, import.meta.url))
    const env = { ...process.env, THINWIRE_TEST_TLS: '1' }
    const child = spawn(process.execPath, [`--tls-max-${version.slice(3)}`, script], {
      env,
      stdio: 'pipe',
      timeout: LIMIT_MS,
      killSignal: 'SIGKILL',
    })
    try {
      let out = ''
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (piece: Buffer) => {
          out += piece.toString()
        })
      const code = await new Promise((resolve) => child.once('close', resolve))
      assert.is(code, 0, out)
    } finally {
      child.kill('SIGKILL')
    }
  })

test.run()
