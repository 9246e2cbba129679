import { applyEdits, type Edit } from '../../json/edits.js'
import { findMember, findOnly, parseOutline, readElements, readText, WHOLE } from '../../json/outline.js'
import { unwrapInput } from './input-decoder.js'

const TOOL_CALLS = Buffer.from('"tool_calls"')

const CALL = findOnly({ function: findOnly({ name: WHOLE, arguments: WHOLE }) })
const COMPLETION = findOnly({
  choices: readElements(findOnly({ message: findOnly({ tool_calls: readElements(CALL) }) })),
})

/**
 * Unwraps the calls of wrapped tools in a whole chat completion. All other bytes stay.
 * @param tools names of the wrapped tools
 * @returns the same bytes if there is no such call
 */
export function unwrapCompletion(body: Buffer, tools: readonly string[]): Buffer {
  if (tools.length === 0 || !body.includes(TOOL_CALLS)) return body
  const names = new Set(tools)
  const edits: Edit[] = []
  for (const choice of findMember(parseOutline(body, COMPLETION), 'choices')?.elements ?? []) {
    for (const call of findMember(findMember(choice, 'message'), 'tool_calls')?.elements ?? []) {
      const called = findMember(call, 'function')
      const value = findMember(called, 'arguments')
      const args = readText(body, value, Number.POSITIVE_INFINITY)
      const name = readText(body, findMember(called, 'name')) ?? ''
      if (value === null || args === null || !names.has(name)) continue
      const text = unwrapInput(args)
      if (text !== args) edits.push({ start: value.start, end: value.end, text: JSON.stringify(text) })
    }
  }
  return edits.length === 0 ? body : Buffer.concat(applyEdits([body], edits))
}
