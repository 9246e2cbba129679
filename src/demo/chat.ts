import { asFields, type Fields, readLimit, readStops, refuseChoices, requireList } from './fields.js'
import { answer, type Generation, readSilence } from './model.js'
import { collectCallTexts, collectTexts, type Prompt, readPrompt, type Turn } from './prompt.js'
import { createId, epochSeconds, formatEvent, PAUSE, type ReplyContent, type Step } from './reply.js'

/**
 * Answers `POST /v1/chat/completions` (OpenAI API reference: Chat Completions, The chat completion object,
 * Streaming).
 */
export function answerChat(body: Fields): ReplyContent {
  const turns = requireList(body, 'messages').map(readTurn)
  refuseChoices(body)
  const limit = readLimit(body, 'max_completion_tokens', 'max_tokens')
  const prompt = readPrompt(body, turns, limit, readStops(body.stop))
  const generation = answer(prompt)
  if (body.stream !== true) return { body: createCompletion(prompt, generation) }
  return { steps: stream(prompt, generation, asFields(body.stream_options).include_usage === true) }
}

function readTurn(message: unknown): Turn {
  const { role, content, tool_calls } = asFields(message)
  const texts = [...collectTexts(content), ...collectCallTexts(tool_calls)]
  return { role: role === 'user' || role === 'tool' ? role : 'other', texts }
}

function createCompletion(prompt: Prompt, generation: Generation): unknown {
  const text = generation.pieces.join('')
  const textMessage = { role: 'assistant', content: text, refusal: null, annotations: [] }
  const callMessage = {
    role: 'assistant',
    content: null,
    tool_calls: [
      { id: createId('call_'), type: 'function', function: { name: generation.tool, arguments: text } },
    ],
    refusal: null,
    annotations: [],
  }
  return {
    id: createId('chatcmpl-'),
    object: 'chat.completion',
    created: epochSeconds(),
    model: prompt.model,
    choices: [
      {
        index: 0,
        message: generation.tool === null ? textMessage : callMessage,
        logprobs: null,
        finish_reason: getFinishReason(generation),
      },
    ],
    usage: createUsage(generation),
    service_tier: 'default',
    system_fingerprint: 'fp_thinwire_demo',
  }
}

function* stream(prompt: Prompt, generation: Generation, withUsage: boolean): Generator<Step, void> {
  const head = {
    id: createId('chatcmpl-'),
    object: 'chat.completion.chunk',
    created: epochSeconds(),
    model: prompt.model,
    service_tier: 'default',
    system_fingerprint: 'fp_thinwire_demo',
  }
  // With include_usage every chunk has the field, and it is null in all but the last. Without it no chunk has the
  // field.
  const tail = withUsage ? { usage: null } : {}
  const chunk = (delta: unknown, reason: string | null): string =>
    formatEvent({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
      ...tail,
    })

  if (generation.tool === null) {
    yield chunk({ role: 'assistant', content: '', refusal: null }, null)
    yield readSilence(prompt.model)
    for (const content of generation.pieces) {
      yield PAUSE
      yield chunk({ content }, null)
    }
  } else {
    yield chunk({ role: 'assistant', content: null, refusal: null }, null)
    yield PAUSE
    const call = { name: generation.tool, arguments: '' }
    yield chunk({ tool_calls: [{ index: 0, id: createId('call_'), type: 'function', function: call }] }, null)
    for (const fragment of generation.pieces) {
      yield PAUSE
      yield chunk({ tool_calls: [{ index: 0, function: { arguments: fragment } }] }, null)
    }
  }
  yield chunk({}, getFinishReason(generation))
  if (withUsage) yield formatEvent({ ...head, choices: [], usage: createUsage(generation) })
  yield 'data: [DONE]\n\n'
}

function getFinishReason(generation: Generation): string {
  if (generation.end === 'length') return 'length'
  return generation.end === 'tool' ? 'tool_calls' : 'stop'
}

/** Creates the `usage` of chat and of completions (OpenAI API reference: The chat completion object). */
export function createUsage(generation: Generation): unknown {
  return {
    prompt_tokens: generation.inputTokens,
    completion_tokens: generation.outputTokens,
    total_tokens: generation.inputTokens + generation.outputTokens,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: {
      reasoning_tokens: 0,
      audio_tokens: 0,
      accepted_prediction_tokens: 0,
      rejected_prediction_tokens: 0,
    },
  }
}
