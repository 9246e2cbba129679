import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readFormModels } from '../../src/http/form-data.js'
import { readRequestMedia } from '../../src/http/request-media.js'
import { assertGrowsLinearly } from '../support/growth.js'
import { fc } from '../support/property.js'

const names = fc.constantFrom('model', 'file', 'prompt', 'language', 'timestamp_granularities[]')
const values = fc.oneof(fc.stringMatching(/^[!-~]{1,20}$/), fc.string())

async function write(fields: readonly (readonly [string, string | Blob])[]) {
  const form = new FormData()
  for (const [name, value] of fields) form.append(name, value)
  const response = new Response(form)
  const raw = ['content-type', response.headers.get('content-type') ?? '']
  return { body: Buffer.from(await response.arrayBuffer()), media: readRequestMedia(raw) }
}

test("what the platform's own forms say is read, with its place", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(names, values), { maxLength: 5 }), async (fields) => {
      const { body, media } = await write([
        ...fields,
        ['file', new Blob(['\r\n--x\0'], { type: 'audio/wav' })],
      ])
      const { isWhole, models } = readFormModels(body, media.boundary ?? '')
      assert.ok(isWhole)
      const wanted = fields.filter(([name]) => name === 'model').map(([, value]) => value)
      assert.is(models.length, wanted.length)
      for (const [i, { value, start, end, isExact }] of models.entries()) {
        assert.ok(isExact)
        if (value !== null) assert.is(value, wanted[i])
        if (/^[!-~]+$/.test(wanted[i] ?? '')) assert.is(value, wanted[i])
        assert.is(
          body.toString('utf8', start, end),
          Buffer.from((wanted[i] ?? '').replace(/\r?\n|\r/g, '\r\n')).toString(),
        )
      }
    }),
    { numRuns: 300 },
  )
})

test('any part of a form is no whole form, and nothing that is read makes the reader fail', async () => {
  const { body, media } = await write([
    ['model', 'm'],
    ['file', new Blob(['abc'])],
  ])
  for (let at = 0; at < body.length - 2; at++)
    assert.not(readFormModels(body.subarray(0, at), media.boundary ?? '').isWhole, `${at}`)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(body.length), (noise, at) => {
      readFormModels(Buffer.concat([body.subarray(0, at), noise, body.subarray(at)]), media.boundary ?? '')
    }),
    { numRuns: 1_000 },
  )
})

test('a form is read in a time that grows with its length, whatever is in it', () => {
  const part = '--b\r\nContent-Disposition: form-data; name="model"\r\n\r\nm\r\n'
  const start = '--b\r\nContent-Disposition: form-data'
  const shapes: Readonly<Record<string, (count: number) => string>> = {
    parts: (count) => `${part.repeat(count)}--b--`,
    'a long file': (count) => `${start}; name="f"\r\n\r\n${'\r\n-'.repeat(count)}\r\n--b--`,
    'a head without an end': (count) => `--b\r\n${'a: b\r\n'.repeat(count)}`,
    parameters: (count) => `${start}${'; name="a"'.repeat(count)}\r\n\r\n\r\n--b--`,
  }
  for (const [what, write] of Object.entries(shapes))
    assertGrowsLinearly(
      what,
      5_000,
      (count) => Buffer.from(write(count)),
      (body) => void readFormModels(body, 'b'),
    )
})

const MEDIA: readonly (readonly [string[], ReturnType<typeof readRequestMedia>])[] = [
  [[], { coding: null, boundary: null, isUnclear: false }],
  [['Content-Type', 'application/json'], { coding: null, boundary: null, isUnclear: false }],
  [['content-type', 'application/json; charset=UTF-8'], { coding: null, boundary: null, isUnclear: false }],
  [['content-type', 'application/json; charset=utf-16'], { coding: null, boundary: null, isUnclear: true }],
  [['content-type', 'text/plain', 'Content-Type', 'a/b'], { coding: null, boundary: null, isUnclear: true }],
  [['content-type', 'application/x-www-form-urlencoded'], { coding: null, boundary: null, isUnclear: true }],
  [['content-type', 'multipart/mixed; boundary=a'], { coding: null, boundary: null, isUnclear: true }],
  [
    ['content-type', 'multipart/form-data; boundary=a; boundary=b'],
    { coding: null, boundary: null, isUnclear: true },
  ],
  [
    ['content-type', "multipart/form-data; boundary*=utf-8''a"],
    { coding: null, boundary: null, isUnclear: true },
  ],
  [['content-type', 'Multipart/Form-Data;boundary="a b"'], { coding: null, boundary: null, isUnclear: true }],
  [
    ['content-type', 'multipart/form-data; boundary=a-1'],
    { coding: null, boundary: 'a-1', isUnclear: false },
  ],
  [['content-encoding', 'identity'], { coding: null, boundary: null, isUnclear: false }],
  [['Content-Encoding', ' GZip '], { coding: 'gzip', boundary: null, isUnclear: false }],
  [
    ['content-encoding', 'gzip', 'content-encoding', 'br'],
    { coding: 'unknown', boundary: null, isUnclear: false },
  ],
  [['content-encoding', 'gzip, identity'], { coding: 'gzip', boundary: null, isUnclear: false }],
  [['content-encoding', 'aws-chunked'], { coding: 'unknown', boundary: null, isUnclear: false }],
]

test('the head says how a body is written', () => {
  for (const [raw, wanted] of MEDIA) assert.equal(readRequestMedia(raw), wanted, raw.join())
})

test.run()
