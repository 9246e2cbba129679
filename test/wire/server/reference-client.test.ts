import { test } from 'uvu'
import { runWireFile } from '../../support/wire-file.js'

/**
 * Tests of the wire that run with undici's client, too (`THINWIRE_UPSTREAM_CLIENT=undici`): the fewest that have what is
 * hostile, cuts, resets and kept connections in them. What holds for both does not come from a reading of our own.
 */
const FILES = [
  'bytes/connection-reuse',
  'cuts/close-delimited',
  'cuts/hostile-upstreams',
  'cuts/upstream-cut',
  'routing/lost-connections',
]

for (const file of FILES)
  test(`${file} holds with the reference client`, () =>
    runWireFile(file, { THINWIRE_UPSTREAM_CLIENT: 'undici' }))

test.run()
