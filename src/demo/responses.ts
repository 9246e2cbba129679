import { asFields, type Fields, readLimit, requireList } from './fields.js'
import { answer, type Generation } from './model.js'
import { createMissing } from './problem.js'
import { collectCallTexts, collectTexts, type Prompt, readPrompt, type Turn } from './prompt.js'
import { createId, epochSeconds, formatEvent, PAUSE, type ReplyContent, type Step } from './reply.js'

/** Answers `POST /v1/responses` (OpenAI API reference: Responses, The response object, Streaming events). */
export function answerResponse(body: Fields): ReplyContent {
  const turns = readTurns(body)
  const prompt = readPrompt(body, turns, readLimit(body, 'max_output_tokens'), [])
  const generation = answer(prompt)
  const head = makeHead(body, prompt)
  const item = makeItem(generation)
  if (body.stream !== true) return { body: createFinalResponse(head, item, generation) }
  return { steps: stream(head, item, generation) }
}

function readTurns(body: Fields): Turn[] {
  const { input, instructions } = body
  if (input === undefined || input === null) throw createMissing('input')
  const turns: Turn[] = [{ role: 'other', texts: collectTexts(instructions) }]
  if (typeof input === 'string') turns.push({ role: 'user', texts: [input] })
  else for (const item of requireList(body, 'input')) turns.push(readTurn(item))
  return turns
}

/** Reads an input item: a message, a call (`function_call`, ...) or its result (`function_call_output`, ...). */
function readTurn(value: unknown): Turn {
  const item = asFields(value)
  if (typeof item.type === 'string' && item.type.endsWith('_output')) {
    return { role: 'tool', texts: collectTexts(item.output) }
  }
  if (item.content === undefined) return { role: 'other', texts: collectCallTexts(item.arguments) }
  return { role: item.role === 'user' ? 'user' : 'other', texts: collectTexts(item.content) }
}

/** The fields that are the same in all states of a response: the settings of the request, or the API's defaults. */
function makeHead(body: Fields, prompt: Prompt): Fields {
  return {
    id: createId('resp_'),
    object: 'response',
    created_at: epochSeconds(),
    status: 'in_progress',
    background: false,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    metadata: body.metadata ?? {},
    model: prompt.model,
    output: [],
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: body.reasoning ?? { effort: null, summary: null },
    service_tier: 'default',
    store: body.store ?? true,
    temperature: body.temperature ?? 1,
    text: body.text ?? { format: { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? 1,
    truncation: body.truncation ?? 'disabled',
    usage: null,
    user: body.user ?? null,
  }
}

/** The output item in its initial state. */
function makeItem(generation: Generation): Fields {
  if (generation.tool === null) {
    return { id: createId('msg_'), type: 'message', status: 'in_progress', role: 'assistant', content: [] }
  }
  return {
    id: createId('fc_'),
    type: 'function_call',
    status: 'in_progress',
    call_id: createId('call_'),
    name: generation.tool,
    arguments: '',
  }
}

function createOutputText(text: string): Fields {
  return { type: 'output_text', annotations: [], logprobs: [], text }
}

function createFinalItem(item: Fields, generation: Generation): Fields {
  const status = generation.end === 'length' ? 'incomplete' : 'completed'
  const text = generation.pieces.join('')
  if (generation.tool === null) return { ...item, status, content: [createOutputText(text)] }
  return { ...item, status, arguments: text }
}

function createFinalResponse(head: Fields, item: Fields, generation: Generation): Fields {
  const cut = generation.end === 'length'
  return {
    ...head,
    status: cut ? 'incomplete' : 'completed',
    completed_at: cut ? null : epochSeconds(),
    incomplete_details: cut ? { reason: 'max_output_tokens' } : null,
    output: [createFinalItem(item, generation)],
    usage: {
      input_tokens: generation.inputTokens,
      input_tokens_details: { cached_tokens: 0, cache_write_tokens: 0 },
      output_tokens: generation.outputTokens,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: generation.inputTokens + generation.outputTokens,
    },
  }
}

/** A stream of this API ends with its last event; it has no [DONE]. */
function* stream(head: Fields, item: Fields, generation: Generation): Generator<Step, void> {
  let number = 0
  const event = (type: string, data: Fields): string =>
    formatEvent({ type, sequence_number: number++, ...data }, type)

  yield event('response.created', { response: head })
  yield event('response.in_progress', { response: head })
  yield event('response.output_item.added', { output_index: 0, item })
  yield* generation.tool === null
    ? streamText(item, generation, event)
    : streamArguments(item, generation, event)
  yield event('response.output_item.done', { output_index: 0, item: createFinalItem(item, generation) })
  yield event(generation.end === 'length' ? 'response.incomplete' : 'response.completed', {
    response: createFinalResponse(head, item, generation),
  })
}

type MakeEvent = (type: string, data: Fields) => string

function* streamText(item: Fields, generation: Generation, event: MakeEvent): Generator<Step, void> {
  const place = { item_id: item.id, output_index: 0, content_index: 0 }
  const text = generation.pieces.join('')
  yield event('response.content_part.added', { ...place, part: createOutputText('') })
  for (const delta of generation.pieces) {
    yield PAUSE
    yield event('response.output_text.delta', { ...place, delta, logprobs: [] })
  }
  yield event('response.output_text.done', { ...place, text, logprobs: [] })
  yield event('response.content_part.done', { ...place, part: createOutputText(text) })
}

function* streamArguments(item: Fields, generation: Generation, event: MakeEvent): Generator<Step, void> {
  const place = { item_id: item.id, output_index: 0 }
  for (const delta of generation.pieces) {
    yield PAUSE
    yield event('response.function_call_arguments.delta', { ...place, delta })
  }
  const whole = generation.pieces.join('')
  yield event('response.function_call_arguments.done', { ...place, name: item.name, arguments: whole })
}
