import { test } from 'uvu'
import { runWireFiles } from '../../support/wire-file.js'

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

test(`with the reference client, these hold: ${FILES.join(', ')}`, () =>
  runWireFiles(FILES, { THINWIRE_UPSTREAM_CLIENT: 'undici' }))

test.run()
