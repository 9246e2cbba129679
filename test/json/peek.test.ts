import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyEdits, createModelEdits } from '../../src/json/edits.js'
import { findEvery, parseOutline } from '../../src/json/outline.js'
import { type Peek, Peeker, peekFields, peekMembers } from '../../src/json/peek.js'
import { assertGrowsLinearly } from '../support/growth.js'
import { fc } from '../support/property.js'

/** The same fields by `JSON.parse`. */
function parsed(text: string): { model: string | null; stream: boolean | null } {
  const value: unknown = JSON.parse(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return { model: null, stream: null }
  const { model, stream } = value as Record<string, unknown>
  return {
    model: typeof model === 'string' ? model : null,
    stream: typeof stream === 'boolean' ? stream : null,
  }
}

function found(text: string): { model: string | null; stream: boolean | null } {
  const { model, stream } = peekFields(Buffer.from(text))
  return { model: model?.value ?? null, stream: stream?.value ?? null }
}

const TABLE: string[] = [
  '{}',
  '[]',
  '"model"',
  'null',
  '{"model":"a","stream":true}',
  '\r\n\t {"stream" :\n false , "model"\t: "a b" }\n',
  '{"model":"first","model":"last"}',
  '{"model":"first","model":null}',
  '{"stream":true,"stream":"yes"}',
  '{"mod\\u0065l":"escaped key"}',
  '{"\\u006d\\u006f\\u0064\\u0065\\u006c":"all of it"}',
  '{"str\\u0065am":true}',
  '{"model":"quote \\" and \\\\ and \\u00e9"}',
  '{"model":"naïve 🦊"}',
  '{"messages":[{"model":"inner","stream":true}],"model":"outer"}',
  '{"prompt":"{\\"model\\":\\"in a string\\"}","model":"m"}',
  '{"a":{"b":[[[{"c":"]}"}]]]},"model":"deep","stream":false}',
  '{"model":{"name":"an object"}}',
  '{"model":1,"stream":1}',
  '{"stream":null}',
  '{"n":-1.5e+10,"t":true,"f":false,"x":null,"model":"m"}',
  '{"model":""}',
  '{"Model":"case","STREAM":true}',
  '{"models":"longer","mode":"shorter"}',
  '{"stream_options":{"a":[1,{"b":"}"}]},"stream":true}',
  '{"stream_options":null,"stream_options":7}',
  '{"\\u0073tream_options":{"x":"naïve \\" 🦊"}}',
  '{"stream_options":[],"stream_option":{},"x":{"stream_options":1}}',
]

test('stream_options are found with their text, and very long ones with their place alone', () => {
  for (const text of TABLE.filter((each) => each.startsWith('{'))) {
    const { streamOptions } = peekFields(Buffer.from(text))
    const value: unknown = JSON.parse(text).stream_options
    assert.equal(streamOptions === null ? undefined : JSON.parse(streamOptions.value), value, text)
    if (streamOptions === null) continue
    const bytes = Buffer.from(text).subarray(streamOptions.start, streamOptions.end)
    assert.is(bytes.toString(), streamOptions.value)
  }
  const long = `{"stream_options":{"x":"${'y'.repeat(3_000)}"},"stream":true}`
  assert.equal(peekFields(Buffer.from(long)).streamOptions, { start: 18, end: long.length - 15, value: '' })
})

test('the temperature and the number of answers are what JSON.parse finds, however the body is cut', () => {
  const values = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom(null, 0, 1, 2, '0', 'null', true, [1], { n: 1 }),
  )
  const member = fc.tuple(fc.constantFrom('temperature', 'n', 'max_tokens', 'nn'), values)
  fc.assert(
    fc.property(
      fc.array(member, { maxLength: 6 }),
      fc.array(fc.nat(200), { maxLength: 4 }),
      (members, cuts) => {
        const text = `{${members.map(([key, value]) => `"${key}": ${JSON.stringify(value)}`).join(' ,')}}`
        const { temperature, n } = JSON.parse(text)
        const peeker = new Peeker()
        const bytes = Buffer.from(text)
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)), bytes.length].sort(
          (a, b) => a - b,
        )
        for (const [i, place] of places.entries()) peeker.push(bytes.subarray(places[i - 1] ?? 0, place))
        assert.is(peeker.found.temperature, typeof temperature === 'number' ? temperature : null, text)
        assert.is(peeker.found.several, n !== undefined && n !== null && n !== 1, text)
      },
    ),
  )
})

