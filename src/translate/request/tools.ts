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

/** The three ways to say which tools there are; a `tools` array of Cursor's may have more than one of them. */
export type ToolForm = 'nested' | 'flat' | 'input_schema'

/** What the tools of a request are made into. */
export interface ToolTarget {
  /** Chat completions: nested; Responses: flat; Messages: input_schema. */
  readonly form: ToolForm
  /** Custom tools (free text instead of arguments) stay what they are; else they become functions with one string `input`. */
  readonly customs: boolean
}

export interface ToolEdits {
  readonly edits: readonly Edit[]
  /** Names of the custom tools, in whatever form. */
  readonly customs: readonly string[]
}

/** Each tool that has another form than is wanted is written anew, its parts byte for byte; the others stay as they are. */
export function createToolEdits(body: Buffer, tools: Value | null, target: ToolTarget): ToolEdits {
  const edits: Edit[] = []
  const customs: string[] = []
  for (const value of tools?.elements ?? []) {
    const tool = toolIn(body, value)
    if (tool === null) continue
    if (tool.kind === 'custom') addName(body, tool, customs)
    const text = textFor(body, tool, target)
    if (text !== null) edits.push({ start: value.start, end: value.end, text })
  }
  return { edits, customs }
}

/** Names of the custom tools, in whatever form. */
export function listCustomNames(body: Buffer, tools: Value | null): string[] {
  const names: string[] = []
  for (const value of tools?.elements ?? []) {
    const tool = toolIn(body, value)
    if (tool?.kind === 'custom') addName(body, tool, names)
  }
  return names
}

function addName(body: Buffer, { name }: Tool, names: string[]): void {
  const text = readText(body, name)
  if (text !== null && text !== '') names.push(text)
}

/** All tools that a client runs in the form that is wanted, as JSON; built-in ones are left out. */
export function listToolTexts(body: Buffer, tools: Value | null, target: ToolTarget): string[] {
  const texts: string[] = []
  for (const value of tools?.elements ?? []) {
    const tool = toolIn(body, value)
    if (tool !== null) texts.push(textFor(body, tool, target) ?? sliceText(body, value))
  }
  return texts
}

/** Null if it is as wanted already. */
function textFor(body: Buffer, tool: Tool, { form, customs }: ToolTarget): string | null {
  if (tool.kind === 'function') return functionText(body, tool, form)
  return customs ? customText(body, tool, form) : wrappedText(body, tool, form)
}

/** A tool that a client runs, whichever way it is written. */
interface Tool {
  readonly kind: 'function' | 'custom'
  readonly form: ToolForm
  /** Nothing of it is missing or odd. */
  readonly regular: boolean
  readonly name: Value
  readonly description: Value | null
  /** Of a function: the JSON schema of its arguments. */
  readonly schema: Value | null
  readonly strict: Value | null
  /** Of a custom tool. */
  readonly format: Value | null
  /** Anthropic's, which OpenAI's API refuses. */
  readonly cacheControl: Value | null
}

/** Null for built-in tools (of either API), and for what is no tool. */
function toolIn(body: Buffer, tool: Value): Tool | null {
  if (tool.members === null) return null
  const type = findMember(tool, 'type')
  const untyped = type === null
  const inner = findMember(tool, 'function')
  if (inner?.members && (untyped || equalsText(body, type, 'function'))) {
    return partsOf('function', 'nested', tool, inner, !untyped)
  }
  const custom = findMember(tool, 'custom')
  if (custom?.members && (untyped || equalsText(body, type, 'custom'))) {
    return partsOf('custom', 'nested', tool, custom, !untyped)
  }
  const anthropic = findMember(tool, 'input_schema') !== null
  if (equalsText(body, type, 'function')) return partsOf('function', 'flat', tool, tool, !anthropic)
  const typeless = untyped || body.toString('latin1', type.start, type.end) === 'null'
  if (anthropic && (typeless || equalsText(body, type, 'custom'))) {
    return partsOf('function', 'input_schema', tool, tool, true)
  }
  if (equalsText(body, type, 'custom')) return partsOf('custom', 'flat', tool, tool, true)
  return typeless && findMember(tool, 'parameters') !== null
    ? partsOf('function', 'flat', tool, tool, false)
    : null
}

