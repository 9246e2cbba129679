import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createView } from '../../src/lib/same-bytes.js'
import { EventTemplate } from '../../src/metering/event-template.js'
import { TokenEstimator } from '../../src/metering/token-estimator.js'

/** An event in parts; every second part is a hole. */
interface Shape {
  readonly name: string
  readonly parts: readonly string[]
  /** Index of the part that is the text. */
  readonly text: number
  /** Events that match the template, and the bytes of their text. */
  readonly fitting: readonly (readonly [parts: readonly string[], textBytes: number])[]
  readonly unfitting: readonly (readonly string[])[]
}

const chatFrom = (model: string): string =>
  `data: {"id":"chatcmpl-7","model":"${model}","choices":[{"index":0,"delta":{"content":"`
const responseOf = (event: string): string =>
  `event:${event}\ndata: {"type":"response.output_text.delta","sequence_number":`

const CHAT: readonly string[] = [
  chatFrom('m'),
  'Hello',
  '"},"finish_reason":null}],"usage":null,"obfuscation":"',
  'Zk2x',
  '"}\n\n',
]
const RESPONSES: readonly string[] = [
  responseOf(' response.output_text.delta'),
  '17',
  ',"item_id":"msg_1","delta":"',
  'Hello',
  '"}\n\n',
]

const SHAPES: readonly Shape[] = [
  {
    name: 'chat completions',
    parts: CHAT,
    text: 1,
    fitting: [
      [CHAT.with(1, 'x').with(3, ''), 1],
      [CHAT.with(1, '함수 naïve 🦊'), 18],
      [CHAT.with(1, '\\n\\"\\\\\\/').with(3, '\\\\'), 4],
      [CHAT.with(1, '\\",'), 2],
      [CHAT.with(1, 'y'.repeat(3_000)), 3_000],
    ],
    unfitting: [
      CHAT.with(1, ''),
      CHAT.with(1, '\\u00e4'),
      CHAT.with(1, 'a\nb'),
      CHAT.with(1, 'a\\'),
      CHAT.with(1, 'a\\x'),
      CHAT.with(1, '\u0007'),
      CHAT.with(1, 'y'.repeat(5_000)),
      CHAT.with(1, 'a","refusal":"b'),
      CHAT.with(4, '"}\r\n\r\n'),
      CHAT.with(4, '"}\ndata: {}\n\n'),
      CHAT.with(0, chatFrom('n')),
    ],
  },
  {
    name: 'responses',
    parts: RESPONSES,
    text: 3,
    fitting: [
      [RESPONSES.with(1, '1').with(3, 'ab'), 2],
      [RESPONSES.with(1, '123456'), 5],
    ],
    unfitting: [
      RESPONSES.with(1, ''),
      RESPONSES.with(1, '007'),
      RESPONSES.with(1, '1.5'),
      RESPONSES.with(1, '-1'),
      RESPONSES.with(1, '"1"'),
      RESPONSES.with(3, ''),
      RESPONSES.with(0, responseOf('response.output_text.delta')),
    ],
  },
]

function templateOf({ parts, text }: Shape): EventTemplate {
  const template = EventTemplate.of(
    Buffer.from(parts.join('')),
    (parts[text] as string).length,
    'm',
    new TokenEstimator(),
  )
  if (template === null) throw new Error('the event made no template')
  return template
}

/** What a template counts in these chunks. As the meter does, it stops at the first chunk that does not match. */
function walk(template: EventTemplate, chunks: readonly Buffer[]): { events: number; textBytes: number } {
  template.forget()
  let events = 0
  let textBytes = 0
  for (const chunk of chunks) {
    const { begunBytes } = template
    const next = template.walk(chunk, createView(chunk), 0)
    events += template.events
    textBytes += template.textBytes
    // Counted events and the begun one make up the whole chunk, unless something there does not match.
    assert.ok(next >= -begunBytes && next <= chunk.length)
    if (next + template.begunBytes !== chunk.length) break
  }
  return { events, textBytes }
}

const NONE = { events: 0, textBytes: 0 }

