import { asArray, asObject } from '../../json/values.js'
import type { ToolChoice } from '../conversation.js'

const KINDS: ReadonlyMap<unknown, 'auto' | 'none' | 'any'> = new Map([
  ['auto', 'auto'],
  ['none', 'none'],
  ['any', 'any'],
  ['required', 'any'],
])

/**
 * Reads a parsed `tool_choice` of any API, or the legacy `function_call`.
 * @param names the tools that the request has: a choice of another is refused by all vendors
 * @returns null if the choice is not understood, or names no tool of the request (a built-in tool, say)
 */
export function readToolChoice(value: unknown, names: ReadonlySet<string>): ToolChoice | null {
  const choice = asObject(value)
  const kind = KINDS.get(typeof value === 'string' ? value : choice.type)
  if (kind !== undefined) return { kind }
  if (choice.type === 'allowed_tools') {
    const allowed = choice.allowed_tools === undefined ? choice : asObject(choice.allowed_tools)
    const found = asArray(allowed.tools)
      .map(readName)
      .filter((name) => name !== null && names.has(name))
    const mode = allowed.mode === 'required' ? 'any' : 'auto'
    return found.length === 0 ? null : { kind: 'allowed', mode, names: found as string[] }
  }
  const name = readName(choice)
  return name !== null && names.has(name) ? { kind: 'one', name } : null
}

/** The name of one tool: beside its type, or in an object that is named like the type. */
function readName(value: unknown): string | null {
  const choice = asObject(value)
  const { type } = choice
  if (type !== undefined && type !== 'tool' && type !== 'function' && type !== 'custom') return null
  const name = asObject(choice.function).name ?? asObject(choice.custom).name ?? choice.name
  return typeof name === 'string' ? name : null
}
