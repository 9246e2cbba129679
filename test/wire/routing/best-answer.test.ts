import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { JSON_TYPE, refusing } from '../../support/failures.js'
import { withTargets } from '../../support/targets.js'
import { type Script, step, whole } from '../../support/upstream.js'

const html =
  (status: string, ...headers: string[]): Script =>
  (request) =>
    request.write(whole(status, '<html>bad gateway</html>', 'content-type: text/html', ...headers))

const LIMITED = refusing('429 No', { error: { message: 'slow' } }, 'retry-after: 7')

/** What the targets do, in their order, and the status and the wait that the client gets. */
const ROWS: readonly (readonly [string, readonly Script[], number, string | undefined])[] = [
  ['a rate limit and a wrong key', [LIMITED, refusing('401 No', {})], 429, '7'],
  ['a rate limit and a refusal', [LIMITED, refusing('422 No', { detail: 'odd' })], 429, '7'],
  ['a rate limit and a bad request', [LIMITED, refusing('400 No', {})], 429, '7'],
  ['a rate limit and the page of a proxy', [LIMITED, html('524 Slow')], 429, '7'],
  ['the page of a proxy and a rate limit', [html('524 Slow'), LIMITED], 429, '7'],
  ['a rate limit and a lost connection', [LIMITED, step.end()], 429, '7'],
  ['the page of a proxy and an error of the API', [html('502 Bad'), refusing('500 No', {})], 500, undefined],
  ['an error of the API and the page of a proxy', [refusing('500 No', {}), html('502 Bad')], 500, undefined],
  ['two waits', [LIMITED, refusing('503 No', {}, 'retry-after: 3')], 503, '3'],
  ['two waits, the other way round', [refusing('503 No', {}, 'retry-after: 3'), LIMITED], 503, '3'],
  ['a wrong key and a bad request', [refusing('401 No', {}), refusing('400 No', {})], 400, undefined],
  [
    'a used-up quota and a bad request',
    [refusing('429 No', { error: { code: 'insufficient_quota' } }), refusing('400 No', {})],
    429,
    undefined,
  ],
  ['a server error and a wrong key', [refusing('500 No', {}), refusing('401 No', {})], 500, undefined],
  ['three of a kind', [LIMITED, refusing('400 No', {}), refusing('401 No', {})], 429, '7'],
  [
    'a wait behind two others',
    [refusing('500 No', {}), html('502 Bad'), refusing('529 No', {}, 'retry-after: 9')],
    529,
    '9',
  ],
]

for (const [name, scripts, status, wait] of ROWS) {
  test(`after ${name} the client gets ${status}${wait === undefined ? '' : ' with its wait'}`, async () => {
    await withTargets(scripts, async ({ ask, record }) => {
      const response = await ask()
      assert.is(response.status, status)
      assert.is(response.header('retry-after'), wait)
      assert.ok(response.complete)
      const { end, status: told } = await record()
      assert.equal([end, told], ['done', status])
    })
  })
}

test('the best response is kept while worse ones are still arriving', async () => {
  const slow: Script = async (request) => {
    await request.write(`HTTP/1.1 503 No\r\n${JSON_TYPE}\r\nretry-after: 5\r\ncontent-length: 2\r\n\r\n{`)
    await new Promise((resolve) => setTimeout(resolve, 60))
    await request.write('}')
  }
  await withTargets([slow, refusing('400 No', {})], async ({ ask }) => {
    const response = await ask()
    assert.is(response.status, 503)
    assert.is(response.body.toString(), '{}')
  })
})

test.run()
