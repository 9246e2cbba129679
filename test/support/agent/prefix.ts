import * as assert from 'uvu/assert'
import type { Fields } from '../readers/events.js'

const MARK = /,"cache_control":\{[^{}]*\}/g

/**
 * Fails unless the later of two bodies begins as the earlier one does, up to the end of the earlier one's last element
 * (of `messages`, `input` or `contents`): everything but the new turn, and what stands behind the list. Marks of the
 * prompt cache are removed first, as they move. The last element itself may have grown at its end, where the API joins
 * neighbours of one role.
 */
export function measurePrefix(earlier: Buffer, later: Buffer, list: 'messages' | 'input' | 'contents'): void {
  const before = earlier.toString().replace(MARK, '')
  const after = later.toString().replace(MARK, '')
  const end = findListEnd(before, list)
  // Without the brackets that close the last element and its content.
  const kept = before.slice(0, end).replace(/[\]}]+$/, '')
  let common = 0
  while (common < kept.length && kept[common] === after[common]) common++
  if (common === kept.length) return
  assert.unreachable(
    `the bodies differ at ${common} of ${kept.length}:\n${kept.slice(common - 200, common + 300)}\n---\n${after.slice(common - 200, common + 300)}`,
  )
}

/** Where the bracket stands that closes the list. */
function findListEnd(text: string, list: string): number {
  const start = text.indexOf(`"${list}":[`)
  assert.ok(start !== -1 && Array.isArray((JSON.parse(text) as Fields)[list]))
  let depth = 0
  let quoted = false
  for (let at = start + list.length + 3; at < text.length; at++) {
    const letter = text[at]
    if (quoted) {
      if (letter === '\\') at++
      else if (letter === '"') quoted = false
    } else if (letter === '"') quoted = true
    else if (letter === '[' || letter === '{') depth++
    else if ((letter === ']' || letter === '}') && --depth === 0) return at
  }
  throw new Error(`there is no end of ${list}`)
}
