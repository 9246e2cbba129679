import type { Edit } from '../../json/edits.js'
import {
  equalsText,
  findEvery,
  findMember,
  parseOutline,
  readText,
  sliceText,
  type Value,
} from '../../json/outline.js'
import type { ToolNames } from '../repair/tool-names.js'

/**
 * The three forms of a tool: chat completions have `nested`, Responses `flat`, Messages `input_schema`. One `tools`
 * array from Cursor may mix them.
 */
export type ToolForm = 'nested' | 'flat' | 'input_schema'

/** The form that the tools of a request must have. */
export interface ToolTarget {
  readonly form: ToolForm
  /**
   * Custom tools (free text instead of JSON arguments) stay; otherwise they become functions with one string `input`.
   */
  readonly customs: boolean
  /** The names that it takes. */
  readonly names: Pick<ToolNames, 'nameFor'>
}

/** The changes to a `tools` array. */
export interface ToolEdits {
  readonly edits: readonly Edit[]
  /** Names of the custom tools in the body, in any form. */
  readonly customs: readonly string[]
}

/**
 * Rewrites each tool that has another form than the target's. Its parts keep their bytes, and so do all other tools.
 * @param tools the outline of the `tools` array
 */
export function createToolEdits(body: Buffer, tools: Value | null, target: ToolTarget): ToolEdits {
  const edits: Edit[] = []
  const customs: string[] = []
  for (const value of tools?.elements ?? []) {
    const tool = readTool(body, value)
    if (tool === null) continue
    if (tool.kind === 'custom') collectName(body, tool, customs)
    const own = readText(body, tool.name, Number.POSITIVE_INFINITY)
    const name = own === null ? null : target.names.nameFor(own)
    const nameText = name === null || name === own ? sliceText(body, tool.name) : JSON.stringify(name)
    const text = formatTool(body, { ...tool, nameText }, target)
    if (text !== null) edits.push({ start: value.start, end: value.end, text })
    else if (name !== own) edits.push({ start: tool.name.start, end: tool.name.end, text: nameText })
  }
  return { edits, customs }
}

function collectName(body: Buffer, { name }: Tool, names: string[]): void {
  const text = readText(body, name)
  if (text !== null && text !== '') names.push(text)
}

/** Null if the tool has the target's form already. */
function formatTool(body: Buffer, tool: NamedTool, { form, customs }: ToolTarget): string | null {
  if (tool.kind === 'function') return formatFunction(body, tool, form)
  return customs ? formatCustomTool(body, tool, form) : formatWrapper(body, tool, form)
}

/** A tool that the client runs, in any form. */
interface Tool {
  readonly kind: 'function' | 'custom'
  readonly form: ToolForm
  /** The tool is written as the API of its form has it: no part is missing or misplaced. */
  readonly regular: boolean
  readonly name: Value
  readonly description: Value | null
  /** The JSON schema of a function's arguments. */
  readonly schema: Value | null
  readonly strict: Value | null
  /** The `format` of a custom tool. */
  readonly format: Value | null
  /** `cache_control` of Messages, which OpenAI's API refuses. */
  readonly cacheControl: Value | null
}

interface NamedTool extends Tool {
  /** Its name for the target, as JSON text. */
  readonly nameText: string
}

/** Null for built-in tools of any API, and for a value that is no tool. */
function readTool(body: Buffer, tool: Value): Tool | null {
  if (tool.members === null) return null
  const type = findMember(tool, 'type')
  const untyped = type === null
  const inner = findMember(tool, 'function')
  if (inner?.members && (untyped || equalsText(body, type, 'function'))) {
    return createTool('function', 'nested', tool, inner, !untyped)
  }
  const custom = findMember(tool, 'custom')
  if (custom?.members && (untyped || equalsText(body, type, 'custom'))) {
    return createTool('custom', 'nested', tool, custom, !untyped)
  }
  const anthropic = findMember(tool, 'input_schema') !== null
  if (equalsText(body, type, 'function')) return createTool('function', 'flat', tool, tool, !anthropic)
  const typeless = untyped || body.toString('latin1', type.start, type.end) === 'null'
  if (anthropic && (typeless || equalsText(body, type, 'custom'))) {
    return createTool('function', 'input_schema', tool, tool, true)
  }
  if (equalsText(body, type, 'custom')) return createTool('custom', 'flat', tool, tool, true)
  return typeless && findMember(tool, 'parameters') !== null
    ? createTool('function', 'flat', tool, tool, false)
    : null
}

