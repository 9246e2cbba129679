import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mintKey } from '../../src/access/key.js'
import { quoteName, redactText } from '../../src/exchange/log-text.js'

const SECRETS = [
  mintKey({ env: 'prod', team: 'team1', user: 'alice' }),
  'lc_prod_team1_alice',
  'sk-proj-abcdefghijklmnop',
  'sk-ant-api03-abcdefghijklmnop',
]

test('a name that contains a credential is redacted, wherever the credential stands', () => {
  for (const secret of SECRETS) {
    assert.is(redactText(secret), '***')
    assert.is(redactText(`gpt-4o ${secret}, ${secret}`), 'gpt-4o ***, ***')
    assert.is(quoteName(`/x/${secret}`), '"/x/***"')
    // The credential may be where a long text is truncated.
    assert.not.match(redactText(`${'x'.repeat(190)}${secret}`), secret.slice(0, 8))
  }
})

test('names that only begin like a credential stay unchanged', () => {
  for (const name of ['gpt-4o', 'sk-1', 'task-force', 'lc_x']) assert.is(redactText(name), name)
  assert.is(quoteName(null), 'null')
})

test.run()
