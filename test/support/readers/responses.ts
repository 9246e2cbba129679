import * as assert from 'uvu/assert'
import {
  createAnswer,
  type Fields,
  type ReadAnswer,
  requireCount,
  requireMembers,
  requireOpenAIError,
  requireText,
  splitEvents,
} from './events.js'

/** The item that is open, and what came of it. */
interface OpenItem {
  readonly item: Fields
  /** The content or summary part; null while there is none, and in calls. */
  part: Fields | null
  text: string
  isTextDone: boolean
  isPartDone: boolean
}

/** The name of a text's events, and its members: of the index of its part, and in the `done` event. */
const TEXTS: Readonly<Record<string, { of: string; at: string | null; member: string; extra: string }>> = {
  'response.output_text': { of: 'output_text', at: 'content_index', member: 'text', extra: ' logprobs' },
  'response.refusal': { of: 'refusal', at: 'content_index', member: 'refusal', extra: '' },
  'response.reasoning_summary_text': { of: 'summary_text', at: 'summary_index', member: 'text', extra: '' },
  'response.function_call_arguments': { of: 'function_call', at: null, member: 'arguments', extra: '' },
  'response.custom_tool_call_input': { of: 'custom_tool_call', at: null, member: 'input', extra: '' },
}

/**
 * Reads the stream of a response as strictly as its reference allows (OpenAI API reference: Responses, Streaming
 * events), and as the relay promises: items one after the other, each with all its events; the last event has the items
 * as their own last events have them; nothing behind it.
 */
export function readResponsesStream(text: string): ReadAnswer {
  return new Reader().read(text)
}

class Reader {
  private readonly answer = createAnswer()
  private readonly ids = new Set<string>()
  private readonly items: Fields[] = []
  private open: OpenItem | null = null
  private begun: Fields | null = null
  private sequence = 0

  read(text: string): ReadAnswer {
    for (const { name, data } of splitEvents(text)) {
      const event: Fields = JSON.parse(data)
      assert.is(event.type, name)
      assert.is(event.sequence_number, this.sequence++)
      assert.is(this.answer.end, null, `nothing follows the end: ${data}`)
      assert.is(name === 'response.created', this.sequence === 1)
      assert.is(name === 'response.in_progress', this.sequence === 2)
      if (this.answer.error !== null) assert.is(name, 'response.failed')
      this.take(event)
    }
    return this.answer
  }

  private take(event: Fields): void {
    const { type } = event
    const step = /^(.+)\.(delta|done|added)$/.exec(type)
    const shape = TEXTS[step?.[1] ?? '']
    if (shape !== undefined && step !== null) this.takeText(event, shape, step[2] as string)
    else if (step?.[1] === 'response.output_item') this.takeItem(event, step[2] as string)
    else if (step?.[1] === 'response.content_part') this.takePart(event, 'content_index', step[2] as string)
    else if (step?.[1] === 'response.reasoning_summary_part')
      this.takePart(event, 'summary_index', step[2] as string)
    else this.takeResponse(event)
  }

  private takeResponse(event: Fields): void {
    const { type, response } = event
    if (type === 'error') {
      requireMembers(event, 'type sequence_number code message param error')
      requireOpenAIError(event.error)
      assert.is(event.message, event.error.message)
      this.answer.error = event.error
      return
    }
    requireMembers(event, 'type sequence_number response')
    const status = type.slice('response.'.length)
    requireResponse(response)
    if (type === 'response.created' || type === 'response.in_progress') {
      assert.is(response.status, 'in_progress')
      assert.equal(response.output, [])
      assert.is(response.usage, null)
      if (this.begun !== null) assert.equal(response, this.begun)
      this.begun = response
      return
    }
    assert.ok(['completed', 'incomplete', 'failed'].includes(status), type)
    assert.is(response.status, status)
    for (const member of ['id', 'created_at', 'model']) assert.is(response[member], this.begun?.[member])
    assert.equal(response.output, this.items)
    this.answer.whole = response
    if (status === 'failed') {
      assert.is(response.error.message, this.answer.error?.message)
      this.answer.end = 'error'
      return
    }
    assert.is(this.open, null, 'all items are closed')
    assert.is(this.answer.error, null)
    this.answer.end = 'finish'
    this.answer.reason = response.incomplete_details?.reason ?? 'completed'
    this.answer.usage = response.usage
  }

