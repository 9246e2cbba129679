import { asFields, asList, type Fields, readLimit, readStops, requireList } from './fields.js'
import { answer, type Generation } from './model.js'
import { createMissing } from './problem.js'
import { collectCallTexts, collectTexts, type Prompt, readPrompt, type Turn } from './prompt.js'
import { createId, formatEvent, PAUSE, type ReplyContent, type Step } from './reply.js'

/** Answers `POST /v1/messages` (Anthropic API reference: Messages; Streaming messages). */
export function answerMessage(body: Fields): ReplyContent {
  const turns = readTurns(body)
  if (body.max_tokens === undefined || body.max_tokens === null) throw createMissing('max_tokens')
  const prompt = readPrompt(body, turns, readLimit(body, 'max_tokens'), readStops(body.stop_sequences))
  const generation = answer(prompt)
  if (body.stream === true) return { steps: stream(prompt, generation) }
  return {
    body: {
      ...makeHead(prompt),
      content: [createFinalBlock(generation)],
      ...createEnding(generation),
      usage: createUsage(generation, generation.outputTokens),
    },
  }
}

/** Answers `POST /v1/messages/count_tokens` (Anthropic API reference: Count tokens in a message). */
export function answerTokenCount(body: Fields): ReplyContent {
  const prompt = readPrompt(body, readTurns(body), Number.POSITIVE_INFINITY, [])
  return { body: { input_tokens: prompt.tokens } }
}

function readTurns(body: Fields): Turn[] {
  const turns: Turn[] = [{ role: 'other', texts: collectTexts(body.system) }]
  for (const item of requireList(body, 'messages')) {
    const { role, content } = asFields(item)
    const results: string[] = []
    const calls: string[] = []
    let hasResult = false
    for (const block of asList(content)) {
      const { type, content: result, input } = asFields(block)
      if (type === 'tool_use') calls.push(...collectCallTexts(input))
      if (type !== 'tool_result') continue
      hasResult = true
      results.push(...collectTexts(result))
    }
    turns.push({ role: role === 'user' ? 'user' : 'other', texts: [...collectTexts(content), ...calls] })
    // The result comes in a user message, in which the editor often puts a reminder, too.
    if (hasResult) turns.push({ role: 'tool', texts: results })
  }
  return turns
}

function makeHead(prompt: Prompt): Fields {
  return { id: createId('msg_'), type: 'message', role: 'assistant', model: prompt.model }
}

function createUsage(generation: Generation, outputTokens: number): Fields {
  return {
    input_tokens: generation.inputTokens,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: 0,
    cache_creation: { ephemeral_5m_input_tokens: 0, ephemeral_1h_input_tokens: 0 },
    output_tokens: outputTokens,
    service_tier: 'standard',
  }
}

const STOP_REASONS: Readonly<Record<Generation['end'], string>> = {
  done: 'end_turn',
  stop: 'stop_sequence',
  tool: 'tool_use',
  length: 'max_tokens',
}

function createEnding(generation: Generation): Fields {
  return { stop_reason: STOP_REASONS[generation.end], stop_sequence: generation.stop }
}

function createStartBlock(generation: Generation): Fields {
  if (generation.tool === null) return { type: 'text', text: '' }
  return { type: 'tool_use', id: createId('toolu_'), name: generation.tool, input: {} }
}

function createFinalBlock(generation: Generation): Fields {
  const text = generation.pieces.join('')
  if (generation.tool === null) return { type: 'text', text }
  // Arguments that max_tokens has cut are not JSON. The block then keeps its initial empty input.
  const input: unknown = generation.end === 'length' ? {} : JSON.parse(text)
  return { ...createStartBlock(generation), input }
}

function* stream(prompt: Prompt, generation: Generation): Generator<Step, void> {
  const event = (type: string, data: Fields): string => formatEvent({ type, ...data }, type)
  const started = { content: [], stop_reason: null, stop_sequence: null, usage: createUsage(generation, 1) }

  yield event('message_start', { message: { ...makeHead(prompt), ...started } })
  yield event('content_block_start', { index: 0, content_block: createStartBlock(generation) })
  yield event('ping', {})
  for (const piece of generation.pieces) {
    yield PAUSE
    const delta =
      generation.tool === null
        ? { type: 'text_delta', text: piece }
        : { type: 'input_json_delta', partial_json: piece }
    yield event('content_block_delta', { index: 0, delta })
  }
  yield event('content_block_stop', { index: 0 })
  yield event('message_delta', {
    delta: createEnding(generation),
    // Cumulative: it replaces the usage of message_start.
    usage: {
      input_tokens: generation.inputTokens,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: generation.outputTokens,
    },
  })
  yield event('message_stop', {})
}