for (const shape of SHAPES) {
  const bytes = Buffer.from(shape.parts.join(''))
  const isHole = shape.parts.flatMap((part, i) => Array.from(part, () => i % 2 === 1))

  test(`a template of ${shape.name} matches the same events wherever they are cut`, () => {
    const template = templateOf(shape)
    for (const [parts, textBytes] of shape.fitting) {
      const event = Buffer.from(parts.join(''))
      const two = Buffer.concat([event, bytes])
      const wanted = { events: 2, textBytes: textBytes + 5 }
      for (let cut = 0; cut < two.length; cut++) {
        assert.equal(walk(template, [two.subarray(0, cut), two.subarray(cut)]), wanted, `cut at ${cut}`)
      }
      const single = Array.from(two, (_, i) => two.subarray(i, i + 1))
      assert.equal(walk(template, single), wanted, 'byte by byte')
    }
  })

  test(`a template of ${shape.name} does not match another event, wherever that is cut`, () => {
    const template = templateOf(shape)
    for (const parts of shape.unfitting) {
      const event = Buffer.from(parts.join(''))
      for (let cut = 0; cut <= event.length; cut++) {
        assert.equal(walk(template, [event.subarray(0, cut), event.subarray(cut)]), NONE, `cut at ${cut}`)
      }
    }
  })

  test(`a template of ${shape.name} does not match an event with any other byte outside of a hole`, () => {
    const template = templateOf(shape)
    const whole = [bytes]
    for (let i = 0; i < bytes.length; i++) {
      const right = bytes[i] as number
      for (let byte = 0; byte < 256; byte++) {
        if (isHole[i] === true || byte === right) continue
        bytes[i] = byte
        assert.equal(walk(template, whole), NONE, `${byte} at ${i}`)
      }
      bytes[i] = right
    }
    assert.equal(walk(template, whole), { events: 1, textBytes: 5 })
  })

  test(`a template of ${shape.name} does not match an event with a changed byte, wherever that is cut`, () => {
    const template = templateOf(shape)
    for (let i = 0; i < bytes.length; i++) {
      if (isHole[i] === true) continue
      bytes[i] = (bytes[i] as number) ^ 1
      for (let cut = 0; cut <= bytes.length; cut++) {
        const chunks = [bytes.subarray(0, cut), bytes.subarray(cut)]
        assert.equal(walk(template, chunks), NONE, `${i}, cut at ${cut}`)
      }
      bytes[i] = (bytes[i] as number) ^ 1
    }
  })

  test(`a template of ${shape.name} matches any byte in a hole that keeps it a string of UTF-8 or a number`, () => {
    const template = templateOf(shape)
    for (let i = 0; i < bytes.length; i++) {
      if (isHole[i] !== true) continue
      const right = bytes[i] as number
      const isNumber = right >= 0x30 && right <= 0x39 && shape === SHAPES[1]
      for (let byte = 0; byte < 256; byte++) {
        bytes[i] = byte
        const isDigit = byte >= 0x30 && byte <= 0x39 && !(byte === 0x30 && !isHole[i - 1])
        const isPlain = byte >= 0x20 && byte < 0x80 && byte !== 0x22 && byte !== 0x5c
        const fits = isNumber ? isDigit : isPlain
        assert.equal(walk(template, [bytes]), fits ? { events: 1, textBytes: 5 } : NONE, `${byte} at ${i}`)
      }
      bytes[i] = right
    }
  })
}

test('a template does not match text that is no UTF-8, wherever that is cut', () => {
  const template = templateOf(SHAPES[0] as Shape)
  const [head, , ...rest] = CHAT
  const odd = ['80', 'c0af', 'c3', 'e282', 'eda080', 'f09fa6', 'f4908080', 'ff', '5cc3a9', 'c35c6e']
  for (const hex of odd) {
    const text = Buffer.concat([Buffer.from('a'), Buffer.from(hex, 'hex')])
    for (const more of ['', 'b']) {
      const event = Buffer.concat([Buffer.from(head as string), text, Buffer.from(more + rest.join(''))])
      for (let cut = 0; cut <= event.length; cut++)
        assert.equal(
          walk(template, [event.subarray(0, cut), event.subarray(cut)]),
          NONE,
          `${hex}, cut at ${cut}`,
        )
    }
  }
})

test('no template is made of an event whose text is not certain', () => {
  const cases: [string, number][] = [
    ['data: {"delta":"a\\nb","text":"xyz"}\n\n', 3],
    ['data: {"content":"abc","text":"xyz"}\n\n', 3],
    ['data: {"content":"abc"}\n\n', 4],
    ['data: {"x":"abc"}\n\n', 3],
    ['data: {"content":"abc","x":"\u007f"}\n\n', 3],
    [`data: {"content":"abc","x":"${'y'.repeat(5_000)}"}\n\n`, 3],
  ]
  for (const [event, textBytes] of cases)
    assert.is(EventTemplate.of(Buffer.from(event), textBytes, '', new TokenEstimator()), null, event)
})

test.run()
