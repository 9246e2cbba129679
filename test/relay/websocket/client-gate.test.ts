import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type ClientEvent, findEventType } from '../../../src/relay/websocket/client-event.js'
import { ClientGate, type GateHandler, type Verdict } from '../../../src/relay/websocket/client-gate.js'
import { encodeFrame } from '../../../src/relay/websocket/frames.js'
import { fc } from '../../support/property.js'

const MASK = Buffer.from([7, 1, 99, 200])

/** Keeps what a gate lets pass. */
class Passed implements GateHandler {
  readonly events: string[] = []
  readonly bytes: Buffer[] = []
  held = 0
  tooLong = 0
  invalid = 0
  local: string[] = []
  private readonly decide: (event: ClientEvent) => Verdict

  constructor(decide: (event: ClientEvent) => Verdict = () => 'pass') {
    this.decide = decide
  }

  get wire(): Buffer {
    return Buffer.concat(this.bytes)
  }

  onEvent(event: ClientEvent, bytes: number): Verdict {
    this.events.push(`${event.type} ${event.model} ${bytes}`)
    return this.decide(event)
  }

  onPass(bytes: Buffer): void {
    this.bytes.push(Buffer.from(bytes))
  }

  onReplaced(payload: Buffer): void {
    this.bytes.push(encodeFrame(1, payload, MASK))
  }

  onMessageStart(): void {}
  onCloseFrame(): void {}

  onLocalControl(opcode: number, payload: Buffer): void {
    this.local.push(`${opcode} ${payload}`)
  }

  onTooLong(): void {
    this.tooLong++
  }

  onHold(bytes: number): boolean {
    this.held += bytes
    return true
  }

  onRelease(bytes: number): void {
    this.held -= bytes
  }

  onInvalid(): void {
    this.invalid++
  }
}

/** A message in so many fragments, each followed by a ping. */
function message(text: string, fragments = 1, opcode = 1): Buffer {
  const payload = Buffer.from(text)
  const size = Math.ceil(payload.length / fragments)
  const frames: Buffer[] = []
  for (let i = 0; i < fragments; i++) {
    const frame = encodeFrame(i === 0 ? opcode : 0, payload.subarray(i * size, (i + 1) * size), MASK)
    if (i < fragments - 1) frame[0] = (frame[0] as number) & 0x7f
    frames.push(frame)
    if (fragments > 1) frames.push(encodeFrame(9, Buffer.from(`ping ${i}`), MASK))
  }
  return Buffer.concat(frames)
}

/** Bytes of the pings in a message of four fragments. */
const PINGS_OF_FOUR = [0, 1, 2, 3].reduce(
  (sum, n) => sum + encodeFrame(9, Buffer.from(`ping ${n}`), MASK).length,
  0,
)

const CREATE = '{"type":"response.create","model":"m","input":"hello"}'
const AUDIO = `{"type":"input_audio_buffer.append","audio":"${'A'.repeat(1_200)}"}`
const SESSION = Buffer.concat([
  message(AUDIO, 3),
  message(CREATE, 3),
  message('binary \u0000', 2, 2),
  message('{"no":"type"}'),
  message(CREATE),
])

test('bytes pass unchanged and in order, and the events are the same, wherever they are cut', () => {
  const whole = new Passed()
  new ClientGate(whole, 10_000, false, true).push(SESSION)
  assert.ok(whole.wire.equals(SESSION))
  assert.is(whole.events.filter((event) => event.startsWith('response.create m')).length, 2)
  fc.assert(
    fc.property(fc.array(fc.nat(SESSION.length), { maxLength: 40 }), (places) => {
      const passed = new Passed()
      const gate = new ClientGate(passed, 10_000, false, true)
      const at = [0, ...places.sort((a, b) => a - b), SESSION.length]
      for (let i = 1; i < at.length; i++) gate.push(SESSION.subarray(at[i - 1], at[i]))
      assert.ok(passed.wire.equals(SESSION), 'other bytes')
      assert.equal(passed.events.filter(isCreate), whole.events.filter(isCreate))
      assert.is(passed.held, 0)
    }),
  )
  const single = new Passed()
  const gate = new ClientGate(single, 10_000, false, true)
  for (const byte of SESSION) gate.push(Buffer.from([byte]))
  assert.ok(single.wire.equals(SESSION))
})

function isCreate(event: string): boolean {
  return event.startsWith('response.create')
}

test('a message that asks for no response passes before it is complete; one that does is held', () => {
  const passed = new Passed()
  const gate = new ClientGate(passed, 10_000, false, true)
  const audio = message(AUDIO)
  gate.push(audio.subarray(0, 900))
  assert.ok(passed.wire.equals(audio.subarray(0, 900)))
  gate.push(audio.subarray(900))
  const create = message(CREATE.replace('hello', 'x'.repeat(2_000)))
  gate.push(create.subarray(0, 1_900))
  assert.is(passed.wire.length, audio.length)
  assert.ok(passed.held > 1_900)
  gate.push(create.subarray(1_900))
  assert.is(passed.wire.length, audio.length + create.length)
  assert.is(passed.held, 0)
})

