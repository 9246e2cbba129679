/** Parts of which the streams in the tests are made. */

export const data = (...events: unknown[]): string =>
  events.map((event) => `data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`).join('')

export const named = (...events: { type: string }[]): string =>
  events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')

export const chat = (delta: object, more: object = {}, finish: string | null = null): object => ({
  id: 'chatcmpl-7',
  object: 'chat.completion.chunk',
  created: 1750000000,
  model: 'gpt-x-test',
  choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
  ...more,
})

export const DONE = '[DONE]'
export const text = (content: string, more: object = {}): object => chat({ content }, more)
export const usage = (prompt: number, completion: number): object => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
})

export const WORDS = ['na', 'ïve ', '🦊', '\\', '"', '\n', ' {"content":"x"}', '\u0007', 'usage', '함수']
export const WORD_BYTES = WORDS.reduce((sum, word) => sum + Buffer.byteLength(word), 0)

export const CALL = chat({
  tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: 'Shell', arguments: '' } }],
})
export const ARGS = (part: string): object =>
  chat({ tool_calls: [{ index: 0, function: { arguments: part } }] })
