import { test } from 'uvu'
import { runWireFile } from '../support/wire-file.js'

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

for (const file of FILES)
  test(`${file} holds where the primary counts`, () => runWireFile(file, { THINWIRE_TEST_LIMITS: 'primary' }))

test.run()