test('where every message decides on a model, none passes unread: whatever its type, its frames and their opcodes', () => {
  const long = 'x'.repeat(2_000)
  const twice = `{"type":"session.update","input":"${long}","type":"response.create","model":"m"}`
  const kinds: readonly (readonly [text: string, opcode: number])[] = [
    [twice, 1],
    [twice, 2],
    [CREATE, 2],
    [AUDIO, 1],
    [`{"input":"${long}","type":"response.create","model":"m"}`, 1],
  ]
  for (const [text, opcode] of kinds)
    for (const fragments of [1, 4]) {
      const passed = new Passed(() => 'drop')
      const gate = new ClientGate(passed, 10_000, false, false)
      for (const byte of message(text, fragments, opcode)) gate.push(Buffer.from([byte]))
      assert.is(passed.events.length, 1, text)
      if (text !== AUDIO) assert.match(passed.events[0] ?? '', 'response.create m')
      assert.is(passed.wire.length, fragments === 1 ? 0 : PINGS_OF_FOUR)
      assert.is(passed.held, 0)
    }
  const reserved = message(CREATE)
  reserved[0] = 0xc1
  for (const bytes of [Buffer.from('early'), reserved, encodeFrame(1, Buffer.from(CREATE), null)]) {
    const passed = new Passed()
    new ClientGate(passed, 10_000, false, false).push(bytes)
    assert.is(passed.invalid, 1)
    assert.is(passed.wire.length, 0)
  }
})

test('a dropped message takes no control frame with it, and a replaced one follows them', () => {
  for (const verdict of ['drop', Buffer.from('other')] as const) {
    const passed = new Passed(() => verdict)
    new ClientGate(passed, 10_000, false, true).push(message(CREATE, 2))
    const pings = [0, 1].map((n) => encodeFrame(9, Buffer.from(`ping ${n}`), MASK))
    // The second ping comes behind the message.
    const replaced = verdict === 'drop' ? [] : [encodeFrame(1, verdict, MASK)]
    assert.equal(passed.wire, Buffer.concat([pings[0] as Buffer, ...replaced, pings[1] as Buffer]))
  }
})

test('what comes while the gate waits follows the message that it waits for', () => {
  const passed = new Passed((event) => (event.model === 'm' ? 'wait' : 'pass'))
  const gate = new ClientGate(passed, 10_000, true, true)
  gate.push(
    Buffer.concat([
      encodeFrame(9, Buffer.from('early'), MASK),
      message(CREATE),
      message(AUDIO).subarray(0, 9),
    ]),
  )
  gate.push(message(AUDIO).subarray(9))
  assert.equal(passed.local, ['9 early'])
  assert.is(passed.wire.length, 0)
  gate.isLocal = false
  gate.resume('pass')
  assert.ok(passed.wire.equals(Buffer.concat([message(CREATE), message(AUDIO)])))
})

test('bytes that are no frames pass unread once there is an upstream, and are refused before', () => {
  const passed = new Passed()
  const gate = new ClientGate(passed, 10_000, false, true)
  for (const piece of ['ear', 'ly', ', and late']) gate.push(Buffer.from(piece))
  assert.is(passed.wire.toString(), 'early, and late')
  const local = new Passed()
  new ClientGate(local, 10_000, true, true).push(Buffer.from('early'))
  assert.is(local.invalid, 1)
  assert.is(local.wire.length, 0)
})

test('a message that is too long in one frame or in many is refused, and nothing is held', () => {
  for (const fragments of [1, 5]) {
    const passed = new Passed()
    const gate = new ClientGate(passed, 1_000, false, true)
    gate.push(message(CREATE.replace('hello', 'x'.repeat(1_000)), fragments))
    gate.push(message(CREATE))
    assert.is(passed.tooLong, 1)
    assert.is(passed.held, 0)
    assert.is(passed.events.length, 0)
  }
})

const TYPES: readonly (readonly [beginning: string, type: string | null])[] = [
  ['{"type":"a","x":"b', 'a'],
  [' { "x" : {"type":"no"}, "y":[1,{"a":"]"}], "z":1.5, "t\\u0079pe" : "b" , "c"', 'b'],
  ['{"x":"a long tex', null],
  ['{"x":{"type":"a"}', null],
  ['{"type":"unfinishe', null],
  ['{"type":5,"type":"a"}', null],
  ['["type"]', null],
  ['', null],
  ['nonsense', null],
]

for (const [beginning, type] of TYPES)
  test(`the type of ${beginning === '' ? 'nothing' : beginning} is ${type}`, () => {
    assert.is(findEventType(Buffer.from(beginning)), type)
  })

test.run()
