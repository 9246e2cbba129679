import { test } from 'uvu'
import { runWireFiles } from '../support/wire-file.js'

/**
 * Tests of limits that hold where another process counts, as they do in one (`THINWIRE_TEST_LIMITS=primary`, see
 * `support/primary-mode.ts`).
 */
const FILES = [
  'limits/alerts',
  'limits/amounts',
  'limits/chaos',
  'limits/key',
  'limits/life',
  'limits/models',
  'limits/websockets',
  'websocket/limits',
]

test(`where the primary counts, these hold: ${FILES.join(', ')}`, () =>
  runWireFiles(FILES, { THINWIRE_TEST_LIMITS: 'primary' }))

test.run()