test('the model of a session is found beside that of the object, however the body is cut', () => {
  const instructions = 'x"\n{'.repeat(2_000)
  const CASES: [body: unknown, model: string | null][] = [
    [{ session: { type: 'realtime', model: 'inner' } }, 'inner'],
    [{ expires_after: {}, session: { instructions, tools: [{ model: 'no' }], model: 'inner' } }, 'inner'],
    [{ session: { model: 'inner' }, model: 'own' }, 'inner'],
    [{ model: 'own', session: { model: 'inner' } }, 'inner'],
    [{ session: { audio: { input: { model: 'no' } } } }, null],
    [{ session: { model: 7 } }, null],
    [{ session: { instructions: 'x'.repeat(300_000), model: 'no' } }, null],
    [{ session: { instructions: 'x'.repeat(300_000) }, model: 'own' }, null],
    [{ session: 'model' }, null],
    [{ session: ['model'] }, null],
    [{ sessions: { model: 'no' } }, null],
  ]
  for (const [value, model] of CASES) {
    const body = Buffer.from(JSON.stringify(value))
    for (
      let cut = 0;
      cut <= body.length;
      cut += body.length > 100_000 ? 37_001 : body.length > 1_000 ? 97 : 1
    ) {
      const peeker = new Peeker()
      for (const piece of [body.subarray(0, cut), body.subarray(cut)]) peeker.push(piece)
      const { found } = peeker
      const { sessionModel } = found
      assert.is(sessionModel?.value ?? null, model)
      assert.is(found.model?.value ?? null, 'model' in (value as object) ? 'own' : null)
      if (sessionModel !== null)
        assert.is(body.toString('utf8', sessionModel.start, sessionModel.end), JSON.stringify(model))
    }
  }
})

test('a session that comes in small pieces is read in time in proportion to its length', () => {
  assertGrowsLinearly(
    'a session in pieces of 8 bytes',
    25_000,
    (size) => Buffer.from(`{"session":{"instructions":"${'x'.repeat(size)}","model":"m"}}`),
    (body) => {
      const peeker = new Peeker()
      for (let at = 0; at < body.length; at += 8) peeker.push(body.subarray(at, at + 8))
      assert.is(peeker.found.sessionModel?.value, 'm')
    },
  )
})

test('a prompt is found if it is one string', () => {
  const prompts: Record<string, string | null> = {
    '{"prompt":"a","suffix":"b"}': '"a"',
    '{"model":"m", "prompt" : "a \\" \\\\" }': '"a \\" \\\\"',
    '{"pro\\u006dpt":"naïve 🦊"}': '"naïve 🦊"',
    '{"prompt":""}': '""',
    '{"prompt":["a"]}': null,
    '{"prompt":[1,2]}': null,
    '{"prompt":{"id":"a"}}': null,
    '{"prompt":null}': null,
    '{"x":{"prompt":"a"},"prompts":"b"}': null,
    '{"prompt":"a","prompt":"b"}': null,
    '{"prompt":["a"],"prompt":"b"}': null,
    '{"prompt":"a': null,
  }
  prompts[`{"prompt":"${'x'.repeat(5_000)}","model":"m"}`] = `"${'x'.repeat(5_000)}"`
  for (const [text, wanted] of Object.entries(prompts)) {
    const body = Buffer.from(text)
    const whole = peekFields(body)
    const { prompt } = whole
    assert.is(prompt && body.toString('utf8', prompt.start, prompt.end), wanted, text)
    for (let at = 0; at < body.length; at += 1 + Math.floor(body.length / 100))
      assert.equal(peekInChunks(body, [at, at + 7]), whole, `${text}, cut at ${at}`)
  }
})

/** Bodies with the stored objects that they name, whether they are to be stored, and in the background. */
const STORED: Readonly<
  Record<string, readonly [references: string, store?: boolean | null, background?: boolean]>
> = {
  '{"previous_response_id":"resp_1","input":"hi"}': ['previous_response_id=resp_1'],
  '{"conversation":"conv_1","store":false}': ['conversation=conv_1', false],
  '{"conversation": { "x":[1], "id" : "conv_1" } ,"background":true}': ['conversation=conv_1', null, true],
  '{"conv\\u0065rsation":{"\\u0069d":"conv_1"}}': ['conversation=conv_1'],
  '{"input_file_id":"file-1","file_id":"file-2","assistant_id":"asst_1"}': [
    'input_file_id=file-1 file_id=file-2 assistant_id=asst_1',
  ],
  '{"previous_response_id":"a","previous_response_id":"b"}': [
    'previous_response_id=a previous_response_id=b',
  ],
  '{"previous_response_id":null,"conversation":{},"file_id":7,"store":null}': [''],
  '{"conversation":["conv_1"],"store":"true","background":1}': [''],
  '{"input":[{"previous_response_id":"inner","store":true}]}': [''],
  [`{"conversation":{"id":"conv_1","x":"${'x'.repeat(2_000)}"},"store":true}`]: ['conversation=', true],
}

