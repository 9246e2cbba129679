import { findMember, findOnly, readElements, sliceText, type Value, WHOLE } from '../../json/outline.js'
import { isObject, type JsonObject, stringOr } from '../../json/values.js'
import type { EventForm } from '../../sse/event-form.js'
import type { Translation } from '../translation.js'
import { CallIds, CallInput } from './call-input.js'
import { createChatError } from './chat-errors.js'
import { mergeUsage, readGeminiUsage, setCount } from './chat-usage.js'
import type { FinishReason, ResponseWriter } from './response-writer.js'
import { findError, hasError, PLAIN, type ReaderOptions, StreamTranslation } from './stream.js'

const PART = findOnly({ functionCall: findOnly({ args: WHOLE }) })
const CANDIDATE = findOnly({ content: findOnly({ parts: readElements(PART) }) })
const CHUNK = findOnly({ candidates: readElements(CANDIDATE) })
const CHUNKS = readElements(CHUNK)

/**
 * Reads a response of Gemini's native API, as a stream (`streamGenerateContent?alt=sse`) or as a whole
 * (`generateContent`; Gemini API reference: GenerateContentResponse). Of several candidates only the one with index 0
 * is read. Code that Google runs itself is dropped: its results show in the text.
 *
 * A stream has no end event: it is complete if it has a finish reason, or if the prompt is blocked.
 */
export class GeminiStream extends StreamTranslation {
  private readonly callIds: CallIds
  private id: string | null
  private usage: Record<string, unknown>
  /** The usage of the current event alone. */
  private counted: unknown
  private finishReason: string | null
  private isBlocked: boolean
  /** In a body that is a list of chunks, the index of the current one; else -1. */
  private at: number

  constructor(writer: ResponseWriter, options: ReaderOptions = PLAIN, makes: Translation['makes'] = null) {
    super(writer, options, makes)
    this.callIds = new CallIds()
    this.id = null
    this.usage = {}
    this.counted = null
    this.finishReason = null
    this.isBlocked = false
    this.at = -1
  }

  protected read(_type: string, chunk: JsonObject): void {
    if (hasError(chunk)) {
      this.writer.fail(createChatError(findError(chunk)))
      return
    }
    const { candidates, promptFeedback, usageMetadata } = chunk
    this.usage = mergeUsage(this.usage, usageMetadata)
    this.counted = usageMetadata
    if (isObject(promptFeedback) && typeof promptFeedback.blockReason === 'string') this.isBlocked = true
    if (Array.isArray(candidates)) {
      this.begin(chunk)
      this.readCandidates(candidates)
    } else if (candidates !== undefined && candidates !== null) this.failUnreadable()
    else if (this.isBlocked) this.begin(chunk)
  }

  /** The API gives a list of all chunks to a client that did not ask for an event stream. */
  protected readWhole(response: unknown): void {
    const chunks: readonly unknown[] = Array.isArray(response) ? response : [response]
    if (!chunks.some(isResponse)) return
    for (const [at, chunk] of chunks.entries()) {
      if (Array.isArray(response)) this.at = at
      if (isObject(chunk)) this.read('', chunk)
      else this.failUnreadable()
    }
    if (!this.writer.over) this.endWithFinish()
  }

  protected override endWithoutFinish(): void {
    if (this.finishReason === null && !this.isBlocked) super.endWithoutFinish()
    else this.endWithFinish()
  }

  protected override endWithFinish(): void {
    const reason = this.isBlocked && !this.writer.filled ? 'PROHIBITED_CONTENT' : this.finishReason
    if (reason !== null && EMPTY_FAILURES.has(reason) && !this.writer.filled) this.failWith(reason, null)
    else this.writer.finish(readGeminiFinish(reason, this.writer.calls), readGeminiUsage(this.usage))
  }

  private begin({ responseId, modelVersion }: JsonObject): void {
    this.id ??= stringOr(responseId, '') || null
    this.writer.begin(this.id, null, stringOr(modelVersion, '') || null)
  }

  private readCandidates(candidates: readonly unknown[]): void {
    for (const [at, candidate] of candidates.entries()) {
      if (!isObject(candidate)) {
        this.failUnreadable()
        continue
      }
      if (typeof candidate.index === 'number' && candidate.index !== 0) continue
      const { content, finishReason, finishMessage } = candidate
      if (isObject(content)) {
        this.readParts(content.parts, at)
        this.sayOnly(content.parts)
      } else if (content !== undefined && content !== null) this.failUnreadable()
      if (typeof finishReason === 'string' && finishReason !== '') {
        this.finishReason = finishReason
        if (FAILURES.has(finishReason)) this.failWith(finishReason, finishMessage)
      }
      return
    }
  }