function partsOf(
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

/** What `parameters` that are not there mean (API reference, Create chat completion, `tools`). */
const NO_ARGUMENTS = '{"type":"object","properties":{}}'

/** Null if it has that form already. */
function functionText(body: Buffer, tool: Tool, form: ToolForm): string | null {
  if (tool.form === form && tool.regular) return null
  const name = member(body, 'name', tool.name)
  const description = member(body, 'description', tool.description)
  const schema = tool.schema === null ? NO_ARGUMENTS : sliceText(body, tool.schema)
  if (form === 'input_schema') {
    return `{${name}${description},"input_schema":${schema}${member(body, 'cache_control', tool.cacheControl)}}`
  }
  const strict = member(body, 'strict', tool.strict)
  if (form === 'nested') {
    const parameters = tool.schema === null ? '' : `,"parameters":${schema}`
    return `{"type":"function","function":{${name}${description}${parameters}${strict}}}`
  }
  // Functions are strict unless told otherwise in Responses, and the other way round in both of the other APIs (OpenAI's guide
  // to migrate to Responses).
  return `{"type":"function",${name}${description},"parameters":${schema}${strict || ',"strict":false'}}`
}

function customText(body: Buffer, tool: Tool, form: ToolForm): string | null {
  if (tool.form === form && tool.regular && formatText(body, tool.format, form) === null) return null
  const format =
    formatText(body, tool.format, form) ?? (tool.format === null ? null : sliceText(body, tool.format))
  const name = member(body, 'name', tool.name)
  const parts = `${name}${member(body, 'description', tool.description)}${format === null ? '' : `,"format":${format}`}`
  return form === 'nested' ? `{"type":"custom","custom":{${parts}}}` : `{"type":"custom",${parts}}`
}

/** A grammar stands in an object of its own in chat completions, and beside its type in Responses. Null if it is so already. */
function formatText(body: Buffer, format: Value | null, form: ToolForm): string | null {
  const { syntax, definition, nested } = grammarOf(body, format)
  if (syntax === null || definition === null || nested === (form === 'nested')) return null
  const grammar = `"syntax":${sliceText(body, syntax)},"definition":${sliceText(body, definition)}`
  return form === 'nested' ? `{"type":"grammar","grammar":{${grammar}}}` : `{"type":"grammar",${grammar}}`
}

function grammarOf(
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

/** A function in its place: where there are no custom tools, the grammar is something to be read. */
function wrappedText(body: Buffer, tool: Tool, form: ToolForm): string {
  const { syntax, definition } = grammarOf(body, tool.format)
  const grammar = readText(body, definition, LONGEST_GRAMMAR)
  const language = readText(body, syntax)
  const input =
    grammar === null
      ? { type: 'string' }
      : { type: 'string', description: `Has to match this ${language ?? ''} grammar:\n${grammar}` }
  const schema = JSON.stringify({ type: 'object', properties: { input }, required: ['input'] })
  const name = member(body, 'name', tool.name)
  const description = member(body, 'description', tool.description)
  if (form === 'input_schema') {
    return `{${name}${description},"input_schema":${schema}${member(body, 'cache_control', tool.cacheControl)}}`
  }
  const parts = `${name}${description},"parameters":${schema}`
  return form === 'nested'
    ? `{"type":"function","function":{${parts}}}`
    : `{"type":"function",${parts},"strict":false}`
}

const LONGEST_GRAMMAR = 64 * 1024

/** With a comma ahead unless it is the name, which each has. */
function member(body: Buffer, key: string, value: Value | null): string {
  if (value === null) return ''
  return `${key === 'name' ? '' : ','}"${key}":${sliceText(body, value)}`
}