  private takeItem(event: Fields, step: string): void {
    requireMembers(event, 'type sequence_number output_index item')
    const { item, output_index: index } = event
    assert.is(index, this.items.length)
    requireItem(item)
    if (step === 'added') {
      assert.is(this.open, null, 'one item is open at a time')
      assert.not(this.ids.has(item.id))
      this.ids.add(item.id)
      if ('status' in item) assert.is(item.status, 'in_progress')
      assert.equal(
        item.content ?? item.summary ?? item.arguments ?? item.input,
        item.call_id === undefined ? [] : '',
      )
      const { call_id: id, name } = item
      if (id !== undefined)
        this.answer.calls.push({ id, name, isCustom: item.type === 'custom_tool_call', input: '' })
      this.open = { item, part: null, text: '', isTextDone: false, isPartDone: false }
      return
    }
    const { open } = this
    if (open === null) throw new Error('no item is open')
    assert.ok(open.isTextDone, 'the text of the item is complete')
    assert.ok(item.call_id !== undefined || open.isPartDone)
    const whole: Fields = { ...open.item }
    if ('status' in whole) {
      assert.ok(['completed', 'incomplete'].includes(item.status))
      whole.status = item.status
    }
    if (whole.content !== undefined) whole.content = [open.part]
    else if (whole.summary !== undefined) whole.summary = [open.part]
    else if (whole.arguments !== undefined) whole.arguments = open.text
    else whole.input = open.text
    assert.equal(item, whole)
    this.items.push(item)
    this.open = null
  }

  private takePart(event: Fields, at: string, step: string): void {
    requireMembers(event, `type sequence_number item_id output_index part ${at}`)
    const open = this.find(event)
    assert.is(event[at], 0)
    assert.ok(at === 'content_index' ? open.item.type === 'message' : open.item.type === 'reasoning')
    const member = event.part.type === 'refusal' ? 'refusal' : 'text'
    if (step === 'added') {
      assert.is(open.part, null)
      assert.is(event.part[member], '')
    } else {
      assert.ok(open.isTextDone && !open.isPartDone)
      assert.equal(event.part, { ...open.part, [member]: open.text })
      open.isPartDone = true
    }
    requirePart(event.part)
    open.part = event.part
  }

  private takeText(event: Fields, shape: (typeof TEXTS)[string], step: string): void {
    const { of, at, member, extra } = shape
    const isCall = of === 'function_call' && step === 'done' ? ' name' : ''
    const own = step === 'delta' ? 'delta' : member
    requireMembers(
      event,
      `type sequence_number item_id output_index ${own}${at ? ` ${at}` : ''}${extra}${isCall}`,
    )
    const open = this.find(event)
    assert.is(open.part?.type ?? open.item.type, of)
    if (at !== null) assert.is(event[at], 0)
    assert.is(open.isTextDone, false)
    if (step === 'done') {
      assert.is(event[member], open.text)
      if (isCall !== '') assert.is(event.name, open.item.name)
      open.isTextDone = true
      return
    }
    const { answer } = this
    requireText(event.delta)
    open.text += event.delta
    if (of === 'output_text') answer.text += event.delta
    else if (of === 'refusal') answer.refusal += event.delta
    else if (of === 'summary_text') answer.reasoning += event.delta
    const call = answer.calls.at(-1)
    if (at === null && call !== undefined) call.input += event.delta
  }

  private find(event: Fields): OpenItem {
    const { open } = this
    assert.ok(open !== null, 'an item is open')
    assert.is(event.item_id, open.item.id)
    assert.is(event.output_index, this.items.length)
    return open
  }
}

function requireItem(item: Fields): void {
  requireText(item.id)
  if (item.type === 'message') {
    requireMembers(item, 'id type status role content')
    assert.is(item.role, 'assistant')
  } else if (item.type === 'reasoning') requireMembers(item, 'id type summary')
  else if (item.type === 'function_call') requireMembers(item, 'id type status call_id name arguments')
  else {
    assert.is(item.type, 'custom_tool_call')
    requireMembers(item, 'id type status call_id name input')
  }
}

function requirePart(part: Fields): void {
  if (part.type === 'output_text') requireMembers(part, 'type annotations logprobs text')
  else if (part.type === 'refusal') requireMembers(part, 'type refusal')
  else {
    assert.is(part.type, 'summary_text')
    requireMembers(part, 'type text')
  }
}

/** Fails unless the object is a whole response with all members that the reference requires. */
export function requireResponse(response: Fields): void {
  assert.is(response.object, 'response')
  requireText(response.id)
  assert.type(response.created_at, 'number')
  assert.type(response.model, 'string')
  for (const name of [
    'error',
    'incomplete_details',
    'instructions',
    'metadata',
    'temperature',
    'top_p',
    'usage',
  ])
    assert.ok(name in response, name)
  assert.type(response.parallel_tool_calls, 'boolean')
  assert.ok(Array.isArray(response.output) && Array.isArray(response.tools))
  for (const item of response.output) requireItem(item)
  const { usage, status, incomplete_details: details, error } = response
  assert.is(status === 'incomplete', details !== null)
  assert.is(status === 'failed', error !== null)
  if (error !== null) {
    requireMembers(error, 'code message')
    assert.type(error.code, 'string')
  }
  if (details !== null) assert.ok(['max_output_tokens', 'content_filter'].includes(details.reason))
  if (usage === null) return
  for (const value of [usage.input_tokens, usage.output_tokens, usage.total_tokens]) requireCount(value)
  requireCount(usage.input_tokens_details.cached_tokens)
  requireCount(usage.output_tokens_details.reasoning_tokens)
}
