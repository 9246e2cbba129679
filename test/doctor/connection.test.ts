import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readBaseUrl } from '../../src/doctor/base-url.js'
import { DNS } from '../../src/doctor/connection.js'
import { Visit } from '../../src/doctor/visit.js'

test('a name without an address is reported with that name', async () => {
  // RFC 6761: no name below .invalid exists. A machine without a resolver reports that instead.
  const base = readBaseUrl('https://llm.invalid/v1')
  if (typeof base === 'string') throw new Error(base)
  const options = {
    base,
    key: 'k',
    models: [],
    modelsMax: 20,
    allShapes: false,
    findPlace: () => null,
    findLearned: () => null,
    cursor: false,
    timeoutMs: 10_000,
    idleMs: 0,
    roots: [],
  }
  const visit = new Visit(options)
  const { outcome, seen } = await DNS.run(visit)
  assert.is(outcome, 'failed')
  assert.match(seen, /^(?:llm\.invalid has no address|DNS gave no response for llm\.invalid) \(\w+\)$/)
  assert.is(visit.missing.get('address'), 'the name has no address')
})

test.run()