  /** @param at index of the candidate */
  private readParts(parts: unknown, at: number): void {
    if (!Array.isArray(parts)) {
      if (parts !== undefined && parts !== null) this.failUnreadable()
      return
    }
    for (let n = 0; n < parts.length; n++) {
      const part: unknown = parts[n]
      if (!isObject(part)) this.failUnreadable()
      else if (isObject(part.functionCall)) this.readCall(part.functionCall, part.thoughtSignature, at, n)
      else if (part.thought === true) this.writer.reasoning(this.readText(part.text))
      else if (isObject(part.inlineData))
        this.writer.content(`[${stringOr(part.inlineData.mimeType, 'data')}]`)
      else this.writer.content(this.readText(part.text))
    }
  }

  private sayOnly(parts: unknown): void {
    const [part, ...others]: unknown[] = Array.isArray(parts) ? parts : []
    if (!isObject(part) || others.length > 0 || isObject(part.functionCall) || isObject(part.inlineData))
      return
    const isThought = part.thought === true
    this.say(part.text, (text, form) => {
      this.addCounts(form)
      if (isThought) this.writer.reasoning(text)
      else this.writer.content(text)
    })
  }

  private addCounts({ countNames, counts }: EventForm): void {
    for (let n = 0; n < countNames.length; n++) setCount(this.usage, countNames[n] as string, counts[n])
  }

  protected override knowsCounts({ countNames, counts }: EventForm): boolean {
    const { counted } = this
    return countNames.every((name, n) => isObject(counted) && counted[name] === counts[n])
  }

  /** @param at index of the candidate @param n index of the part */
  private readCall(call: JsonObject, signature: unknown, at: number, n: number): void {
    const { writer } = this
    if (stringOr(call.name, '') === '') this.failUnreadable()
    const id = stringOr(call.id, '') || this.callIds.create(this.id, writer.calls)
    const args = this.readArguments(call.args, at, n)
    new CallInput(writer, id, stringOr(call.name, ''), false, this.wrapped).end(args)
    if (writer.over) return
    const isSigned = typeof signature === 'string' && signature !== ''
    this.thoughts?.remember([id], isSigned ? JSON.stringify(signature) : '')
  }

  /** Copied, as a parsed number may have lost digits. `{}` if there are none. */
  private readArguments(args: unknown, at: number, n: number): string {
    if (args === undefined || args === null) return '{}'
    if (!isObject(args)) {
      this.failUnreadable()
      return '{}'
    }
    const chunk =
      this.at === -1 ? this.outlineOf(CHUNK) : (this.outlineOf(CHUNKS)?.elements?.[this.at] ?? null)
    const candidate = findMember(chunk, 'candidates')?.elements?.[at] ?? null
    const part = findMember(findMember(candidate, 'content'), 'parts')?.elements?.[n] ?? null
    const value: Value | null = findMember(findMember(part, 'functionCall'), 'args')
    return value === null ? '{}' : sliceText(this.json, value)
  }

  private failWith(reason: string, message: unknown): void {
    const text = `Gemini gave up its answer: ${reason}. Try again.`
    this.writer.fail({
      message: stringOr(message, '') || text,
      type: 'server_error',
      param: null,
      code: reason.toLowerCase(),
    })
  }
}

/**
 * Reads a whole response of Gemini's API, or the list of all chunks of a stream.
 * @param writer gets its content and its end, or an error if the body is no response
 */
export function readWholeGemini(body: Buffer, writer: ResponseWriter, options: ReaderOptions = PLAIN): void {
  new GeminiStream(writer, options).readBody(body)
}

/** Finish reasons for which there is no answer, or only a part of one that looks like a whole. */
const FAILURES: ReadonlySet<string> = new Set([
  'MALFORMED_FUNCTION_CALL',
  'MALFORMED_RESPONSE',
  'MISSING_THOUGHT_SIGNATURE',
  'TOO_MANY_TOOL_CALLS',
  'UNEXPECTED_TOOL_CALL',
])

/** Finish reasons that are failures if there is no answer. */
const EMPTY_FAILURES: ReadonlySet<string> = new Set(['LANGUAGE', 'NO_IMAGE', 'OTHER'])

const FILTERED: ReadonlySet<string> = new Set([
  'SAFETY',
  'RECITATION',
  'BLOCKLIST',
  'PROHIBITED_CONTENT',
  'SPII',
  'IMAGE_SAFETY',
  'IMAGE_PROHIBITED_CONTENT',
  'IMAGE_RECITATION',
])

/**
 * Converts a finish reason of Gemini's API (reference: FinishReason).
 * @param calls the number of tool calls for the client
 */
export function readGeminiFinish(reason: string | null, calls: number): FinishReason {
  if (reason === 'MAX_TOKENS') return 'length'
  if (reason !== null && FILTERED.has(reason)) return 'content_filter'
  return calls > 0 ? 'tool_calls' : 'stop'
}

function isResponse(value: unknown): boolean {
  return isObject(value) && (Array.isArray(value.candidates) || isObject(value.promptFeedback))
}
