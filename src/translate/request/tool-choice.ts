import { asArray, asObject, type JsonObject } from '../../json/values.js'
import type { ToolForm } from '../read/tools.js'

/** Which tools a model may or must call, in words that stand for all three APIs. */
type Choice =
  | { readonly kind: 'auto' | 'none' | 'any' }
  | { readonly kind: 'one'; readonly name: string }
  | { readonly kind: 'allowed'; readonly mode: 'auto' | 'any'; readonly tools: readonly unknown[] }

/** The API that a tool choice is written for. */
export interface ChoiceTarget {
  readonly form: ToolForm
  /** Names of the tools that are custom tools there: a choice names their type. */
  readonly customs: ReadonlySet<string>
}

/**
 * Translates a `tool_choice` to another API.
 * @returns undefined if the choice is not understood (a built-in tool, say): the upstream decides about it
 */
export function translateToolChoice(value: unknown, { form, customs }: ChoiceTarget): unknown {
  const choice = readChoice(value)
  if (choice === null) return undefined
  const anthropic = form === 'input_schema'
  switch (choice.kind) {
    case 'one': {
      const { name } = choice
      if (anthropic) return { type: 'tool', name }
      const type = customs.has(name) ? 'custom' : 'function'
      return form === 'nested' ? { type, [type]: { name } } : { type, name }
    }
    case 'allowed': {
      if (anthropic) return { type: choice.mode }
      const mode = choice.mode === 'any' ? 'required' : 'auto'
      const tools = choice.tools.map((tool) => translateToolChoice(tool, { form, customs }) ?? tool)
      return form === 'nested'
        ? { type: 'allowed_tools', allowed_tools: { mode, tools } }
        : { type: 'allowed_tools', mode, tools }
    }
    default:
      if (anthropic) return { type: choice.kind }
      return choice.kind === 'any' ? 'required' : choice.kind
  }
}

const KINDS: ReadonlyMap<unknown, 'auto' | 'none' | 'any'> = new Map([
  ['auto', 'auto'],
  ['none', 'none'],
  ['any', 'any'],
  ['required', 'any'],
])

function readChoice(value: unknown): Choice | null {
  const choice: JsonObject = asObject(value)
  const kind = KINDS.get(typeof value === 'string' ? value : choice.type)
  if (kind !== undefined) return { kind }
  const { type } = choice
  if (type === 'tool' || type === 'function' || type === 'custom') {
    const name = asObject(choice[type]).name ?? choice.name
    return typeof name === 'string' ? { kind: 'one', name } : null
  }
  if (type !== 'allowed_tools') return null
  const allowed = choice.allowed_tools === undefined ? choice : asObject(choice.allowed_tools)
  return {
    kind: 'allowed',
    mode: allowed.mode === 'required' ? 'any' : 'auto',
    tools: asArray(allowed.tools),
  }
}
