import { createHash } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyEdits, createModelEdits, createUsageEdit, type Edit } from '../../src/json/edits.js'
import { peekFields } from '../../src/json/peek.js'
import { fc } from '../support/property.js'

function cut(body: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.filter((at) => at < body.length), body.length].sort((a, b) => a - b)
  return ends.map((end, i) => body.subarray(ends[i - 1] ?? 0, end))
}

test('edits are applied and all other bytes stay, wherever the body is cut into chunks', () => {
  const edits = fc.array(fc.tuple(fc.nat(20), fc.nat(5), fc.string({ maxLength: 4 })), { maxLength: 4 })
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 80 }), fc.array(fc.nat(80)), edits, (bytes, cuts, list) => {
      const body = Buffer.from(bytes)
      const made: Edit[] = []
      let expected = ''
      let at = 0
      for (const [gap, size, text] of list) {
        const start = at + gap
        // An edit stands before a byte: JSON ends with a brace.
        if (start >= body.length) break
        const end = Math.min(start + size, body.length)
        made.push({ start, end, text })
        expected += body.toString('latin1', at, start) + Buffer.from(text).toString('latin1')
        at = end
      }
      expected += body.toString('latin1', at)
      assert.is(Buffer.concat(applyEdits(cut(body, cuts), made)).toString('latin1'), expected)
    }),
    { numRuns: 3_000 },
  )
})

function requestUsage(text: string): string | null {
  const body = Buffer.from(text)
  const edit = createUsageEdit(peekFields(body))
  return edit === null ? null : Buffer.concat(applyEdits([body], [edit])).toString()
}

const OPTIONS = '"stream_options":{"include_usage":true}'

const REQUESTED: Readonly<Record<string, string | null>> = {
  '{"model":"m","stream":true}': `{"model":"m","stream":true,${OPTIONS}}`,
  '{ "stream" : true , "model":"m" }': `{ "stream" : true,${OPTIONS} , "model":"m" }`,
  '{"stream":true,"stream_options":null}': `{"stream":true,${OPTIONS}}`,
  '{"stream_options":{},"stream":true}': `{${OPTIONS},"stream":true}`,
  '{"stream":true,"stream_options":{"include_obfuscation":false}}':
    '{"stream":true,"stream_options":{"include_obfuscation":false,"include_usage":true}}',
  '{"stream":true,"stream_options":{"include_usage":false}}': `{"stream":true,${OPTIONS}}`,
  '{"stream":true,"stream_options":{"include_usage":true}}': null,
  '{"stream":true,"stream_options":"wrong"}': null,
  '{"stream":true,"stream_options":[1]}': null,
  '{"stream":false}': null,
  '{"model":"m"}': null,
  '{"stream":true,"stream":false}': null,
  'not JSON': null,
}

for (const [body, expected] of Object.entries(REQUESTED)) {
  test(`usage is ${expected === null ? 'not requested' : 'requested'} in ${body}`, () => {
    assert.is(requestUsage(body), expected)
  })
}

test('a model name and a usage request can be put into one body', () => {
  const body = Buffer.from('{"stream":true,"model":"alias","messages":[]}')
  const found = peekFields(body)
  const edits = [createUsageEdit(found) as Edit, ...createModelEdits(found, 'real')]
  assert.is(
    Buffer.concat(applyEdits([body], edits)).toString(),
    `{"stream":true,${OPTIONS},"model":"real","messages":[]}`,
  )
})

test('a prompt that gets another model keeps every byte before and after the name', () => {
  const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex')
  const before = Buffer.from(
    `{ "messages":[{"role":"user","content":"${'\\u00e9 \u{1f600} "model":'.replaceAll('"', '\\"').repeat(500)}"}],\r\n\t"model" : `,
  )
  const after = Buffer.from(`\t, "stream":true,"metadata":{"model":"team-fast"},"n":1.0e0 }\n`)
  const body = Buffer.concat([before, Buffer.from('"team-\\u0066ast"'), after])
  for (const cuts of [
    [],
    [before.length + 3],
    [1, 100, before.length - 1, before.length + 17],
    [body.length - 1],
  ]) {
    const edits = createModelEdits(peekFields(body), 'gpt-4o-"mini"')
    assert.is(edits.length, 1)
    const spliced = Buffer.concat(applyEdits(cut(body, cuts), edits))
    const end = spliced.length - after.length
    assert.is(hash(spliced.subarray(0, before.length)), hash(before))
    assert.is(hash(spliced.subarray(end)), hash(after))
    assert.is(spliced.toString('utf8', before.length, end), '"gpt-4o-\\"mini\\""')
  }
})

test.run()