function createTool(
  kind: Tool['kind'],
  form: ToolForm,
  outer: Value,
  inner: Value,
  regular: boolean,
): Tool | null {
  const name = findMember(inner, 'name')
  if (name === null) return null
  return {
    ...{ kind, form, regular, name },
    description: findMember(inner, 'description'),
    schema: findMember(inner, 'parameters') ?? findMember(inner, 'input_schema'),
    strict: findMember(inner, 'strict'),
    format: findMember(inner, 'format'),
    cacheControl: findMember(outer, 'cache_control'),
  }
}

/** The meaning of missing `parameters` (API reference, Create chat completion, `tools`). */
const NO_ARGUMENTS = '{"type":"object","properties":{}}'

/** Null if the function has that form already. */
function formatFunction(body: Buffer, tool: NamedTool, form: ToolForm): string | null {
  if (tool.form === form && tool.regular) return null
  const name = `"name":${tool.nameText}`
  const description = formatMember(body, 'description', tool.description)
  const schema = tool.schema === null ? NO_ARGUMENTS : sliceText(body, tool.schema)
  if (form === 'input_schema') {
    return `{${name}${description},"input_schema":${schema}${formatMember(body, 'cache_control', tool.cacheControl)}}`
  }
  const strict = formatMember(body, 'strict', tool.strict)
  if (form === 'nested') {
    const parameters = tool.schema === null ? '' : `,"parameters":${schema}`
    return `{"type":"function","function":{${name}${description}${parameters}${strict}}}`
  }
  // The default is strict in Responses, and not strict in both other APIs (OpenAI's guide to migrate to Responses).
  return `{"type":"function",${name}${description},"parameters":${schema}${strict || ',"strict":false'}}`
}

/** Null if the custom tool has that form already. */
function formatCustomTool(body: Buffer, tool: NamedTool, form: ToolForm): string | null {
  if (tool.form === form && tool.regular && formatGrammar(body, tool.format, form) === null) return null
  const format =
    formatGrammar(body, tool.format, form) ?? (tool.format === null ? null : sliceText(body, tool.format))
  const name = `"name":${tool.nameText}`
  const description = formatMember(body, 'description', tool.description)
  const parts = `${name}${description}${format === null ? '' : `,"format":${format}`}`
  return form === 'nested' ? `{"type":"custom","custom":{${parts}}}` : `{"type":"custom",${parts}}`
}

/**
 * The `format` of a custom tool with its grammar at the right place: in an object of its own in chat completions,
 * beside the type in Responses. Null if it is there already, or if there is no grammar.
 */
function formatGrammar(body: Buffer, format: Value | null, form: ToolForm): string | null {
  const { syntax, definition, nested } = findGrammar(body, format)
  if (syntax === null || definition === null || nested === (form === 'nested')) return null
  const grammar = `"syntax":${sliceText(body, syntax)},"definition":${sliceText(body, definition)}`
  return form === 'nested' ? `{"type":"grammar","grammar":{${grammar}}}` : `{"type":"grammar",${grammar}}`
}

function findGrammar(
  body: Buffer,
  format: Value | null,
): { syntax: Value | null; definition: Value | null; nested: boolean } {
  const whole = format === null ? null : parseOutline(body, FORMAT, format.start)
  const grammar = findMember(whole, 'grammar')
  const nested = grammar !== null && grammar.members !== null
  const at = nested ? grammar : whole
  return { syntax: findMember(at, 'syntax'), definition: findMember(at, 'definition'), nested }
}

const FORMAT = findEvery({ grammar: findEvery() })

/** The function that stands in for a custom tool. The model reads the grammar in its description. */
function formatWrapper(body: Buffer, tool: NamedTool, form: ToolForm): string {
  const { syntax, definition } = findGrammar(body, tool.format)
  const grammar = readText(body, definition, LONGEST_GRAMMAR)
  const language = readText(body, syntax)
  const input =
    grammar === null
      ? { type: 'string' }
      : { type: 'string', description: `Has to match this ${language ?? ''} grammar:\n${grammar}` }
  const schema = JSON.stringify({ type: 'object', properties: { input }, required: ['input'] })
  const name = `"name":${tool.nameText}`
  const description = formatMember(body, 'description', tool.description)
  if (form === 'input_schema') {
    return `{${name}${description},"input_schema":${schema}${formatMember(body, 'cache_control', tool.cacheControl)}}`
  }
  const parts = `${name}${description},"parameters":${schema}`
  return form === 'nested'
    ? `{"type":"function","function":{${parts}}}`
    : `{"type":"function",${parts},"strict":false}`
}

/** In bytes. A longer grammar is left out of the description. */
const LONGEST_GRAMMAR = 64 * 1024

/** A member with a comma ahead of it; '' if there is no value. */
function formatMember(body: Buffer, key: string, value: Value | null): string {
  if (value === null) return ''
  return `,"${key}":${sliceText(body, value)}`
}
