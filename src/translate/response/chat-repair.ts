import { createHash, randomUUID } from 'node:crypto'
import { OPEN_BRACE } from '../../json/bytes.js'
import { applyEdits, type Edit } from '../../json/edits.js'
import { resolveEdits } from '../../json/object-edits.js'
import {
  equalsText,
  findMember,
  findOnly,
  findString,
  isEmptyValue,
  parseOutline,
  readElements,
  readText,
  sliceText,
  type Value,
  WHOLE,
} from '../../json/outline.js'
import { findStringEnd } from '../../json/scanner.js'
import { parseJson } from '../../json/values.js'
import { EMPTY } from '../../lib/bytes.js'
import { findOnlyData } from '../../sse/event-data.js'
import { EventTransform } from './event-transform.js'
import { RepeatedEvents } from './repeated-events.js'

/** In bytes. A longer event passes as it comes. */
const LONGEST_EVENT = 16 * 1024 * 1024

const TOOL_CALLS = Buffer.from('"tool_calls"')
/** The older form of a call, and not `null` or a finish reason. */
const LEGACY_CALL = /"function_call"\s*:\s*\{/
const FUNCTION_CALL = Buffer.from('"function_call"')
const FINISH_REASON = Buffer.from('"finish_reason"')

const NO_NAMES: ReadonlyMap<string, string> = new Map()

const CALL = findOnly({
  index: WHOLE,
  id: WHOLE,
  type: WHOLE,
  function: findOnly({ name: WHOLE, arguments: WHOLE }),
  custom: findOnly({ name: WHOLE, input: WHOLE }),
})
const CALLS = findOnly({
  tool_calls: readElements(CALL),
  function_call: findOnly({ name: WHOLE, arguments: WHOLE }),
})
const CHUNK = findOnly({
  id: WHOLE,
  created: WHOLE,
  choices: readElements(findOnly({ index: WHOLE, delta: CALLS, finish_reason: WHOLE })),
})
const COMPLETION = findOnly({
  id: WHOLE,
  created: WHOLE,
  choices: readElements(findOnly({ index: WHOLE, message: CALLS, finish_reason: WHOLE })),
})

/** A call of one choice, as the client reads it. */
interface Call {
  readonly index: number
  /** The upstream's, if it gives one. */
  readonly id: string
  /** The same, but for an id that another call of the choice has. */
  readonly clientId: string
  name: string
  /** Its arguments came in one piece: whatever names a function next is another call. */
  readonly isWhole: boolean
}

/** The calls of one choice. */
interface ChoiceCalls {
  count: number
  /** By the upstream's index; of several calls with the same, the last one. */
  readonly byIndex: Map<string, Call>
  last: Call | null
  /** The ids that the client has got. */
  readonly used: Set<string>
}

/**
 * Repairs calls in a stream of chat completions so that Cursor reads them (OpenAI API reference: The chat completion
 * chunk object):
 * - a call of type `custom` becomes one of a function, whose arguments are the text;
 * - calls without an index, or all with index 0, as Gemini's compatible API has them, get one each;
 * - a call without an id, or with that of another one, gets its own, and arguments that are an object become text;
 * - `function_call`, the older form of a call, becomes `tool_calls`;
 * - the finish reason of a choice with calls is `tool_calls`, also where the upstream says `stop`.
 *
 * All other events pass byte for byte, and only those with calls, or with an end behind calls, are parsed.
 */
export class ChatRepairStream extends EventTransform {
  private readonly choices: Map<string, ChoiceCalls>
  /** Events ahead of the first call. */
  private readonly texts: RepeatedEvents
  /** The last event that had nothing but a part of one call's arguments and needed no repair, around that part. */
  private before: Buffer
  private after: Buffer
  /** By the upstream's names of tools, those of the client. */
  private readonly clients: ReadonlyMap<string, string>

  /** @param clients by names of tools that the upstream got in place of the client's, those of the client */
  constructor(clients: ReadonlyMap<string, string> = NO_NAMES) {
    super(LONGEST_EVENT)
    this.clients = clients
    this.choices = new Map()
    this.texts = new RepeatedEvents()
    this.before = EMPTY
    this.after = EMPTY
  }

  protected override leaves(bytes: Buffer): boolean {
    const hasCalls = this.choices.size > 0
    if (!hasCalls && this.texts.covers(bytes)) return true
    if (bytes.includes(TOOL_CALLS)) return this.isLikeLast(bytes)
    if (hasLegacyCall(bytes)) return false
    if (hasCalls) return !bytes.includes(FINISH_REASON)
    this.texts.learn(bytes)
    return true
  }

  protected change(event: Buffer): Buffer {
    if (this.leaves(event)) return event
    this.before = EMPTY
    const start = findOnlyData(event)?.start ?? -1
    const chunk = start === -1 ? null : parseOutline(event, CHUNK, start)
    const edits = repairChoices(event, chunk, 'delta', this.choices, this.clients)
    if (edits.length > 0) return Buffer.concat(applyEdits([event], edits))
    this.remember(event, chunk)
    return event
  }

  /** An incomplete event is useless to every client. */
  protected changeBroken(): Buffer {
    return EMPTY
  }

  /** Whether the event differs from the last one in a part of the arguments only, which is one string again. */
  private isLikeLast(event: Buffer): boolean {
    const { before, after } = this
    const end = event.length - after.length
    if (before.length === 0 || end <= before.length) return false
    if (event.compare(before, 0, before.length, 0, before.length) !== 0) return false
    if (event.compare(after, 0, after.length, end) !== 0) return false
    return findStringEnd(event, before.length) === end
  }

  private remember(event: Buffer, chunk: Value | null): void {
    const choices = findMember(chunk, 'choices')?.elements
    const calls = findMember(findMember(choices?.[0] ?? null, 'delta'), 'tool_calls')?.elements
    if (choices?.length !== 1 || calls?.length !== 1) return
    const [call] = calls as [Value]
    const args = findString(event, findMember(findMember(call, 'function'), 'arguments'))
    const name = findMember(findMember(call, 'function'), 'name')
    if (args === null || !isEmptyValue(event, name) || !isEmptyValue(event, findMember(call, 'id'))) return
    // With its opening quote.
    this.before = Buffer.from(event.subarray(0, args.start + 1))
    this.after = Buffer.from(event.subarray(args.end))
  }
}

/**
 * Repairs the calls of a whole chat completion, as `ChatRepairStream` does. All other bytes stay.
 * @returns the same bytes if there is nothing to repair
 */
export function repairCompletion(body: Buffer, clients: ReadonlyMap<string, string> = NO_NAMES): Buffer {
  if (!body.includes(TOOL_CALLS) && !hasLegacyCall(body)) return body
  const edits = repairChoices(body, parseOutline(body, COMPLETION), 'message', new Map(), clients)
  return edits.length === 0 ? body : Buffer.concat(applyEdits([body], edits))
}

function repairChoices(
  bytes: Buffer,
  chunk: Value | null,
  key: 'delta' | 'message',
  known: Map<string, ChoiceCalls>,
  clients: ReadonlyMap<string, string>,
): Edit[] {
  const edits: Edit[] = []
  const repair = new Repair(bytes, chunk, key === 'message', edits, clients)
  for (const choice of findMember(chunk, 'choices')?.elements ?? []) {
    const index = findMember(choice, 'index')
    const name = index === null ? '0' : sliceText(bytes, index)
    const message = findMember(choice, key)
    const calls = findMember(message, 'tool_calls')?.elements ?? []
    // Some upstreams repeat a call in the older form.
    const legacy = calls.length === 0 ? findMember(message, 'function_call') : null
    let state = known.get(name)
    if (state === undefined && (calls.length > 0 || legacy?.members?.length)) {
      state = { count: 0, byIndex: new Map(), last: null, used: new Set() }
      known.set(name, state)
    }
    if (state === undefined) continue
    for (const call of calls) if (call.members !== null) repair.editCall(call, state, name)
    if (legacy?.members?.length) repair.editLegacyCall(message as Value, legacy, state, name)
    const reason = findMember(choice, 'finish_reason')
    if (equalsText(bytes, reason, 'stop') || equalsText(bytes, reason, 'function_call'))
      replace(edits, reason as Value, '"tool_calls"')
  }
  return resolveEdits(edits)
}

/** Repairs the calls of one chunk, or of a whole completion. */
class Repair {
  private readonly bytes: Buffer
  private readonly chunk: Value | null
  private readonly isWhole: boolean
  private readonly edits: Edit[]
  private readonly clients: ReadonlyMap<string, string>
  private added: string[]

  constructor(
    bytes: Buffer,
    chunk: Value | null,
    isWhole: boolean,
    edits: Edit[],
    clients: ReadonlyMap<string, string>,
  ) {
    this.clients = clients
    this.bytes = bytes
    this.chunk = chunk
    this.isWhole = isWhole
    this.edits = edits
    this.added = []
  }

  editCall(call: Value, state: ChoiceCalls, choice: string): void {
    const { bytes, edits } = this
    const made = findMember(call, 'function') ?? findMember(call, 'custom')
    const index = findMember(call, 'index')
    const givenIndex = isEmptyValue(bytes, index) ? '' : sliceText(bytes, index as Value)
    const id = readText(bytes, findMember(call, 'id')) ?? ''
    const name = readText(bytes, findMember(made, 'name')) ?? ''
    const client = this.clients.get(name)
    if (client !== undefined) replace(edits, findMember(made, 'name') as Value, JSON.stringify(client))
    const known = givenIndex === '' ? state.last : (state.byIndex.get(givenIndex) ?? null)
    if (known === null || this.isWhole || isAnother(known, id, name)) {
      const args = readArguments(bytes, made)
      const index = state.count++
      const isOwn = id !== '' && !state.used.has(id)
      const clientId = isOwn ? id : this.createId(choice, state.count)
      state.used.add(clientId)
      const begun = {
        ...{ index, name, isWhole: args !== null && isObjectText(args) },
        ...{ id: id === '' ? clientId : id, clientId },
      }
      if (!isOwn) this.setMember(call, 'id', JSON.stringify(clientId))
      state.last = begun
      state.byIndex.set(givenIndex, begun)
    } else {
      state.last = known
      if (known.name === '') known.name = name
      if (id === known.id && id !== known.clientId) this.setMember(call, 'id', JSON.stringify(known.clientId))
    }
    const wanted = (state.last as Call).index
    if (!this.isWhole && givenIndex !== String(wanted)) this.setMember(call, 'index', String(wanted))
    this.addMembers(call)
    const custom = findMember(call, 'custom')
    if (custom?.members && findMember(call, 'function') === null) this.editCustom(call, custom)
    const args = findMember(findMember(call, 'function'), 'arguments')
    if (args !== null && bytes[args.start] === OPEN_BRACE)
      replace(edits, args, JSON.stringify(sliceText(bytes, args)))
  }

  /** There is one such call in an answer, and its parts have neither an index nor an id. */
  editLegacyCall(message: Value, legacy: Value, state: ChoiceCalls, choice: string): void {
    const { bytes } = this
    const parts: string[] = []
    if (!this.isWhole) parts.push('"index":0')
    if (state.last === null) {
      const id = this.createId(choice, ++state.count)
      state.last = { index: 0, id, clientId: id, name: '', isWhole: false }
      parts.push(`"id":${JSON.stringify(id)}`, '"type":"function"')
    }
    const made: string[] = []
    const name = readText(bytes, findMember(legacy, 'name'))
    if (name !== null) made.push(`"name":${JSON.stringify(this.clients.get(name) ?? name)}`)
    const args = findMember(legacy, 'arguments')
    const text = args === null || isEmptyValue(bytes, args) ? null : sliceText(bytes, args)
    if (text !== null) made.push(`"arguments":${text.startsWith('{') ? JSON.stringify(text) : text}`)
    else if (this.isWhole) made.push('"arguments":"{}"')
    parts.push(`"function":{${made.join(',')}}`)
    const calls = findMember(message, 'tool_calls')
    if (calls !== null) replace(this.edits, calls, `[{${parts.join(',')}}]`)
    else renameKey(this.edits, message, legacy, 'tool_calls')
    replace(this.edits, legacy, calls === null ? `[{${parts.join(',')}}]` : 'null')
  }

  /** Cursor looks for `function.name` in every call and fails without it (icebear0828/codex-proxy#708). */
  private editCustom(call: Value, custom: Value): void {
    const { edits } = this
    const type = findMember(call, 'type')
    if (type !== null) replace(edits, type, '"function"')
    renameKey(edits, call, custom, 'function')
    const input = findMember(custom, 'input')
    if (input !== null) renameKey(edits, custom, input, 'arguments')
    else if (this.isWhole) this.setMember(custom, 'arguments', '""')
    this.addMembers(custom)
  }

  /** Sets a member that the object has, or keeps it for `addMembers`. */
  private setMember(object: Value, key: string, text: string): void {
    const value = findMember(object, key)
    if (value !== null) {
      replace(this.edits, value, text)
      return
    }
    this.added.push(`"${key}":${text}`)
  }

  /** Writes the members that an object did not have. */
  private addMembers(object: Value): void {
    if (this.added.length === 0) return
    const at = object.start + 1
    const comma = isEmptyObject(this.bytes, object) ? '' : ','
    this.edits.push({ start: at, end: at, text: this.added.join(',') + comma })
    this.added = []
  }

  /**
   * The same each time for the same response, and another one in each response: results name calls by it. A response
   * that nothing tells from others gets a random one.
   */
  private createId(choice: string, count: number): string {
    const values = ['id', 'created'].map((key) => findMember(this.chunk, key))
    const stamp = values.map((value) =>
      isEmptyValue(this.bytes, value) ? '' : sliceText(this.bytes, value as Value),
    )
    const salt = /^[" 0]*$/.test(stamp.join('')) ? randomUUID() : stamp.join(' ')
    const hash = createHash('sha256').update(`${salt} ${choice} ${count}`).digest('hex')
    return `call_${hash.slice(0, 24)}`
  }
}

/**
 * Whether a delta begins another call than the one that its index says. Some upstreams give all calls the same index or
 * none, some repeat the name in each delta, and some invent an id for each delta.
 */
function isAnother(known: Call, id: string, name: string): boolean {
  if (name === '') return false
  if (id !== '') return id !== known.id
  return known.isWhole || (known.name !== '' && name !== known.name)
}

function hasLegacyCall(bytes: Buffer): boolean {
  return bytes.includes(FUNCTION_CALL) && LEGACY_CALL.test(bytes.toString('latin1'))
}

function readArguments(bytes: Buffer, made: Value | null): string | null {
  const args = findMember(made, 'arguments')
  if (args !== null && bytes[args.start] === OPEN_BRACE) return sliceText(bytes, args)
  return readText(bytes, args, Number.POSITIVE_INFINITY)
}

function isObjectText(text: string): boolean {
  return text.startsWith('{') && text.trimEnd().endsWith('}') && parseJson(text) !== undefined
}

function isEmptyObject(bytes: Buffer, object: Value): boolean {
  return bytes.toString('latin1', object.start + 1, object.end - 1).trim() === ''
}

function replace(edits: Edit[], value: Value, text: string): void {
  edits.push({ start: value.start, end: value.end, text })
}

function renameKey(edits: Edit[], object: Value, value: Value, to: string): void {
  for (const { keyStart, keyEnd, value: each } of object.members ?? [])
    if (each === value) edits.push({ start: keyStart, end: keyEnd, text: JSON.stringify(to) })
}
