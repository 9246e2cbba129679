import { findMember, findOnly, readElements, sliceText, type Value, WHOLE } from '../../json/outline.js'
import { asArray, filterObjects, isObject, type JsonObject, numberOr, stringOr } from '../../json/values.js'
import { ChatThoughts } from '../thinking/chat-thoughts.js'
import type { Translation } from '../translation.js'
import { CallIds } from './call-input.js'
import { type ChatCall, ChatCalls } from './chat-calls.js'
import { createChatError } from './chat-errors.js'
import { readChatUsage } from './chat-usage.js'
import type { FinishReason, ResponseWriter } from './response-writer.js'
import { findError, hasError, PLAIN, type ReaderOptions, StreamTranslation } from './stream.js'

const CALL = findOnly({ extra_content: WHOLE, function: findOnly({ arguments: WHOLE }) })
const MESSAGE = findOnly({
  tool_calls: readElements(CALL),
  function_call: findOnly({ arguments: WHOLE }),
})
/** A chunk or a whole completion. */
const CHUNK = findOnly({ choices: readElements(findOnly({ delta: MESSAGE, message: MESSAGE })) })

/** The key of the one call of the older form `function_call`, which has no index. */
const LEGACY = -1

/**
 * Reads a chat completion, as a stream (OpenAI API reference: The chat completion chunk object) or as a whole (The chat
 * completion object). Servers that imitate this API differ in much: each text is read in all known forms. Of several
 * choices only the one with index 0 is read. `<think>` in a text stays there.
 */
export class ChatStream extends StreamTranslation {
  private readonly calls: ChatCalls
  private readonly callIds: CallIds
  private readonly collected: ChatThoughts
  private id: string | null
  private usage: JsonObject | null
  private finishReason: string | null

  constructor(writer: ResponseWriter, options: ReaderOptions = PLAIN, makes: Translation['makes'] = null) {
    super(writer, options, makes)
    this.calls = new ChatCalls()
    this.callIds = new CallIds()
    this.collected = new ChatThoughts()
    this.id = null
    this.usage = null
    this.finishReason = null
  }

  /** Arguments wait for the name of their tool. */
  override get bytesHeld(): number {
    return super.bytesHeld + this.calls.lengthHeld
  }

  protected read(_type: string, chunk: JsonObject): void {
    if (failed(chunk)) {
      this.writer.fail(createChatError(findError(chunk)))
      return
    }
    const { choices } = chunk
    if (Array.isArray(choices)) this.readChoices(chunk, choices, false)
    else if (choices !== undefined && choices !== null) this.failUnreadable()
    this.noteUsage(chunk.usage)
    // Groq has the usage in here.
    if (isObject(chunk.x_groq)) this.noteUsage(chunk.x_groq.usage)
  }

  protected readWhole(completion: unknown): void {
    if (!isObject(completion)) return
    if (failed(completion)) {
      this.writer.fail(createChatError(completion))
      return
    }
    if (findChoice(asArray(completion.choices)) === -1) return
    this.read('', { ...completion, choices: null })
    this.readChoices(completion, asArray(completion.choices), true)
    if (!this.writer.over) this.endWithFinish()
  }

  /** The last event may be missing, but not the finish reason. */
  protected override endWithoutFinish(): void {
    if (this.finishReason === null) super.endWithoutFinish()
    else this.endWithFinish()
  }

  protected override endWithFinish(): void {
    for (const call of this.calls.list()) {
      if (call.isWaiting && (call.id !== null || call.held !== '')) this.open(call)
      call.end()
    }
    const { thoughts, collected } = this
    if (thoughts !== null && !this.writer.over) {
      for (const { clientId, extra } of this.calls.list()) {
        if (clientId === null) continue
        collected.addCall(clientId)
        if (extra !== null) collected.addExtra(clientId, extra)
      }
      collected.remember(thoughts)
    }
    this.writer.finish(readChatFinish(this.finishReason, this.writer.calls), readChatUsage(this.usage))
  }

