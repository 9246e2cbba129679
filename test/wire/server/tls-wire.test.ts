import { test } from 'uvu'
import { runWireFiles } from '../../support/wire-file.js'

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

for (const [version, files] of [
  ['TLSv1.3', FILES],
  ['TLSv1.2', ENDS],
] as const)
  test(`over ${version}, these hold: ${files.join(', ')}`, () =>
    runWireFiles(files, { THINWIRE_TEST_TLS: '1' }, [`--tls-max-${version.slice(3)}`]))

test.run()