for (const [text, [references, store = null, background = null]] of Object.entries(STORED))
  test(`the stored objects of ${text.slice(0, 70)} are "${references}", wherever it is cut`, () => {
    const body = Buffer.from(text)
    const whole = peekFields(body)
    assert.is(whole.references.map(({ field, id }) => `${field}=${id}`).join(' '), references)
    assert.equal([whole.store, whole.background], [store, background])
    for (let at = 0; at < body.length; at += 1 + Math.floor(body.length / 200))
      assert.equal(peekInChunks(body, [at, at + 3]), whole, `cut at ${at}`)
  })

test('of a key that is there many times the first and the last object are kept', () => {
  const many = Array.from({ length: 100 }, (_, i) => `"file_id":"file-${i}"`)
  const { references } = peekFields(Buffer.from(`{"conversation":"c",${many.join()},"assistant_id":"a"}`))
  assert.equal(
    references.map(({ id }) => id),
    ['c', 'file-0', 'file-99', 'a'],
  )
})

for (const text of TABLE) {
  test(`the fields of ${text.slice(0, 60)} are those that a parser finds`, () => {
    assert.equal(found(text), parsed(text))
  })
}

/** Strings full of characters that a scanner can stumble over. */
const awkward = fc
  .array(
    fc.oneof(
      fc.constantFrom('"', '\\', '{', '}', '[', ']', ',', ':', 'model', 'stream', '\n', 'é', '🦊'),
      fc.string({ maxLength: 40 }),
    ),
    { maxLength: 30 },
  )
  .map((parts) => parts.join(''))

const value = fc.letrec((tie) => ({
  any: fc.oneof(
    { maxDepth: 4 },
    awkward,
    fc.boolean(),
    fc.constant(null),
    fc.double(),
    tie('list'),
    tie('object'),
  ),
  list: fc.array(tie('any'), { maxLength: 4 }),
  object: fc.dictionary(awkward, tie('any'), { maxKeys: 4 }),
})).any

const members = fc.array(
  fc.tuple(
    fc.oneof(fc.constantFrom('model', 'stream', 'store', 'conversation', 'previous_response_id'), awkward),
    fc.oneof(value, fc.boolean(), fc.constantFrom('m', 'gpt-x')),
    fc.boolean(),
  ),
  { maxLength: 7 },
)

/** A key as JSON, either plainly or with every character escaped. */
function key(name: string, escaped: boolean): string {
  if (!escaped) return JSON.stringify(name)
  return `"${[...Array(name.length).keys()].map((i) => `\\u${name.charCodeAt(i).toString(16).padStart(4, '0')}`).join('')}"`
}

const places = fc.array(fc.nat(400), { maxLength: 8 })

/** The same bytes in several chunks. */
function cut(body: Buffer, cuts: readonly number[]): Buffer[] {
  const ends = [...cuts.filter((at) => at < body.length), body.length].sort((a, b) => a - b)
  return ends.map((end, i) => body.subarray(ends[i - 1] ?? 0, end))
}

function peekInChunks(body: Buffer, cuts: readonly number[]): Peek {
  const peeker = new Peeker()
  for (const chunk of cut(body, cuts)) peeker.push(chunk)
  return peeker.found
}

test('the same fields are found wherever the body is cut into chunks', () => {
  fc.assert(
    fc.property(members, awkward, places, (list, rest, cuts) => {
      const text = `{${list.map(([name, v, escaped]) => `${key(name, escaped)}: ${JSON.stringify(v)}`).join(' ,')}}`
      for (const each of [text, text.slice(0, -1) + rest, rest]) {
        const body = Buffer.from(each)
        assert.equal(peekInChunks(body, cuts), peekFields(body), each)
      }
    }),
    { numRuns: 2000 },
  )
  for (const text of TABLE) {
    const body = Buffer.from(text)
    const bytes = [...body.keys()]
    assert.equal(peekInChunks(body, bytes), peekFields(body), `${text}, byte by byte`)
    for (const at of bytes) assert.equal(peekInChunks(body, [at]), peekFields(body), `${text}, cut at ${at}`)
  }
})

