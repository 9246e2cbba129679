import type { ModelTraits } from '../../api/model-traits.js'
import { equalsText, findEvery, findMember, parseOutline, sliceText } from '../../json/outline.js'
import type { CallItem, Conversation, Json, JsonString, Tool, ToolChoice } from '../conversation.js'
import { readInner } from './json-text.js'
import { formatObject, type RequestFields } from './request-fields.js'

/** The meaning of missing `parameters` (API reference, Create chat completion, `tools`). */
const NO_ARGUMENTS = '{"type":"object","properties":{}}'
/** In characters. A longer grammar is left out of the description. */
const LONGEST_GRAMMAR = 64 * 1024

/** The tools of a request, as far as their calls are concerned. */
export interface ToolSet {
  /** Custom tools go out as they are. Otherwise they become functions with one string `input`. */
  readonly keepCustoms: boolean
  /** Names of the custom tools. */
  readonly customs: ReadonlySet<string>
  /** Names of the custom tools that go out as functions. */
  readonly wrapped: readonly string[]
  /** Names of all tools. */
  readonly names: ReadonlySet<string>
}

/** @param hasCustoms the target's API has custom tools */
export function createToolSet({ tools }: Conversation, traits: ModelTraits, hasCustoms: boolean): ToolSet {
  const keepCustoms = hasCustoms && traits.customTools
  const customs = new Set(tools.filter(({ kind }) => kind === 'custom').map(({ name }) => name))
  const names = new Set(tools.map(({ name }) => name))
  return { keepCustoms, customs, wrapped: keepCustoms ? [] : [...customs], names }
}

/** Whether a call is one of a custom tool, even if the client sent it back as one of a function. */
export function isCustomCall(call: CallItem, { customs }: ToolSet): boolean {
  return call.isCustom || customs.has(call.name)
}

/** A tool as chat completions have it. */
export function formatChatTool(tool: Tool, { keepCustoms }: Pick<ToolSet, 'keepCustoms'>): Json {
  const { description, strict } = tool
  const name = JSON.stringify(tool.name)
  if (tool.kind === 'custom' && keepCustoms) {
    const grammar = tool.grammar === null ? null : formatObject(tool.grammar)
    const format = grammar === null ? null : `{"type":"grammar","grammar":${grammar}}`
    return `{"type":"custom","custom":${formatObject({ name, description, format })}}`
  }
  const wraps = tool.kind === 'custom'
  const parameters = wraps ? formatWrapperSchema(tool) : tool.schema
  return `{"type":"function","function":${formatObject({ name, description, parameters, strict: wraps ? null : strict })}}`
}

/**
 * A tool as Responses has it. Functions are strict there unless the request says otherwise, and in no other API
 * (OpenAI's guide to migrate to Responses).
 */
export function formatResponsesTool(tool: Tool, { keepCustoms }: Pick<ToolSet, 'keepCustoms'>): Json {
  const { description } = tool
  const name = JSON.stringify(tool.name)
  if (tool.kind === 'custom' && keepCustoms) {
    const format = tool.grammar === null ? null : formatObject({ type: '"grammar"', ...tool.grammar })
    return formatObject({ type: '"custom"', name, description, format })
  }
  const wraps = tool.kind === 'custom'
  const parameters = wraps ? formatWrapperSchema(tool) : (tool.schema ?? NO_ARGUMENTS)
  const strict = wraps || tool.strict === null || tool.strict === 'null' ? 'false' : tool.strict
  return formatObject({ type: '"function"', name, description, parameters, strict })
}

/** A tool as Messages has it, without its mark. */
export function formatMessagesTool(tool: Tool): Json {
  const schema = tool.kind === 'custom' ? formatWrapperSchema(tool) : formatObjectSchema(tool.schema)
  return formatObject({
    name: JSON.stringify(tool.name),
    description: tool.description,
    input_schema: schema,
  })
}

/** A function declaration of Gemini's. A function without arguments has no schema there. */
export function formatGeminiTool(tool: Tool): Json {
  const schema = tool.schema === null ? null : formatObjectSchema(tool.schema)
  return formatObject({
    name: JSON.stringify(tool.name),
    description: tool.description,
    parametersJsonSchema: tool.kind === 'custom' ? formatWrapperSchema(tool) : schema,
  })
}

/** The arguments of the function that stands in for a custom tool. The model reads the grammar in the description. */
function formatWrapperSchema({ grammar }: Tool): Json {
  const fits = grammar !== null && grammar.definition.length <= LONGEST_GRAMMAR
  const description = fits
    ? `,"description":"Has to match this ${readInner(grammar.syntax)} grammar:\\n${readInner(grammar.definition)}"`
    : ''
  return `{"type":"object","properties":{"input":{"type":"string"${description}}},"required":["input"]}`
}

