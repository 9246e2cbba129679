/**
 * Bodies that Cursor sends to `/chat/completions`, in the formats of several APIs. It expects chat completion chunks
 * for all of them. Each requests about sixty words: a stream has to last a second to be measured.
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

const PATH = { type: 'object', properties: { path: { type: 'string' } }, required: ['path'] }

/** Ask mode with model names that Cursor does not know, and its Azure setting: a chat completion with tools. */
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

const GRAMMAR = { type: 'grammar', syntax: 'lark', definition: 'start: /.+/' }

/**
 * Agent mode with names of the gpt family: the Responses API, with `stream_options`, which is not one of its fields.
 */
export function createResponsesBody(model: string): string {
  return JSON.stringify({
    model,
    input: [
      { role: 'system', content: 'You edit code.' },
      { role: 'user', content: [{ type: 'input_text', text: COUNT }] },
      { type: 'function_call', call_id: 'call_A1', name: 'Read', arguments: '{"path":"a.ts"}' },
      { type: 'function_call_output', call_id: 'call_A1', output: '1|foo' },
    ],
    tools: [
      { type: 'function', name: 'Read', description: 'Reads a file.', parameters: PATH },
      { type: 'custom', name: 'ApplyPatch', description: 'Changes files.', format: GRAMMAR },
    ],
    tool_choice: 'auto',
    stream: true,
    stream_options: { include_usage: true },
    include: ['reasoning.encrypted_content'],
    reasoning: { effort: 'medium', summary: 'auto' },
    text: { verbosity: 'low' },
    store: false,
    truncation: 'disabled',
    prompt_cache_retention: '24h',
    metadata: { cursorConversationId: '00000000-0000-4000-8000-000000000001' },
    user: 'thinwire-doctor',
  })
}

/** Model names with `claude-` in them: Anthropic's Messages, with `stream_options`. */
export function createMessagesBody(model: string): string {
  return JSON.stringify({
    model,
    max_tokens: 4096,
    stream: true,
    stream_options: { include_usage: true },
    system: [{ type: 'text', text: 'You edit code.', cache_control: { type: 'ephemeral' } }],
    messages: [
      { role: 'user', content: [{ type: 'text', text: COUNT }] },
      {
        role: 'assistant',
        content: [{ type: 'tool_use', id: 'toolu_1', name: 'LS', input: { path: '.' } }],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 'toolu_1', content: 'a.ts' }] },
    ],
    tools: [{ name: 'LS', description: 'Lists files.', input_schema: PATH }],
    tool_choice: { type: 'auto' },
  })
}

/** Ask mode with other names: a chat completion with tools of two APIs in one list, and an earlier tool call. */
export function createMixedBody(model: string): string {
  const call = {
    type: 'function',
    id: 'call_B1',
    index: 0,
    function: { name: 'read_file', arguments: '{"path":"a"}' },
  }
  return JSON.stringify({
    model,
    temperature: 0,
    user: 'thinwire-doctor',
    messages: [
      { role: 'system', content: 'You edit code.' },
      { role: 'user', content: 'The file a is open.' },
      { role: 'user', content: COUNT },
      { role: 'assistant', content: '', tool_calls: [call] },
      { role: 'tool', name: 'read_file', tool_call_id: 'call_B1', content: 'text' },
    ],
    tools: [
      { type: 'function', function: { name: 'read_file', parameters: PATH } },
      { type: 'custom', name: 'ApplyPatch', format: GRAMMAR },
    ],
    tool_choice: { type: 'auto' },
    stream: true,
    reasoning: { effort: 'low' },
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
