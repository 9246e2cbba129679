/**
 * Bodies by which a connection is judged. A chat requests about sixty words: a stream has to last a second to be
 * measured. `agent-bodies.ts` has those of Cursor's agent.
 */

const COUNT =
  'Count from one to sixty in English words, separated by spaces. Write nothing else, and call no tool.'

/** The exact key check of Cursor's settings. */
export function createKeyCheckBody(model: string): string {
  return JSON.stringify({
    model,
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: 'Test prompt using gpt-3.5-turbo' },
    ],
    temperature: 1,
    max_tokens: 10,
    stream: false,
  })
}

/**
 * A chat that costs next to nothing. It has `max_completion_tokens`, as OpenAI's newer models refuse `max_tokens`; and
 * more than one, as a model that thinks may refuse that.
 */
export function createTinyBody(model: string): string {
  return JSON.stringify({
    model,
    messages: [{ role: 'user', content: 'Say ok.' }],
    max_completion_tokens: TINY_TOKENS,
  })
}

/** The most tokens of the answer to a tiny chat. */
export const TINY_TOKENS = 16

const PATH = { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] }

/** A chat completion with a tool, as Cursor's Azure setting sends it. */
export function createChatBody(model: string): string {
  const parameters = { ...PATH, additionalProperties: false }
  return JSON.stringify({
    model,
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: 'The file a.ts is open.' },
      { role: 'user', content: COUNT },
    ],
    tools: [{ type: 'function', function: { name: 'read_file', description: 'Reads a file.', parameters } }],
    tool_choice: 'auto',
    stream: true,
    stream_options: { include_usage: true },
  })
}

/**
 * A prompt that costs nothing: valid JSON that is filled up with blanks and has no messages. Every model refuses it.
 * @param bytes size of the body
 */
export function createBlankBody(model: string, bytes: number): Buffer {
  const head = `{"model":${JSON.stringify(model)},"max_tokens":1,"messages":[]`
  const body = Buffer.alloc(bytes, ' ')
  body.write(head)
  body.write('}', bytes - 1)
  return body
}
