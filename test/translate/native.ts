import type { BodyApi } from '../../src/api/apis.js'
import { buildNativeRequest } from '../../src/translate/request/native-request.js'
import { changes, edited, requireUntouchedOutside } from './bodies.js'

/** An upstream without custom tools and reasoning objects. */
export const PLAIN = { capabilities: { customTools: false, reasoning: false } }

/** The body that is sent, parsed. All bytes outside the edits are compared on the way. */
export function sent(shape: BodyApi, body: string | object, options = {}): unknown {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  const bytes = Buffer.from(text)
  const { edits } = buildNativeRequest(shape, bytes, options)
  requireUntouchedOutside(bytes, edits)
  return JSON.parse(edited(bytes, edits))
}

/** The text before and after each edit. */
export function changed(shape: BodyApi, text: string, options = {}): [string, string][] {
  return changes(text, buildNativeRequest(shape, Buffer.from(text), options).edits)
}
