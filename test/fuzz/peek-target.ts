import * as assert from 'uvu/assert'
import { Peeker, peekFields } from '../../src/json/peek.js'
import { isObject, parseJson } from '../../src/json/values.js'
import { cut } from './mutate.js'

/** However a body is cut, the same fields are found; and of valid JSON those that `JSON.parse` gives. */
export function takePeek(input: Buffer): void {
  const whole = peekFields(input)
  const peeker = new Peeker()
  for (const piece of cut(input)) {
    peeker.push(piece)
    piece.fill(0)
  }
  assert.equal(peeker.found, whole)
  const text = input.toString()
  // Bytes that are no UTF-8 become signs that the client did not send.
  if (!Buffer.from(text).equals(input)) return
  const parsed = parseJson(text.replace(/^\ufeff/, ''))
  if (!isObject(parsed)) return
  const model = Object.hasOwn(parsed, 'model') ? parsed.model : null
  if (typeof model === 'string' && Buffer.byteLength(JSON.stringify(model)) > 500) return
  assert.is(whole.model?.value ?? null, typeof model === 'string' ? model : null, 'model')
  const stream = Object.hasOwn(parsed, 'stream') ? parsed.stream : null
  assert.is(whole.stream?.value ?? null, typeof stream === 'boolean' ? stream : null, 'stream')
}
