import { type Api, formatUsd, type Used } from './tariff.js'

/** The answers of the provider of a soak, in the shapes of three APIs. */

const event = (value: object, name = ''): string =>
  `${name === '' ? '' : `event: ${name}\n`}data: ${JSON.stringify(value)}\n\n`

/** The cost stands in it as the decimal that it is. */
function withCost(text: string, { ownCost }: Used): string {
  return ownCost === null ? text : text.replace('"cost":"-"', `"cost":${formatUsd(ownCost)}`)
}

export function usageOf(api: Api, used: Used): object {
  const { prompt, cached, completion, reasoning } = used
  const total = { total_tokens: prompt + completion }
  switch (api) {
    case 'messages': {
      const fresh = prompt - cached - used.written - used.writtenHour
      const kept = {
        ephemeral_5m_input_tokens: used.written,
        ephemeral_1h_input_tokens: used.writtenHour,
      }
      return {
        input_tokens: fresh,
        cache_read_input_tokens: cached,
        cache_creation_input_tokens: used.written + used.writtenHour,
        cache_creation: kept,
        output_tokens: completion,
        server_tool_use: { web_search_requests: used.searches },
      }
    }
    case 'responses':
      return {
        input_tokens: prompt,
        input_tokens_details: { cached_tokens: cached },
        output_tokens: completion,
        output_tokens_details: { reasoning_tokens: reasoning },
        ...total,
      }
    default: {
      const cost = used.ownCost === null ? {} : { cost: '-' }
      return {
        prompt_tokens: prompt,
        completion_tokens: completion,
        ...total,
        prompt_tokens_details: { cached_tokens: cached },
        completion_tokens_details: { reasoning_tokens: reasoning },
        ...cost,
      }
    }
  }
}

const tierOf = ({ tier }: Used): object => (tier === null ? {} : { service_tier: tier })

/** A response as the Responses API shows it. */
export function responseOf(id: string, used: Used, status: string): object {
  const isOver = status === 'completed' || status === 'failed'
  return {
    id,
    object: 'response',
    status,
    model: used.model,
    ...tierOf(used),
    output: [],
    error: status === 'failed' ? { code: 'server_error', message: 'It failed.' } : null,
    usage: isOver ? usageOf('responses', used) : null,
  }
}

/** A JSON response. */
export function wholeAnswer(api: Api, id: string, used: Used): string {
  const { model } = used
  switch (api) {
    case 'messages': {
      const content = [{ type: 'text', text: 'Some words.' }]
      const message = { id, type: 'message', role: 'assistant', model, content, stop_reason: 'end_turn' }
      return JSON.stringify(Object.assign(message, { usage: usageOf(api, used) }))
    }
    case 'responses':
      return JSON.stringify(responseOf(id, used, 'completed'))
    default: {
      const choice =
        api === 'chat' ? { message: { role: 'assistant', content: 'Some words.' } } : { text: 'words' }
      const choices = [Object.assign({ index: 0, finish_reason: 'stop' }, choice)]
      const answer = { id, object: 'chat.completion', model, ...tierOf(used), choices }
      return withCost(JSON.stringify(Object.assign(answer, { usage: usageOf(api, used) })), used)
    }
  }
}

/** The events of a stream: its beginning, what tells the usage, and what comes after it. */
export interface Events {
  readonly begin: readonly string[]
  readonly usage: string
  readonly end: string
  /** In place of the usage and the end. */
  readonly error: string
}

export function streamAnswer(api: Api, id: string, used: Used, words: number, isFailed = false): Events {
  const texts = Array.from({ length: words }, (_, i) => `word ${i} `)
  const { model } = used
  switch (api) {
    case 'messages': {
      const { output_tokens, server_tool_use, ...input } = usageOf(api, used) as Record<string, unknown>
      const message = { id, type: 'message', role: 'assistant', model, content: [] }
      const start = { type: 'message_start', message: { ...message, usage: { ...input, output_tokens: 1 } } }
      const delta = (text: string): string =>
        event(
          { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text } },
          'content_block_delta',
        )
      const usage = { output_tokens, server_tool_use }
      return {
        begin: [event(start, 'message_start'), ...texts.map(delta)],
        usage: event({ type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage }, 'message_delta'),
        end: event({ type: 'message_stop' }, 'message_stop'),
        error: event({ type: 'error', error: { type: 'api_error', message: 'It failed.' } }, 'error'),
      }
    }
    case 'responses': {
      const [first = '', ...others] = socketEvents(id, used, texts, isFailed)
      const named = (text: string): string =>
        `event: ${(JSON.parse(text) as { type: string }).type}\ndata: ${text}\n\n`
      return {
        begin: [first, ...others.slice(0, -1)].map(named),
        usage: named(others.at(-1) ?? ''),
        end: '',
        error: event({ type: 'error', code: 'server_error', message: 'It failed.' }, 'error'),
      }
    }
    default: {
      const chunk = { id, object: 'chat.completion.chunk', model, ...tierOf(used) }
      const delta = (content: string): object =>
        api === 'chat' ? { index: 0, delta: { content } } : { index: 0, text: content, finish_reason: null }
      const last = { ...chunk, choices: [], usage: usageOf(api, used) }
      return {
        begin: texts.map((text) => event({ ...chunk, choices: [delta(text)] })),
        usage: withCost(event(last), used),
        end: 'data: [DONE]\n\n',
        error: event({ error: { code: 'server_error', message: 'It failed.' } }),
      }
    }
  }
}

/** The events of a response, as texts; the last one tells the usage. */
export function socketEvents(id: string, used: Used, texts: readonly string[], isFailed = false): string[] {
  const status = isFailed ? 'failed' : 'completed'
  return [
    { type: 'response.created', sequence_number: 0, response: responseOf(id, used, 'in_progress') },
    ...texts.map((delta, i) => ({
      type: 'response.output_text.delta',
      sequence_number: i + 1,
      item_id: 'm1',
      delta,
    })),
    { type: `response.${status}`, sequence_number: texts.length + 1, response: responseOf(id, used, status) },
  ].map((one) => JSON.stringify(one))
}
