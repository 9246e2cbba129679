import { applyEdits, type Edit } from '../../json/edits.js'
import {
  findMember,
  findOnly,
  findString,
  parseOutline,
  readElements,
  readText,
  type Value,
  WHOLE,
} from '../../json/outline.js'
import { EMPTY } from '../../lib/bytes.js'
import { findOnlyData } from '../../sse/event-data.js'
import { EventTransform } from '../response/event-transform.js'
import { ArgumentsTemplate } from './arguments-template.js'
import { InputDecoder } from './input-decoder.js'
import { copyHead, StreamCall, StreamCalls } from './stream-calls.js'

/** In bytes. A longer event passes as it comes. */
const LONGEST_EVENT = 16 * 1024 * 1024

const TOOL_CALLS = Buffer.from('"tool_calls"')
const ZERO = 0x30

const CALL = findOnly({ index: WHOLE, id: WHOLE, function: findOnly({ name: WHOLE, arguments: WHOLE }) })
const DELTA = findOnly({ tool_calls: readElements(CALL) })
const CHUNK = findOnly({
  choices: readElements(findOnly({ index: WHOLE, delta: DELTA, finish_reason: WHOLE })),
})

/** Arguments of a wrapped tool in an event. */
interface Replacement {
  readonly call: StreamCall
  readonly value: Value
  readonly args: string
  /** The text that replaces them. */
  text: string
}

/**
 * Unwraps the calls of wrapped tools in a stream of chat completions: Cursor reads a custom tool's call as a call of a
 * function whose arguments are the text (see `ChunkWriter.openCall`). Only these arguments are rewritten, each part in
 * the event that it came in; every other byte stays. If a call is cut short, the part that the decoder holds leaves
 * in the event that ends the call, or ahead of that event.
 */
export class UnwrapStream extends EventTransform {
  /** Names of the wrapped tools. */
  private readonly tools: ReadonlySet<string>
  private readonly calls: StreamCalls
  /** For the current event. */
  private replacements: Replacement[]
  /** The last replacement of each call in the current event. */
  private readonly lastOf: Map<StreamCall, Replacement>
  /** The beginning of chunks like the current event; null until a call needs it. */
  private head: string | null
  /** Chunks that leave ahead of the current event. */
  private chunksAhead: string
  /** The current event is the last one. */
  private isEnding: boolean
  /** For the events that follow; null if the last event had more than a part of one call's arguments. */
  private template: ArgumentsTemplate | null

  /** @param tools names of the wrapped tools */
  constructor(tools: readonly string[]) {
    super(LONGEST_EVENT)
    this.tools = new Set(tools)
    this.calls = new StreamCalls()
    this.replacements = []
    this.lastOf = new Map()
    this.head = null
    this.chunksAhead = ''
    this.isEnding = false
    this.template = null
  }

  override end(): Buffer {
    this.isEnding = true
    return super.end()
  }

  protected change(event: Buffer): Buffer {
    if (!event.includes(TOOL_CALLS) && !this.calls.hasRest) return event
    const { template } = this
    if (template !== null && !this.isEnding) {
      const args = template.match(event)
      if (args !== null) {
        const { decoder } = template.call
        const text = decoder === null ? args : this.calls.decode(decoder, args)
        return text === args ? event : template.fill(text)
      }
    }
    return this.parseEvent(event)
  }

  /** An incomplete event is useless to every client. */
  protected changeBroken(): Buffer {
    return EMPTY
  }

  private parseEvent(event: Buffer): Buffer {
    // This event may begin another call, so the template is no longer valid.
    this.template = null
    this.head = null
    const start = findOnlyData(event)?.start ?? -1
    const chunk = start === -1 ? null : parseOutline(event, CHUNK, start)
    const choices = findMember(chunk, 'choices')?.elements ?? null
    for (const choice of choices ?? []) this.readChoice(event, start, choice)
    if (this.isEnding || (choices === null && isDone(event, start))) this.endCalls(null)
    const { replacements, chunksAhead } = this
    if (replacements.length === 0 && chunksAhead === '') return event
    this.replacements = []
    this.lastOf.clear()
    this.chunksAhead = ''
    this.template = createTemplate(event, choices, replacements)
    return Buffer.concat([Buffer.from(chunksAhead), ...applyEdits([event], listEdits(replacements))])
  }

