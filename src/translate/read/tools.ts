import { equalsText, findMember, isEmptyValue, type Value } from '../../json/outline.js'
import type { Tool } from '../conversation.js'
import { copyMember, copyString, nameType, readMember } from './values.js'

/**
 * The three forms of a tool that the client runs: chat completions have `nested`, an object with the tool's members
 * that is named like its type; Responses `flat`, with the members beside the type; Messages `input_schema`. One array
 * from Cursor may mix them.
 */
export type ToolForm = 'nested' | 'flat' | 'input_schema'

/** A tool in a body. */
export interface FoundTool {
  readonly kind: Tool['kind']
  readonly form: ToolForm
  /** The tool is written as the API of its form has it: no part is missing or misplaced. */
  readonly regular: boolean
  readonly name: string
  /** What stands beside the type. */
  readonly outer: Value
  /** What has the name: in all forms but `nested` the same. */
  readonly inner: Value
}

/**
 * Reads the tools that the client runs.
 * @param tools the outline of the array
 * @param legacy whether these are `functions`
 * @param skip gets the names of other tools, as `tools[TYPE]`: the vendor runs them
 */
export function readTools(
  body: Buffer,
  tools: Value | null,
  legacy: boolean,
  skip: (key: string) => void,
): Tool[] {
  const read: Tool[] = []
  for (const value of tools?.elements ?? []) {
    const found = findTool(body, value, legacy)
    if (found === null) skip(`tools[${nameType(body, value)}]`)
    else read.push(copyTool(body, found))
  }
  return read
}

/**
 * Finds which form a tool has. Null for the built-in tools of any API, and for a value that is no tool.
 * @param legacy whether it is one of `functions`, which may have no more than a name
 */
export function findTool(body: Buffer, tool: Value, legacy = false): FoundTool | null {
  if (tool.members === null) return null
  const type = findMember(tool, 'type')
  const isUntyped = isEmptyValue(body, type)
  for (const kind of ['function', 'custom'] as const) {
    const inner = findMember(tool, kind)
    if (inner?.members && (isUntyped || equalsText(body, type, kind)))
      return nameTool(body, kind, 'nested', !isUntyped, tool, inner)
  }
  const isAnthropic = findMember(tool, 'input_schema') !== null
  if (equalsText(body, type, 'function')) return nameTool(body, 'function', 'flat', !isAnthropic, tool)
  const isCustom = equalsText(body, type, 'custom')
  if (isAnthropic && (isUntyped || isCustom)) return nameTool(body, 'function', 'input_schema', true, tool)
  if (isCustom) return nameTool(body, 'custom', 'flat', true, tool)
  const isFunction = isUntyped && (legacy || findMember(tool, 'parameters') !== null)
  return isFunction ? nameTool(body, 'function', 'flat', false, tool) : null
}

/** Null if the tool has no name. */
function nameTool(
  body: Buffer,
  kind: Tool['kind'],
  form: ToolForm,
  typed: boolean,
  outer: Value,
  inner = outer,
): FoundTool | null {
  const name = readMember(body, inner, 'name')
  if (name === null || name === '') return null
  const grammar = kind === 'custom' ? findGrammar(body, inner) : null
  const regular = typed && (grammar === null || grammar.nested === (form === 'nested'))
  return { kind, form, regular, name, outer, inner }
}

/** The tool as a conversation has it: its parts keep their bytes. */
export function copyTool(body: Buffer, { kind, name, outer, inner }: FoundTool): Tool {
  const isCustom = kind === 'custom'
  return {
    kind,
    name,
    description: copyString(body, inner, 'description'),
    schema: isCustom
      ? null
      : (copyMember(body, inner, 'parameters') ?? copyMember(body, inner, 'input_schema')),
    strict: isCustom ? null : (copyMember(body, inner, 'strict') ?? copyMember(body, outer, 'strict')),
    grammar: isCustom ? (findGrammar(body, inner)?.grammar ?? null) : null,
    cache: copyMember(body, outer, 'cache_control'),
  }
}

/** The grammar stands in an object of its own in chat completions, and beside the type in Responses. */
function findGrammar(
  body: Buffer,
  tool: Value,
): { readonly grammar: NonNullable<Tool['grammar']>; readonly nested: boolean } | null {
  const format = findMember(tool, 'format')
  const object = findMember(format, 'grammar')
  const nested = object !== null && object.members !== null
  const at = nested ? object : format
  const syntax = copyString(body, at, 'syntax')
  const definition = copyString(body, at, 'definition')
  return syntax === null || definition === null ? null : { grammar: { syntax, definition }, nested }
}
