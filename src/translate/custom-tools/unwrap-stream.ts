import { applyEdits, type Edit } from '../../json/edits.js'
import {
  findMember,
  findOnly,
  findString,
  parseOutline,
  readElements,
  readText,
  sliceText,
  type Value,
  WHOLE,
} from '../../json/outline.js'
import { parseJson } from '../../json/values.js'
import { findOnlyData } from '../../sse/event-data.js'
import { Eventwise } from '../response/event-transform.js'
import { InputDecoder, unwrapInput } from './input-decoder.js'

/** Of an event that is held: one that is longer passes as it comes. */
const LONGEST_EVENT = 16 * 1024 * 1024

const NOTHING = Buffer.alloc(0)
const TOOL_CALLS = Buffer.from('"tool_calls"')
const ZERO = 0x30

const CALLS = findOnly({
  tool_calls: readElements(
    findOnly({ index: WHOLE, id: WHOLE, function: findOnly({ name: WHOLE, arguments: WHOLE }) }),
  ),
})
const CHUNK = findOnly({
  choices: readElements(findOnly({ index: WHOLE, delta: CALLS, finish_reason: WHOLE })),
})
const COMPLETION = findOnly({ choices: readElements(findOnly({ message: CALLS })) })

/** What all chunks of a stream have alike. */
const HEAD = ['id', 'object', 'created', 'model'] as const
const HEADS = findOnly(Object.fromEntries(HEAD.map((key) => [key, WHOLE])))

/** A tool call of a stream, so far. */
class Call {
  readonly choice: number
  /** Null if the upstream does not tell it. */
  readonly index: number | null
  readonly id: string | null
  /** The beginning of a chunk, as far as its choices. */
  readonly head: string
  /** Of a tool that is not wrapped, or not named yet, null. */
  input: InputDecoder | null
  /** Its name has come, or arguments without. */
  known: boolean

  constructor(choice: number, index: number | null, id: string | null, head: string) {
    this.choice = choice
    this.index = index
    this.id = id
    this.head = head
    this.input = null
    this.known = false
  }
}

/**
 * An event that has nothing but a piece of one call's arguments. Those that follow are mostly the same but for that, and need
 * not be read (bench `unwrap_calls`).
 */
class Alike {
  readonly call: Call
  private readonly before: Buffer
  private readonly after: Buffer

  constructor(event: Buffer, { call, value }: Argued) {
    this.call = call
    this.before = Buffer.from(event.subarray(0, value.start))
    this.after = Buffer.from(event.subarray(value.end))
  }

  /** The piece in another event; null if that differs in more. */
  pieceIn(event: Buffer): string | null {
    const { before, after } = this
    const end = event.length - after.length
    if (end < before.length || event.compare(before, 0, before.length, 0, before.length) !== 0) return null
    if (event.compare(after, 0, after.length, end) !== 0) return null
    const piece = parseJson(event.toString('utf8', before.length, end))
    return typeof piece === 'string' ? piece : null
  }

  eventWith(piece: string): Buffer {
    return Buffer.concat([this.before, Buffer.from(JSON.stringify(piece)), this.after])
  }
}

/** Arguments in an event, and what becomes of them. */
interface Argued {
  readonly call: Call
  readonly value: Value
  readonly piece: string
  text: string
}

/**
 * Gives the calls of wrapped tools in a chat completion's stream the form in which Cursor takes those of custom tools: a
 * function's, with the text as it is for arguments. Only these arguments are written anew, each piece in the event in which
 * it came; every other byte stays. What is held of a call that is cut short comes in the event that ends it, or ahead of that.
 */
export class UnwrapStream extends Eventwise {
  /** Names of the tools. */
  private readonly tools: readonly string[]
  /** By choice and index; of those that have the same, the last one. */
  private readonly calls: Map<string, Call>
  /** Of each choice the one that was told of last. */
  private readonly last: Map<number, Call>
  /** Of the event that is being changed. */
  private argued: Argued[]
  /** Chunks that go ahead of it. */
  private ahead: string
  /** No other event comes. */
  private ending: boolean
  private alike: Alike | null

  constructor(tools: readonly string[]) {
    super(LONGEST_EVENT)
    this.tools = tools
    this.calls = new Map()
    this.last = new Map()
    this.argued = []
    this.ahead = ''
    this.ending = false
    this.alike = null
  }

  override end(): Buffer {
    this.ending = true
    return super.end()
  }

  protected change(event: Buffer): Buffer {
    if (!event.includes(TOOL_CALLS) && !this.holding) return event
    if (this.alike !== null && !this.ending) {
      const { alike } = this
      const piece = alike.pieceIn(event)
      if (piece !== null) {
        const text = alike.call.input?.push(piece) ?? piece
        return text === piece ? event : alike.eventWith(text)
      }
    }
    // Which call it is that goes on may be another one behind this event.
    this.alike = null
    const start = findOnlyData(event)?.start ?? -1
    const chunk = start === -1 ? null : parseOutline(event, CHUNK, start)
    const choices = findMember(chunk, 'choices')?.elements ?? null
    for (const choice of choices ?? []) this.takeChoice(event, start, choice)
    if (this.ending || (choices === null && isDone(event, start))) this.endCalls(null)
    const { argued, ahead } = this
    if (argued.length === 0 && ahead === '') return event
    this.argued = []
    this.ahead = ''
    this.alike = this.alikeOf(event, choices, argued)
    return Buffer.concat([Buffer.from(ahead), ...applyEdits([event], editsOf(argued))])
  }

