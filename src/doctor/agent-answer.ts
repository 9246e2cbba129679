import { parseJson } from '../json/values.js'
import { splitEvents } from './events.js'
import { findHeader, type HttpResponse } from './http-request.js'
import { readField } from './quote.js'

/** A tool call as Cursor puts it together from chunks. */
export interface ToolCall {
  readonly id: string
  readonly name: string
  /** As written: JSON, but for a free-text tool. */
  readonly arguments: string
}

/** What Cursor gets to see of one streamed answer. */
export interface AgentAnswer {
  readonly text: string
  readonly calls: readonly ToolCall[]
  /** The first thing by which Cursor's agent cannot read the answer; null if there is none. */
  readonly flaw: string | null
  /** The message of an error within the stream. */
  readonly error: string | null
}

/** What the tools of a request are. */
export interface OfferedTools {
  readonly names: ReadonlySet<string>
  /** Its arguments are free text. */
  readonly freeText: string
}

/** A call whose parts still come. */
interface OpenCall {
  id: string
  name: string
  arguments: string
}

/**
 * Reads a stream of chat completion chunks as Cursor's agent does (OpenAI API reference, The chat completion chunk
 * object): a call has an `index`, its first part the id and the name, and its arguments are the parts joined.
 */
export function readAgentAnswer(response: HttpResponse, tools: OfferedTools): AgentAnswer {
  const open = new Map<number, OpenCall>()
  let text = ''
  let flaw: string | null = null
  let error: string | null = null
  let finish: string | null = null
  let done = false
  const type = findHeader(response, 'content-type') ?? 'none'
  if (!/^text\/event-stream\b/i.test(type))
    flaw = `the content-type is ${type.slice(0, 60)}, not text/event-stream`
  for (const { data } of splitEvents(response.chunks)) {
    if (data.trim() === '[DONE]') {
      done = true
      continue
    }
    const chunk = parseJson(data)
    const problem = readField(chunk, 'error')
    if (problem !== undefined && problem !== null) {
      const message = readField(problem, 'message')
      error ??= typeof message === 'string' ? message : JSON.stringify(problem)
      continue
    }
    const choices = readField(chunk, 'choices')
    if (!Array.isArray(choices)) {
      const kind = readField(chunk, 'type') ?? readField(chunk, 'object')
      flaw ??= `an event that is no chat completion chunk (${typeof kind === 'string' ? kind.slice(0, 60) : 'no type'})`
      continue
    }
    const choice: unknown = choices[0]
    const reason = readField(choice, 'finish_reason')
    if (typeof reason === 'string') finish = reason
    const delta = readField(choice, 'delta')
    const content = readField(delta, 'content')
    if (typeof content === 'string') text += content
    const parts = readField(delta, 'tool_calls')
    if (Array.isArray(parts)) for (const part of parts) flaw ??= readCallPart(part, open)
  }
  const calls = [...open.values()]
  flaw ??= findCallFlaw(calls, tools)
  if (error === null && flaw === null) {
    if (response.end !== 'whole')
      flaw = response.end === 'cut' ? 'the stream was cut off' : 'the stream had no end in time'
    else if (calls.length > 0 && finish !== 'tool_calls')
      flaw = `a tool is called, but finish_reason is ${finish ?? 'missing'}, not tool_calls`
    else if (!done || finish === null)
      flaw = `the stream has no ${finish === null ? 'finish_reason' : '[DONE]'}`
  }
  return { text, calls, flaw, error }
}

/** Adds a part to its call. @returns why Cursor cannot read it; null if it can */
function readCallPart(part: unknown, open: Map<number, OpenCall>): string | null {
  const index = readField(part, 'index')
  if (typeof index !== 'number') return 'tool_calls without index'
  const kind = readField(part, 'type')
  if (kind !== undefined && kind !== null && kind !== 'function')
    return `a tool call of the type ${JSON.stringify(kind).slice(0, 40)}, and Cursor reads only "function"`
  const id = readField(part, 'id')
  const inner = readField(part, 'function')
  const name = readField(inner, 'name')
  const written = readField(inner, 'arguments')
  let call = open.get(index)
  if (call === undefined) {
    if (typeof id !== 'string' || id === '') return 'a tool call without id'
    if (typeof name !== 'string' || name === '') return 'a tool call without a name'
    call = { id, name, arguments: '' }
    open.set(index, call)
  } else if (typeof id === 'string' && id !== '' && id !== call.id) {
    return 'two tool calls with the same index'
  }
  if (written !== undefined && written !== null && typeof written !== 'string')
    return 'tool arguments that are no text'
  call.arguments += typeof written === 'string' ? written : ''
  return null
}

function findCallFlaw(calls: readonly OpenCall[], { names, freeText }: OfferedTools): string | null {
  for (const { name, arguments: written } of calls) {
    if (!names.has(name)) return `a call of ${JSON.stringify(name.slice(0, 40))}, which is none of the tools`
    if (name === freeText) continue
    const value = parseJson(written)
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return `the arguments of ${name} are no JSON object: ${JSON.stringify(written.slice(0, 60))}`
  }
  return null
}