  private readChoices(chunk: JsonObject, choices: readonly unknown[], isWhole: boolean): void {
    const at = findChoice(choices)
    if (at === -1) return
    const choice = choices[at] as JsonObject
    this.begin(chunk)
    if (hasError(choice)) {
      this.writer.fail(createChatError(findError(choice)))
      return
    }
    // A few servers send a whole message as their only chunk.
    const message = choice.delta ?? choice.message
    if (isObject(message)) this.readMessage(message, at, isWhole || choice.delta == null)
    else if (message !== undefined && message !== null) this.failUnreadable()
    const { finish_reason: reason } = choice
    // Some upstreams have an empty finish reason in each chunk, which ends nothing.
    if (typeof reason === 'string' && reason !== '') this.noteFinish(reason)
    // Moonshot has the usage in here.
    this.noteUsage(choice.usage)
  }

  private begin({ id, created, model }: JsonObject): void {
    if (this.id !== null) return
    this.id = stringOr(id, '') || null
    this.writer.begin(this.id, numberOr(created, 0) || null, stringOr(model, '') || null)
  }

  private noteFinish(reason: string): void {
    this.finishReason = reason
    if (FAILURES.has(reason))
      this.writer.fail({
        message: `The upstream stopped its answer: ${reason}.`,
        type: 'server_error',
        param: null,
        code: reason,
      })
  }

  /** Counts are totals, but some upstreams end with zeros. */
  private noteUsage(usage: unknown): void {
    if (!isObject(usage)) return
    if (this.usage === null || usage.prompt_tokens || usage.completion_tokens) this.usage = usage
  }

  /** @param at index of the choice */
  private readMessage(message: JsonObject, at: number, isWhole: boolean): void {
    const thought = this.writeReasoning(message)
    const { content } = message
    if (Array.isArray(content)) this.readParts(content)
    else this.writer.content(this.readText(content))
    this.writer.refusal(this.readText(message.refusal))
    if (!message.function_call && asArray(message.tool_calls).length === 0) {
      if (thought === '') this.say(content, (text) => this.writer.content(text))
      else if (!content) this.say(thought, (text) => this.reason(text))
    }
    const { tool_calls: calls, function_call: legacy } = message
    if (Array.isArray(calls)) {
      for (const [n, call] of calls.entries()) if (isObject(call)) this.readCall(call, at, n, isWhole)
    } else if (calls !== undefined && calls !== null) this.failUnreadable()
    // Some upstreams repeat a call in the older form.
    if (isObject(legacy) && asArray(calls).length === 0)
      this.readCall({ index: LEGACY, function: legacy }, at, LEGACY, false)
  }

  /**
   * Writes the reasoning: `reasoning_content` (DeepSeek), `reasoning` (OpenRouter, vLLM, Ollama) or
   * `reasoning_details` (OpenRouter). If a message has several of them, they say the same.
   */
  private writeReasoning(message: JsonObject): string {
    const { reasoning_content: reasoning, reasoning: other, reasoning_details: details } = message
    let text = this.readText(reasoning)
    if (text === '') text = stringOr(other, '')
    if (text === '' && Array.isArray(details))
      for (const part of filterObjects(details)) text += stringOr(part.text, '') || stringOr(part.summary, '')
    this.reason(text)
    return text
  }

  private reason(text: string): void {
    if (text === '') return
    if (this.thoughts !== null) this.collected.addReasoning(text)
    this.writer.reasoning(text)
  }

  /** Reads content in parts: of texts, refusals and thinking (Mistral docs, Reasoning). Other parts are dropped. */
  private readParts(parts: readonly unknown[]): void {
    for (const part of parts) {
      if (typeof part === 'string') this.writer.content(part)
      if (!isObject(part)) continue
      const { thinking } = part
      if (Array.isArray(thinking))
        for (const thought of filterObjects(thinking)) this.reason(this.readText(thought.text))
      else if (typeof thinking === 'string') this.reason(thinking)
      else if (part.type === 'refusal') this.writer.refusal(this.readText(part.refusal))
      else if (part.text !== undefined) this.writer.content(this.readText(part.text))
    }
  }

