import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { DNS } from '../../src/doctor/connection.js'
import { createVisit } from '../support/visit.js'

test('a name without an address is reported with that name', async () => {
  // RFC 6761: no name below .invalid exists. A machine without a resolver reports that instead.
  const visit = createVisit('https://llm.invalid/v1')
  const { outcome, seen } = await DNS.run(visit)
  assert.is(outcome, 'failed')
  assert.match(seen, /^(?:llm\.invalid has no address|DNS gave no response for llm\.invalid) \(\w+\)$/)
  assert.is(visit.missing.get('address'), 'the name has no address')
})

test.run()
