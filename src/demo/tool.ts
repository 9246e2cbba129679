import { asFields, asList, type Fields } from './fields.js'
import type { Prompt } from './prompt.js'

/** A tool that takes JSON arguments. */
export interface Tool {
  readonly name: string
  /** JSON Schema of the arguments. */
  readonly schema: Fields
}

/** Deeper objects stay empty: a schema may refer to itself. */
const MAX_DEPTH = 4

/**
 * Reads the tools that take JSON arguments. All formats are read everywhere, because Cursor mixes them in one array:
 * nested (chat: `function.parameters`), flat (Responses: `parameters`) and Anthropic's (`input_schema`). Grammar
 * tools and tools that the provider runs itself are left out.
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
 * Picks the tool that the model calls: the one that the request demands, or one that the user names. After a tool's
 * result the model always answers in words, so that an agent's loop ends.
 * @param userText the user's own words
 * @param eager call a tool even if the user names none
 */
export function chooseTool(prompt: Prompt, userText: string, eager: boolean): Tool | null {
  const { mode, name } = prompt.toolChoice
  if (mode === 'none' || prompt.turns.at(-1)?.role === 'tool') return null
  if (name !== null) return prompt.tools.find((tool) => tool.name === name) ?? null
  const mentioned = prompt.tools.find((tool) => mentions(userText, tool.name))
  if (mentioned !== undefined) return mentioned
  return mode === 'required' || eager ? (prompt.tools[0] ?? null) : null
}

/** Whether the text has the name as a whole word: `Reading` does not have `Read`. */
function mentions(text: string, name: string): boolean {
  for (let at = text.indexOf(name); at !== -1; at = text.indexOf(name, at + 1)) {
    if (!isWord(text[at - 1]) && !isWord(text[at + name.length])) return true
  }
  return false
}

function isWord(character: string | undefined): boolean {
  return character !== undefined && /[\p{L}\p{N}_]/u.test(character)
}

/** Creates arguments that fit the tool's schema, as JSON: with every property, and `filler` for strings. */
export function createArguments(tool: Tool, filler: string): string {
  return JSON.stringify(createObject(tool.schema, filler, 0))
}

function createObject(schema: Fields, filler: string, depth: number): Fields {
  const properties = asFields(schema.properties)
  const names = new Set(Object.keys(properties))
  for (const name of asList(schema.required)) if (typeof name === 'string') names.add(name)
  // fromEntries defines its keys, so that a property named __proto__ is an ordinary property.
  return Object.fromEntries(
    [...names].map((name) => [
      name,
      createValue(Object.hasOwn(properties, name) ? asFields(properties[name]) : {}, filler, depth + 1),
    ]),
  )
}

function createValue(schema: Fields, filler: string, depth: number): unknown {
  if (schema.const !== undefined) return schema.const
  const options = asList(schema.enum)
  if (options.length > 0) return options[0]
  const alternatives = asList(schema.anyOf ?? schema.oneOf)
  if (alternatives.length > 0 && depth < MAX_DEPTH) {
    return createValue(asFields(alternatives[0]), filler, depth + 1)
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
      return depth < MAX_DEPTH ? createObject(schema, filler, depth) : {}
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