test('a very long key or value is ignored, in one chunk or in many', () => {
  const long = 'm'.repeat(5_000)
  for (const text of [
    `{"model":"${long}"}`,
    `{"${long}":1,"model":"m"}`,
    `{"model":"${long}","model":"m"}`,
  ]) {
    const body = Buffer.from(text)
    const every = [...Array(60).keys()].map((i) => i * 100)
    assert.equal(peekInChunks(body, every), peekFields(body))
    assert.is(peekFields(body).model?.value ?? null, text.endsWith('"m"}') ? 'm' : null)
  }
})

test('the fields of every object are those that a parser finds, with doubled and escaped keys', () => {
  fc.assert(
    fc.property(members, fc.constantFrom('', ' ', '\n\t'), (list, space) => {
      const text = `{${list.map(([name, v, escaped]) => `${space}${key(name, escaped)}${space}:${space}${JSON.stringify(v)}${space}`).join(',')}}`
      assert.equal(found(text), parsed(text))
    }),
    { numRuns: 2000 },
  )
})

const FIELDS = ['stream_options', 'tools', 'functions', 'max_tokens', 'max_completion_tokens', 'prompt']

test('the members of an outline give the same fields as a walk over the body', () => {
  const keys = fc.oneof(fc.constantFrom('model', 'stream', ...FIELDS), awkward)
  const values = fc.oneof(value, fc.nat(9), fc.constantFrom('x'.repeat(1_100)))
  const list = fc.array(fc.tuple(keys, values, fc.boolean()), { maxLength: 9 })
  fc.assert(
    fc.property(list, fc.constantFrom('', ' ', '\n\t'), (all, space) => {
      const text = all.map(
        ([name, of, escaped]) => `${space}${key(name, escaped)}:${JSON.stringify(of)}${space}`,
      )
      const body = Buffer.from(`${space}{${text.join(',')}}${space}`)
      const outline = parseOutline(body, findEvery())
      if (outline === null) throw new Error('no outline')
      assert.equal(peekMembers(body, outline), peekFields(body))
    }),
  )
})

test('runs of backslashes are counted right at every distance from the start of a string', () => {
  for (let before = 0; before < 60; before++) {
    for (let slashes = 0; slashes < 6; slashes++) {
      const text = JSON.stringify({
        prompt: `${'x'.repeat(before)}${'\\'.repeat(slashes)}"`,
        model: 'm',
        stream: true,
      })
      assert.equal(found(text), { model: 'm', stream: true }, text)
    }
  }
})

test('reading bytes that are not JSON neither throws nor hangs', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array({ maxLength: 300 }),
        awkward.map((text) => Buffer.from(`{${text}`)),
      ),
      (bytes) => {
        peekFields(Buffer.from(bytes))
      },
    ),
    { numRuns: 3000 },
  )
  const whole = '{"model":"m","messages":[{"content":"a \\" b"}],"stream":true}'
  for (let i = 0; i < whole.length; i++) peekFields(Buffer.from(whole.slice(0, i)))
})

test('another model name changes the bytes of that value and no others', () => {
  fc.assert(
    fc.property(members, awkward, places, (list, name, cuts) => {
      const text = `{${list.map(([k, v]) => `${JSON.stringify(k)}: ${JSON.stringify(v)}`).join(' ,')}}`
      const body = Buffer.from(text)
      const found = peekFields(body)
      const edits = createModelEdits(found, name)
      const spliced = Buffer.concat(applyEdits(cut(body, cuts), edits))
      const first = edits[0]
      const last = edits.at(-1)
      if (first === undefined || last === undefined) {
        assert.ok(spliced.equals(body))
        return
      }
      assert.ok(spliced.subarray(0, first.start).equals(body.subarray(0, first.start)))
      const tail = body.subarray(last.end)
      assert.ok(spliced.subarray(spliced.length - tail.length).equals(tail))
      const changed = list.map(([k, v]) => [k, k.toLowerCase() === 'model' && v !== null ? name : v] as const)
      const wanted = `{${changed.map(([k, v]) => `${JSON.stringify(k)}: ${JSON.stringify(v)}`).join(' ,')}}`
      if (found.model !== null) assert.equal(JSON.parse(spliced.toString()), JSON.parse(wanted))
    }),
    { numRuns: 1000 },
  )
})

test.run()
