import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { takeQueryKeys } from '../../src/access/query-key.js'
import { fc } from '../support/property.js'

const GOOGLE = '/models/m:generateContent'

const CASES: ReadonlyArray<[path: string, query: string, left: string | null, keys?: readonly string[]]> = [
  [GOOGLE, '?key=AIza', '', ['AIza']],
  [GOOGLE, '?alt=sse&key=lc_1', '?alt=sse', ['lc_1']],
  [GOOGLE, '?key=lc_1&alt=sse&KEY=lc_2', '?alt=sse', ['lc_1', 'lc_2']],
  [GOOGLE, '?%6bey=lc_1&a=%7E', '?a=%7E', ['lc_1']],
  [GOOGLE, '?key=', '', []],
  ['/v1beta/models', '?pageSize=5&key=a%2Bb', '?pageSize=5', ['a+b']],
  ['/realtime', '?model=m&api-key=x', '?model=m', ['x']],
  ['/realtime', '?model=m&access_token=lc_1', '?model=m', ['lc_1']],
  ['/chat/completions', '?api_key=lc_1', '', ['lc_1']],
  ['/chat/completions', '?apikey=lc_1&&x', '?&x', ['lc_1']],
  // What is no key of ours may mean something at an upstream.
  ['/files', '?key=theirs', null],
  ['/files', '?access_token=theirs', null],
  [GOOGLE, '?alt=sse', null],
  [GOOGLE, '?monkey=lc_1', null],
  [GOOGLE, '?', null],
  [GOOGLE, '', null],
]

for (const [path, query, left, keys] of CASES)
  test(`of ${path}${query} is left ${left ?? 'all'}`, () => {
    assert.equal(takeQueryKeys(path, query), left === null ? null : { query: left, keys })
  })

test('no key of ours is left under the name of a key, and all else stays in its order', () => {
  const parameter = fc.oneof(
    fc.constantFrom(
      'key=lc_a',
      'api-key=lc_a',
      'API_KEY=lc_a',
      'apikey=%6cc_a',
      'acces%73_token=lc_a',
      'key',
    ),
    fc.string({ maxLength: 8 }).map((text) => encodeURIComponent(text)),
  )
  fc.assert(
    fc.property(fc.array(parameter, { maxLength: 6 }), fc.constantFrom(GOOGLE, '/files'), (list, path) => {
      const query = `?${list.join('&')}`
      const left = (takeQueryKeys(path, query)?.query ?? query).slice(1).split('&')
      for (const [name, value] of new URLSearchParams(left.join('&')))
        if (/^(?:api[-_]?)?key$|^access_token$/i.test(name)) assert.not.ok(value.startsWith('lc_'))
      let at = 0
      for (const one of left) {
        at = list.indexOf(one, at) + 1
        if (one !== '') assert.ok(at > 0)
      }
    }),
  )
})

test.run()
