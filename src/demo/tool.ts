import { asFields, asList, type Fields } from './fields.js'
import type { Prompt } from './prompt.js'

export interface Tool {
  readonly name: string
  /** JSON Schema of the arguments. */
  readonly schema: Fields
}

/** Deeper objects are left empty: a schema may refer to itself, and the demo has made its point by then. */
const MAX_DEPTH = 4

/**
 * The tools that take JSON arguments. Nested (Chat: `function.parameters`), flat (Responses: `parameters`) and
 * Anthropic's (`input_schema`) are all read everywhere, as Cursor mixes them in one array. Grammar tools and tools
 * that the provider runs itself are left out.
 */
export function readTools(value: unknown): Tool[] {
  const tools: Tool[] = []
  for (const item of asList(value)) {
    const tool = asFields(item)
    const inner = tool.type === 'function' && tool.function !== undefined ? asFields(tool.function) : tool
    if (tool.type !== 'function' && tool.input_schema === undefined) continue
    if (typeof inner.name !== 'string' || inner.name === '') continue
    tools.push({ name: inner.name, schema: asFields(inner.parameters ?? inner.input_schema) })
  }
  return tools
}

/**
 * The tool that the model calls: the one that the request demands, or the one that the user speaks of. After a
 * tool's result it answers in words whatever the request demands, so that an agent's loop comes to its end.
 */
export function chooseTool(prompt: Prompt, said: string, eager: boolean): Tool | null {
  const { mode, name } = prompt.toolChoice
  if (mode === 'none' || prompt.turns.at(-1)?.role === 'tool') return null
  if (name !== null) return prompt.tools.find((tool) => tool.name === name) ?? null
  const mentioned = prompt.tools.find((tool) => mentions(said, tool.name))
  if (mentioned !== undefined) return mentioned
  return mode === 'required' || eager ? (prompt.tools[0] ?? null) : null
}

/** Whether the name stands in the text as a word of its own: `Read` does not stand in `Reading`. */
function mentions(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    if (!isWord(text[at - 1]) && !isWord(text[at + name.length])) return true
  }
  return false
}

function isWord(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}_]/u.test(character)
}

/** Arguments that fit the tool's schema, as JSON: every property is given, strings get the `filler`. */
export function createArguments(tool: Tool, filler: string): string {
  return JSON.stringify(objectFor(tool.schema, filler, 0))
}

function objectFor(schema: Fields, filler: string, depth: number): Fields {
  const properties = asFields(schema.properties)
  const names = new Set(Object.keys(properties))
  for (const name of asList(schema.required)) if (typeof name === 'string') names.add(name)
  // fromEntries defines its keys, so a property named __proto__ stays a property.
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      valueFor(Object.hasOwn(properties, name) ? asFields(properties[name]) : {}, filler, depth + 1),
    ]),
  )
}

function valueFor(schema: Fields, filler: string, depth: number): unknown {
  if (schema.const !== undefined) return schema.const
  const options = asList(schema.enum)
  if (options.length > 0) return options[0]
  const alternatives = asList(schema.anyOf ?? schema.oneOf)
  if (alternatives.length > 0 && depth < MAX_DEPTH) {
    return valueFor(asFields(alternatives[0]), filler, depth + 1)
  }
  switch (typeOf(schema)) {
    case 'number':
    case 'integer':
      return 1
    case 'boolean':
      return true
    case 'array':
      return []
    case 'object':
      return depth < MAX_DEPTH ? objectFor(schema, filler, depth) : {}
    case 'null':
      return null
    default:
      return filler
  }
}

function typeOf(schema: Fields): unknown {
  if (Array.isArray(schema.type)) return schema.type.find((type) => type !== 'null') ?? 'null'
  return schema.type ?? (schema.properties === undefined ? undefined : 'object')
}