  /**
   * @param at index of the choice
   * @param n index of the call in it; `LEGACY` for the call of the older form
   * @param isWhole the call is complete
   */
  private readCall(delta: JsonObject, at: number, n: number, isWhole: boolean): void {
    const isCustom = isObject(delta.custom) || delta.type === 'custom'
    const made = isObject(delta.custom) ? delta.custom : isObject(delta.function) ? delta.function : {}
    const index = typeof delta.index === 'number' ? delta.index : null
    const id = stringOr(delta.id, '') || null
    const name = stringOr(made.name, '')
    const call = isWhole ? this.calls.add(index, id) : this.calls.find(index, id, name)
    call.isCustom ||= isCustom
    call.id ??= id
    if (call.isWaiting && (name !== '' || isWhole)) {
      call.name = name
      this.open(call)
    }
    if (this.thoughts !== null && isObject(delta.extra_content))
      call.extra = this.copy(findMember(this.findPlace(at, n), 'extra_content'))
    this.calls.push(
      call,
      isObject(delta.custom) ? this.readText(made.input) : this.readArguments(made, at, n),
    )
  }

  private open(call: ChatCall): void {
    // Two calls with one id could not be told apart in the client's history.
    const isKnown = call.id !== null && !this.calls.isUsed(call.id)
    const id = isKnown ? (call.id as string) : this.callIds.create(this.id, this.writer.calls)
    this.calls.open(call, id, this.writer, this.wrapped)
  }

  /** Arguments that are an object are copied, as a parsed number may have lost digits. */
  private readArguments(made: JsonObject, at: number, n: number): string {
    const { arguments: args } = made
    if (!isObject(args)) return this.readText(args)
    // Some servers begin a call with an empty object, and its arguments follow as text.
    if (isEmptyObject(args)) return ''
    const place = this.findPlace(at, n)
    return this.copy(findMember(n === LEGACY ? place : findMember(place, 'function'), 'arguments'))
  }

  /** The place of a call in the event. */
  private findPlace(at: number, n: number): Value | null {
    const choice = findMember(this.outlineOf(CHUNK), 'choices')?.elements?.[at] ?? null
    const message = findMember(choice, 'delta')
    const found = message?.members === null || message === null ? findMember(choice, 'message') : message
    return n === LEGACY
      ? findMember(found, 'function_call')
      : (findMember(found, 'tool_calls')?.elements?.[n] ?? null)
  }

  private copy(value: Value | null): string {
    return value === null ? '' : sliceText(this.json, value)
  }
}

/**
 * Reads a whole chat completion.
 * @param writer gets its content and its end, or an error if the body is no completion
 */
export function readWholeCompletion(
  body: Buffer,
  writer: ResponseWriter,
  options: ReaderOptions = PLAIN,
): void {
  new ChatStream(writer, options).readBody(body)
}

/** The finish reasons of upstreams that gave up: OpenRouter's, DeepSeek's and Z.ai's. */
const FAILURES: ReadonlySet<string> = new Set(['error', 'insufficient_system_resource', 'network_error'])

/**
 * Converts a finish reason of any server that imitates chat completions.
 * @param calls the number of tool calls for the client
 */
export function readChatFinish(reason: string | null, calls: number): FinishReason {
  switch (reason) {
    case 'length':
    case 'max_tokens':
    case 'model_length':
      return 'length'
    case 'content_filter':
    case 'safety':
    case 'sensitive':
      return 'content_filter'
    default:
      return calls > 0 ? 'tool_calls' : 'stop'
  }
}

/** Whether a body or chunk is an error: also in vLLM's older form, `{"object":"error","message":...}`. */
function failed(chunk: JsonObject): boolean {
  return hasError(chunk) || chunk.object === 'error'
}

/** Index of the choice with index 0, or without an index; -1 if there is none. */
function findChoice(choices: readonly unknown[]): number {
  for (let at = 0; at < choices.length; at++) {
    const choice = choices[at]
    if (isObject(choice) && (choice.index === 0 || typeof choice.index !== 'number')) return at
  }
  return -1
}

function isEmptyObject(value: JsonObject): boolean {
  for (const _ in value) return false
  return true
}
