import type { JsonObject } from '../../json/values.js'
import { asFields, asList } from './fields.js'
import type { ToolForm } from './tools.js'

/** What a model is to do with its tools, whichever way it was said. */
type Choice =
  | { readonly kind: 'auto' | 'none' | 'any' }
  | { readonly kind: 'one'; readonly name: string }
  | { readonly kind: 'allowed'; readonly mode: 'auto' | 'any'; readonly tools: readonly unknown[] }

export interface ChoiceTarget {
  readonly form: ToolForm
  /** Names of tools that are custom ones there, and are asked for as such. */
  readonly customs: readonly string[]
}

/**
 * A `tool_choice` in the words of another API.
 * @returns undefined if it is not understood (a built-in tool, say): who is asked will know
 */
export function translateToolChoice(value: unknown, { form, customs }: ChoiceTarget): unknown {
  const choice = choiceIn(value)
  if (choice === null) return undefined
  const anthropic = form === 'input_schema'
  switch (choice.kind) {
    case 'one': {
      const { name } = choice
      if (anthropic) return { type: 'tool', name }
      const type = customs.includes(name) ? 'custom' : 'function'
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

const WORDS: ReadonlyMap<unknown, 'auto' | 'none' | 'any'> = new Map([
  ['auto', 'auto'],
  ['none', 'none'],
  ['any', 'any'],
  ['required', 'any'],
])

function choiceIn(value: unknown): Choice | null {
  const choice: JsonObject = asFields(value)
  const kind = WORDS.get(typeof value === 'string' ? value : choice.type)
  if (kind !== undefined) return { kind }
  const { type } = choice
  if (type === 'tool' || type === 'function' || type === 'custom') {
    const name = asFields(choice[type]).name ?? choice.name
    return typeof name === 'string' ? { kind: 'one', name } : null
  }
  if (type !== 'allowed_tools') return null
  const allowed = choice.allowed_tools === undefined ? choice : asFields(choice.allowed_tools)
  return { kind: 'allowed', mode: allowed.mode === 'required' ? 'any' : 'auto', tools: asList(allowed.tools) }
}
