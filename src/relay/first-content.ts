import { asObject, filterObjects, isObject, type JsonObject, parseJson } from '../json/values.js'
import { type ErrorFacts, readErrorFacts } from '../routing/error-facts.js'
import { type EventHandler, EventReader } from '../sse/event-reader.js'

/**
 * What the beginning of a stream has shown: `empty`: nothing of an answer yet; `content`: the answer has begun, or
 * nothing says that it has not; `error`: an error event in place of an answer.
 */
export type Beginning = 'empty' | 'content' | 'error'

/** Longer beginnings are not looked at further, in bytes: an empty start has some hundred. */
const LONGEST_EVENT = 256 * 1024

/**
 * Reads the beginning of an event stream until the answer begins. Comments, pings and the events by which the three
 * APIs announce an answer (`message_start`, `response.created`, a chunk with the role alone) are no content: an
 * upstream that goes silent behind them has given nothing.
 */
export class FirstContentFinder implements EventHandler {
  /** What the events so far have shown. */
  found: Beginning
  /** Of the error, for the decision whether another target may do better. */
  facts: ErrorFacts | null
  private readonly reader: EventReader

  constructor() {
    this.found = 'empty'
    this.facts = null
    this.reader = new EventReader(this)
  }

  push(chunk: Buffer): Beginning {
    if (this.found !== 'empty') return this.found
    this.reader.push(chunk)
    if (this.found === 'empty' && this.reader.bytesHeld > LONGEST_EVENT) this.found = 'content'
    return this.found
  }

  takeEvent(name: string, data: string): void {
    if (this.found !== 'empty') return
    // The end mark of a stream without content says no more than its end.
    if (data === '' || data === '[DONE]') return
    const event = parseJson(data)
    this.found = isObject(event) ? judgeEvent(name, event) : 'content'
    if (this.found === 'error' && isObject(event)) this.facts = readErrorFacts(event, Date.now())
  }

  takeComment(): void {}

  /** The stream is over. */
  end(): Beginning {
    return this.found
  }
}

/** Judges an event by its data. @param name its name, for data without a type */
export function judgeEvent(name: string, event: JsonObject): Beginning {
  const type = typeof event.type === 'string' ? event.type : name
  if (type === 'error' || type === 'response.failed' || isError(event.error)) return 'error'
  if (EMPTY_TYPES.has(type)) return 'empty'
  if (type === 'content_block_start') return judgeBlock(asObject(event.content_block))
  if (type === 'response.output_item.added') return judgeItem(asObject(event.item))
  if (Array.isArray(event.choices)) return judgeChoices(event)
  if (Array.isArray(event.candidates)) return judgeCandidates(event.candidates)
  return event.usageMetadata !== undefined && type === '' ? 'empty' : 'content'
}

/** The error of an event is an object, or a text of its own. */
function isError(error: unknown): boolean {
  return isObject(error) || (typeof error === 'string' && error !== '')
}

/** Events of Messages and Responses that announce an answer, and have none of it. */
const EMPTY_TYPES: ReadonlySet<string> = new Set([
  'message_start',
  'ping',
  'response.created',
  'response.in_progress',
  'response.queued',
  'response.content_part.added',
  'response.reasoning_summary_part.added',
])

/** A block of text or thinking begins empty; any other one says what it is. */
function judgeBlock({ type, text, thinking }: JsonObject): Beginning {
  const isEmpty = (type === 'text' && !text) || (type === 'thinking' && !thinking)
  return isEmpty ? 'empty' : 'content'
}

function judgeItem({ type }: JsonObject): Beginning {
  return type === 'message' || type === 'reasoning' ? 'empty' : 'content'
}

/** Gemini's first chunk may have an empty text, or none. */
function judgeCandidates(candidates: unknown): Beginning {
  const isEmpty = filterObjects(candidates).every(
    ({ content, finishReason }) =>
      !finishReason &&
      filterObjects(asObject(content).parts).every((part) => Object.entries(part).every(isEmptyPart)),
  )
  return isEmpty ? 'empty' : 'content'
}

function isEmptyPart([key, value]: readonly [string, unknown]): boolean {
  return key === 'thought' || (key === 'text' && value === '')
}

/** A first chunk with the role alone, or without a choice (Azure's filter results), is an empty start. */
function judgeChoices({ choices, usage }: JsonObject): Beginning {
  const isEmpty = filterObjects(choices).every(
    ({ delta, text, finish_reason: finish }) =>
      !finish && !text && Object.entries(asObject(delta)).every(isEmptyDelta),
  )
  return isEmpty && !isObject(usage) ? 'empty' : 'content'
}

function isEmptyDelta([key, value]: readonly [string, unknown]): boolean {
  if (key === 'role' || value === null || value === '') return true
  return Array.isArray(value) && value.length === 0
}