const SCHEMA = findEvery()
/** Anthropic refuses these at the top of a schema ("input_schema does not support oneOf, allOf, or anyOf"). */
const REFUSED_AT_TOP: readonly string[] = ['oneOf', 'allOf', 'anyOf']

/** The schema as one of an object, as Messages and Gemini take no other for arguments. */
function formatObjectSchema(schema: Json | null): Json {
  if (schema === null || !schema.startsWith('{')) return NO_ARGUMENTS
  const bytes = Buffer.from(schema)
  const outline = parseOutline(bytes, SCHEMA)
  if (outline === null || outline.members === null) return NO_ARGUMENTS
  const type = findMember(outline, 'type')
  const regular = type !== null && equalsText(bytes, type, 'object')
  if (regular && !outline.members.some(({ key }) => REFUSED_AT_TOP.includes(key))) return schema
  const members = ['"type":"object"']
  for (const { key, keyStart, value } of outline.members) {
    if (key === 'type' || REFUSED_AT_TOP.includes(key)) continue
    members.push(bytes.toString('utf8', keyStart, value.end))
  }
  if (findMember(outline, 'properties') === null) members.push('"properties":{}')
  return `{${members.join(',')}}`
}

/**
 * The client's choice among the tools that it offers. A choice without tools, or of a tool that is not there, is left
 * out, as every API refuses it.
 */
export function readToolChoice(
  { toolChoice, tools }: Conversation,
  { names }: ToolSet,
  fields: RequestFields,
): ToolChoice | null {
  if (toolChoice === null) return null
  if (tools.length === 0) {
    if (toolChoice.kind !== 'none' && toolChoice.kind !== 'auto') fields.drop('tool_choice')
    return null
  }
  if (toolChoice.kind === 'one' && !names.has(toolChoice.name)) {
    fields.drop('tool_choice')
    return null
  }
  if (toolChoice.kind !== 'allowed') return toolChoice
  const allowed = toolChoice.names.filter((name) => names.has(name))
  return allowed.length > 0 ? { ...toolChoice, names: allowed } : { kind: toolChoice.mode }
}

/**
 * Adds the tools, the choice among them and whether calls may be parallel, as OpenAI's two APIs have them.
 * @param form of a tool: `nested` in chat completions, `flat` in Responses
 */
export function addOpenAiTools(
  fields: RequestFields,
  conversation: Conversation,
  set: ToolSet,
  form: 'nested' | 'flat',
): void {
  const { tools, parallelCalls } = conversation
  const format = form === 'nested' ? formatChatTool : formatResponsesTool
  if (tools.length > 0) fields.add('tools', `[${tools.map((tool) => format(tool, set)).join(',')}]`)
  const choice = readToolChoice(conversation, set, fields)
  if (tools.length === 0) return
  fields.add('tool_choice', formatOpenAiChoice(choice, set, form))
  fields.add('parallel_tool_calls', parallelCalls === null ? null : String(parallelCalls))
}

/** A choice as chat completions (`nested`) and Responses (`flat`) have it. */
function formatOpenAiChoice(choice: ToolChoice | null, set: ToolSet, form: 'nested' | 'flat'): Json | null {
  if (choice === null) return null
  if (choice.kind === 'one') return formatToolReference(choice.name, set, form)
  if (choice.kind !== 'allowed') return choice.kind === 'any' ? '"required"' : `"${choice.kind}"`
  const mode: JsonString = choice.mode === 'any' ? '"required"' : '"auto"'
  const tools = `[${choice.names.map((name) => formatToolReference(name, set, form)).join(',')}]`
  return form === 'nested'
    ? `{"type":"allowed_tools","allowed_tools":{"mode":${mode},"tools":${tools}}}`
    : `{"type":"allowed_tools","mode":${mode},"tools":${tools}}`
}

function formatToolReference(name: string, { keepCustoms, customs }: ToolSet, form: 'nested' | 'flat'): Json {
  const type = keepCustoms && customs.has(name) ? 'custom' : 'function'
  const named = `"name":${JSON.stringify(name)}`
  return form === 'nested' ? `{"type":"${type}","${type}":{${named}}}` : `{"type":"${type}",${named}}`
}

/** The JSON texts of the elements of an array; null if it is none. */
export function listElements(array: Json): Json[] | null {
  const bytes = Buffer.from(array)
  const outline = parseOutline(bytes, { ...SCHEMA, members: null, elements: { ...SCHEMA, members: null } })
  return outline?.elements?.map((element) => sliceText(bytes, element)) ?? null
}