  private readChoice(event: Buffer, start: number, choice: Value): void {
    const choiceIndex = readIndex(event, findMember(choice, 'index')) ?? 0
    for (const delta of findMember(findMember(choice, 'delta'), 'tool_calls')?.elements ?? []) {
      const call = this.findCall(event, start, choiceIndex, delta)
      const value = findMember(findMember(delta, 'function'), 'arguments')
      const args = readText(event, value, Number.POSITIVE_INFINITY)
      if (value === null || args === null || args === '') continue
      call.isIdentified = true
      const { decoder } = call
      if (decoder === null) continue
      const replacement = { call, value, args, text: this.calls.decode(decoder, args) }
      this.replacements.push(replacement)
      this.lastOf.set(call, replacement)
    }
    if (isFinished(event, choice)) this.endCalls(choiceIndex)
  }

  /** The call that a delta continues or begins. */
  private findCall(event: Buffer, start: number, choice: number, delta: Value): StreamCall {
    const index = readIndex(event, findMember(delta, 'index'))
    const id = readText(event, findMember(delta, 'id')) || null
    const name = readText(event, findMember(findMember(delta, 'function'), 'name')) || null
    let call = this.calls.find(choice, index)
    if (call === undefined || call.isFollowedBy(index, id, name)) {
      if (call !== undefined) this.endCall(call)
      this.head ??= copyHead(event, start)
      call = new StreamCall(choice, index, id, this.head)
      this.calls.add(call)
    }
    this.calls.setLast(call)
    if (name !== null && !call.isIdentified) {
      call.isIdentified = true
      if (this.tools.has(name)) call.decoder = new InputDecoder()
    }
    return call
  }

  /** @param choice null for all choices */
  private endCalls(choice: number | null): void {
    if (this.calls.hasRest) for (const call of this.calls.list(choice)) this.endCall(call)
  }

  private endCall(call: StreamCall): void {
    const rest = this.calls.flush(call)
    if (rest === '') return
    const last = this.lastOf.get(call)
    if (last === undefined) this.chunksAhead += call.formatChunk(rest)
    else last.text += rest
  }
}

/** Null if the event has, or may begin, more than a part of one call's arguments. */
function createTemplate(
  event: Buffer,
  choices: readonly Value[] | null,
  replacements: readonly Replacement[],
): ArgumentsTemplate | null {
  const [first] = replacements
  const [choice] = choices ?? []
  if (first === undefined || choice === undefined || choices?.length !== 1) return null
  const deltas = findMember(findMember(choice, 'delta'), 'tool_calls')?.elements
  if (deltas?.length !== 1 || first.call.index === null || isFinished(event, choice)) return null
  return new ArgumentsTemplate(event, first.call, first.value.start, first.value.end)
}

function listEdits(replacements: readonly Replacement[]): Edit[] {
  const edits: Edit[] = []
  for (const { value, args, text } of replacements)
    if (text !== args) edits.push({ start: value.start, end: value.end, text: JSON.stringify(text) })
  return edits
}

/** Some upstreams have an empty finish reason in each chunk, which ends nothing. */
function isFinished(event: Buffer, choice: Value): boolean {
  const reason = findString(event, findMember(choice, 'finish_reason'))
  return reason !== null && reason.end - reason.start > 2
}

function isDone(event: Buffer, start: number): boolean {
  return start !== -1 && event.toString('latin1', start, start + 7).trim() === '[DONE]'
}

/** The value if it is a whole number that is not negative, else null. */
function readIndex(event: Buffer, value: Value | null): number | null {
  if (value === null || value.end - value.start > 9) return null
  let number = 0
  for (let at = value.start; at < value.end; at++) {
    const digit = (event[at] as number) - ZERO
    if (digit < 0 || digit > 9) return null
    number = number * 10 + digit
  }
  return number
}
