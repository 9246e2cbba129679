import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { presentedKeys } from '../../src/access/credentials.js'
import { mintKey } from '../../src/access/key.js'
import { dropQueryKeys, takeQueryKeys } from '../../src/access/query-key.js'
import {
  CREDENTIAL_HEADERS,
  filterRequestHeaders,
  isNeverSent,
  OTHER_CREDENTIAL_HEADERS,
} from '../../src/http/request-headers.js'

const KEY = mintKey({ env: 'dev', team: 'a', user: 'b' })

/** Parameters that are not named as a header is. */
const PARAMETERS = ['key', 'api_key', 'apikey', 'access_token', 'subscription-key']

test('a key is read in each header where one may stand, and none of them reaches an upstream', () => {
  for (const name of [...CREDENTIAL_HEADERS, ...OTHER_CREDENTIAL_HEADERS])
    for (const value of name === 'authorization' ? [KEY, `Bearer ${KEY}`] : [KEY]) {
      assert.equal(presentedKeys([name, value]), [KEY], name)
      assert.ok(isNeverSent(name), name)
      assert.equal(filterRequestHeaders([name, 'a-provider-key'], [], false), [], name)
    }
})

test('a key is read in each parameter where one may stand, and none of them reaches an upstream', () => {
  for (const name of [...CREDENTIAL_HEADERS, ...OTHER_CREDENTIAL_HEADERS, ...PARAMETERS])
    for (const written of [name, name.toUpperCase(), `%${name.charCodeAt(0).toString(16)}${name.slice(1)}`]) {
      const query = `?a=1&${written}=${KEY}&b=2`
      assert.equal(takeQueryKeys('/chat/completions', query), { query: '?a=1&b=2', keys: [KEY] }, written)
      assert.is(dropQueryKeys(query), '?a=1&b=2', written)
      const others = `?a=1&${written}=a-provider-key`
      assert.is(dropQueryKeys(others), name === 'key' ? others : '?a=1', written)
    }
})

test.run()
