import { test } from 'uvu'
import { takeQueryKeys } from '../../src/access/query-key.js'
import { errorFormatOf } from '../../src/api/error-format.js'
import { replacePathModel } from '../../src/api/model-paths.js'
import { findModelUse, isAmbiguousPath } from '../../src/api/model-use.js'
import { classifyRequest } from '../../src/api/request-class.js'
import { parseRequestTarget } from '../../src/api/request-target.js'
import { findAffinity } from '../../src/routing/affinity.js'
import { isFailoverDefault } from '../../src/routing/retry-policy.js'
import { assertGrowsLinearly } from '../support/growth.js'

/** Pieces that a path or a query of an attacker may be made of, over and over. */
const PIECES = [
  ...[
    '/v1',
    '/openai',
    '/api',
    '/v1beta',
    '/v1beta/models/',
    '/api/v1',
    '/cursor',
    '/openai/deployments',
    '/x',
  ],
  ...[
    ':',
    '%3a',
    ':generateContent',
    '/models/:',
    '%',
    '%2',
    '.',
    '/..',
    '\\',
    ';',
    '=',
    '?deployment=',
    'a',
  ],
]
const STARTS = [
  ...['/', '/models/', '/v1beta/models/', '/v1beta/tunedModels/', '/openai/deployments/'],
  ...['/model/', '/publishers/p/models/', '/projects/'],
]
const ENDS = ['', '/', '!', ':generateContent', ':generateContent!']

test('reading a path takes time in proportion to its length, whatever it is made of', () => {
  for (const start of STARTS)
    for (const piece of PIECES)
      for (const end of ENDS)
        assertGrowsLinearly(
          `${start}${piece}...${end}`,
          4_000,
          (size) => `${start}${piece.repeat(size / piece.length)}${end}`,
          (path) => {
            parseRequestTarget(path)
            errorFormatOf(path)
            classifyRequest('POST', path)
            isFailoverDefault('POST', path)
            findModelUse('POST', path)
            isAmbiguousPath('POST', path)
            replacePathModel('POST', path, 'm')
          },
        )
})

test('finding keys in a query takes time in proportion to its length', () => {
  for (const piece of ['key=', '&key=lc_', '&', '%6bey=lc_1&', '%', '%%', '=', '+', 'api-key=x&', '?'])
    assertGrowsLinearly(
      piece,
      20_000,
      (size) => `?${piece.repeat(size / piece.length)}`,
      (query) => {
        takeQueryKeys('/v1beta/models', query)
        takeQueryKeys('/files', query)
      },
    )
})

test('finding the chat of a body takes time in proportion to its length', () => {
  const texts = [
    '"messages"',
    '"messages":',
    '"messages":[',
    '"input":"',
    '"role":"user"',
    '"role":"user",',
    '{"role":',
  ]
  for (const text of [...texts, '"role": "user","content"', '[', '{', '"', '\\', ' ', '"contents":[{},'])
    for (const start of ['', '{"messages":[', '{"contents":[', '{"input":['])
      assertGrowsLinearly(
        `${start}${text}`,
        50_000,
        (size) => Buffer.from(start + text.repeat(size / text.length)),
        (bytes) => void findAffinity({ rawHeaders: [], key: null }, { bytes, session: null }),
      )
})

test.run()