  /** Null if it has, or may begin, anything beside the one piece. */
  private alikeOf(event: Buffer, choices: readonly Value[] | null, argued: readonly Argued[]): Alike | null {
    const [first] = argued
    const [choice] = choices ?? []
    if (first === undefined || choice === undefined || choices?.length !== 1) return null
    const deltas = findMember(findMember(choice, 'delta'), 'tool_calls')?.elements
    if (deltas?.length !== 1 || first.call.index === null) return null
    return isFinished(event, choice) ? null : new Alike(event, first)
  }

  /** What is not whole cannot be read by anyone. */
  protected changeBroken(): Buffer {
    return NOTHING
  }

  private get holding(): boolean {
    for (const { input } of this.calls.values()) if (input?.holds) return true
    return false
  }

  private takeChoice(event: Buffer, start: number, choice: Value): void {
    const n = numberIn(event, findMember(choice, 'index')) ?? 0
    for (const delta of findMember(findMember(choice, 'delta'), 'tool_calls')?.elements ?? []) {
      const call = this.callOf(event, start, n, delta)
      const value = findMember(findMember(delta, 'function'), 'arguments')
      const piece = readText(event, value, Number.POSITIVE_INFINITY)
      if (value === null || piece === null || piece === '') continue
      call.known = true
      if (call.input !== null) this.argued.push({ call, value, piece, text: call.input.push(piece) })
    }
    if (isFinished(event, choice)) this.endCalls(n)
  }

  /**
   * The call that a delta goes on with, or begins. Some upstreams give all calls the same index; some repeat the name in each
   * delta, some make up an id for each: a new call has both, and another id. Where there is no index, a name is enough.
   */
  private callOf(event: Buffer, start: number, choice: number, delta: Value): Call {
    const index = numberIn(event, findMember(delta, 'index'))
    const id = readText(event, findMember(delta, 'id')) || null
    const name = readText(event, findMember(findMember(delta, 'function'), 'name')) || null
    const key = `${choice} ${index}`
    let call = index === null ? this.last.get(choice) : this.calls.get(key)
    const another = name !== null && (index === null || (id !== null && id !== call?.id))
    if (call === undefined || (call.known && another)) {
      if (call !== undefined) this.endCall(call)
      call = new Call(choice, index, id, headOf(event, start))
      this.calls.set(key, call)
    }
    this.last.set(choice, call)
    if (name !== null && !call.known) {
      call.known = true
      if (this.tools.includes(name)) call.input = new InputDecoder()
    }
    return call
  }

  /** @param choice null for all */
  private endCalls(choice: number | null): void {
    for (const call of this.calls.values()) if (choice === null || call.choice === choice) this.endCall(call)
  }

  private endCall(call: Call): void {
    const rest = call.input?.rest() ?? ''
    if (rest === '') return
    const last = this.argued.findLast((argued) => argued.call === call)
    if (last === undefined) this.ahead += chunkOf(call, rest)
    else last.text += rest
  }
}

/**
 * The same in a chat completion that is whole.
 * @param tools names of the tools
 * @returns the same bytes if there is no such call in it
 */
export function unwrapCompletion(body: Buffer, tools: readonly string[]): Buffer {
  const edits: Edit[] = []
  if (!body.includes(TOOL_CALLS)) return body
  for (const choice of findMember(parseOutline(body, COMPLETION), 'choices')?.elements ?? []) {
    for (const call of findMember(findMember(choice, 'message'), 'tool_calls')?.elements ?? []) {
      const made = findMember(call, 'function')
      const value = findMember(made, 'arguments')
      const args = readText(body, value, Number.POSITIVE_INFINITY)
      if (value === null || args === null || !tools.includes(readText(body, findMember(made, 'name')) ?? ''))
        continue
      const text = unwrapInput(args)
      if (text !== args) edits.push({ start: value.start, end: value.end, text: JSON.stringify(text) })
    }
  }
  return edits.length === 0 ? body : Buffer.concat(applyEdits([body], edits))
}

function editsOf(argued: readonly Argued[]): Edit[] {
  const edits: Edit[] = []
  for (const { value, piece, text } of argued)
    if (text !== piece) edits.push({ start: value.start, end: value.end, text: JSON.stringify(text) })
  return edits
}

function headOf(event: Buffer, start: number): string {
  const chunk = parseOutline(event, HEADS, start)
  let head = '{'
  for (const key of HEAD) {
    const value = findMember(chunk, key)
    if (value !== null) head += `"${key}":${sliceText(event, value)},`
  }
  return head
}

function chunkOf({ choice, index, head }: Call, text: string): string {
  const place = index === null ? '' : `"index":${index},`
  const delta = `{"tool_calls":[{${place}"function":{"arguments":${JSON.stringify(text)}}}]}`
  return `data: ${head}"choices":[{"index":${choice},"delta":${delta},"logprobs":null,"finish_reason":null}]}\n\n`
}

/** Some upstreams have an empty reason in each chunk. */
function isFinished(event: Buffer, choice: Value): boolean {
  const reason = findString(event, findMember(choice, 'finish_reason'))
  return reason !== null && reason.end - reason.start > 2
}

function isDone(event: Buffer, start: number): boolean {
  return start !== -1 && event.toString('latin1', start, start + 7).trim() === '[DONE]'
}

/** The value if it is a whole number that is not negative, else null. */
function numberIn(event: Buffer, value: Value | null): number | null {
  if (value === null || value.end - value.start > 9) return null
  let number = 0
  for (let at = value.start; at < value.end; at++) {
    const digit = (event[at] as number) - ZERO
    if (digit < 0 || digit > 9) return null
    number = number * 10 + digit
  }
  return number
}
