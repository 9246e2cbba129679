import { quoteJson } from '../../lib/text.js'
import type { AnswerPart } from './answer-part.js'
import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'
import { createId } from './ids.js'
import { PartWriter } from './part-writer.js'
import {
  createItemId,
  endStatus,
  printItem,
  printPart,
  printResponse,
  type ResponseStatus,
} from './response-object.js'
import type { FinishReason } from './response-writer.js'

/** Where a text is in its item, and what its events are called. */
interface Shape {
  /** The index of the part, ahead of the text; '' in calls, which have no parts. */
  readonly at: string
  readonly partEvents: string
  readonly textEvents: string
  /** The member with the complete text in the `done` event. */
  readonly member: string
  /** Further members of the delta and `done` events. */
  readonly extra: string
}

const CONTENT = ',"content_index":0'
const SHAPES = {
  text: shapeOf(CONTENT, 'response.content_part', 'response.output_text', 'text', ',"logprobs":[]'),
  refusal: shapeOf(CONTENT, 'response.content_part', 'response.refusal', 'refusal'),
  reasoning: shapeOf(
    ',"summary_index":0',
    'response.reasoning_summary_part',
    'response.reasoning_summary_text',
    'text',
  ),
  call: shapeOf('', '', 'response.function_call_arguments', 'arguments'),
} as const
const CUSTOM_CALL = shapeOf('', '', 'response.custom_tool_call_input', 'input')

function shapeOf(at: string, partEvents: string, textEvents: string, member: string, extra = ''): Shape {
  return { at, partEvents, textEvents, member, extra }
}

/**
 * Writes the stream of a response (OpenAI API reference: Responses, Streaming events). Its last event has the whole
 * response, and there is no [DONE]. Each text or refusal is a message item, thinking is a reasoning item's summary.
 */
export class ResponsesEventWriter extends PartWriter {
  /** The `sequence_number` of the next event. */
  private sequence: number
  /** The complete items as JSON, joined by commas. */
  private output: string
  private readonly itemBase: string

  /** @param model the name for the response if the upstream gives none */
  constructor(model: string | null) {
    super(model, 'resp_', true)
    this.sequence = 0
    this.output = ''
    // Each delta repeats it.
    this.itemBase = createId('').slice(0, 12)
  }

  protected writeBegin(): void {
    const response = this.print('in_progress', null, null, null)
    this.event('response.created', `"response":${response}`)
    this.event('response.in_progress', `"response":${response}`)
  }

  protected writeOpen(part: AnswerPart): void {
    part.id = createItemId(part, this.itemBase)
    const { at, partEvents, textEvents, extra } = findShape(part)
    const item = printItem(part, null, 'in_progress')
    this.event('response.output_item.added', `"output_index":${part.index},"item":${item}`)
    const place = placeOf(part) + at
    if (partEvents !== '') this.event(`${partEvents}.added`, `${place},"part":${printPart(part, '""')}`)
    part.head = `${headOf(`${textEvents}.delta`)}${place}${extra},"delta":`
  }

  protected writeDelta(part: AnswerPart, text: string): void {
    this.out += `${part.head}${JSON.stringify(text)},"sequence_number":${this.sequence++}}\n\n`
  }

  protected writeClose(part: AnswerPart, isCut: boolean): void {
    const text = JSON.stringify(part.text)
    const item = printItem(part, text, isCut ? 'incomplete' : 'completed')
    const { at, partEvents, textEvents, member, extra } = findShape(part)
    const place = placeOf(part) + at
    const name = part.kind === 'call' && !part.isCustom ? `,"name":${quoteJson(part.name)}` : ''
    this.event(`${textEvents}.done`, `${place}${extra}${name},"${member}":${text}`)
    if (partEvents !== '') this.event(`${partEvents}.done`, `${place},"part":${printPart(part, text)}`)
    this.event('response.output_item.done', `"output_index":${part.index},"item":${item}`)
    this.output += this.output === '' ? item : `,${item}`
  }

  protected writeEnd(reason: FinishReason, usage: ChatUsage | null): void {
    const status = endStatus(reason)
    this.event(`response.${status}`, `"response":${this.print(status, reason, usage, null)}`)
    this.output = ''
  }

  /**
   * Writes two events: the official client throws at an `error` event that has an `error` member, and others know only
   * that `response.failed` ends a stream. The first has its members twice, as on the wire and as in the reference.
   */
  protected writeError(error: ChatError): void {
    const { code, message, param } = error
    this.begin(null, null, null)
    const flat = JSON.stringify({ code: code === null ? null : String(code), message, param, error })
    this.event('error', flat.slice(1, -1))
    this.event('response.failed', `"response":${this.print('failed', null, null, error)}`)
    this.output = ''
  }

  private print(
    status: ResponseStatus,
    reason: FinishReason | null,
    usage: ChatUsage | null,
    error: ChatError | null,
  ): string {
    const { id, created, model } = this
    return printResponse({ id, created, model }, status, reason, this.output, usage, error)
  }

  private event(type: string, members: string): void {
    this.out += `${headOf(type)}${members},"sequence_number":${this.sequence++}}\n\n`
  }
}

function findShape(part: AnswerPart): Shape {
  return part.isCustom ? CUSTOM_CALL : SHAPES[part.kind]
}

function placeOf(part: AnswerPart): string {
  return `"item_id":"${part.id}","output_index":${part.index}`
}

function headOf(type: string): string {
  return `event: ${type}\ndata: {"type":"${type}",`
}
