import { asArray, asObject, parseJson } from '../json/values.js'

/**
 * The prompts by which Cursor checks a key. Only their text identifies them: the model is whichever the user has
 * enabled. The first is the prompt of the "Verify" button. The second is an older one, which Cursor's settings page
 * shows as a command.
 */
const KEY_CHECK_PROMPTS = [
  { system: 'You are a helpful assistant.', user: /^Test prompt using [\w.:/-]{1,100}$/ },
  { system: 'You are a test assistant.', user: /^Testing\. Just say hi and nothing else\.$/ },
]

/** In bytes. Both prompts are much shorter, so a longer body need not be parsed. */
const LONGEST_KEY_CHECK = 2048

/**
 * Whether a body is Cursor's check of a key and nothing else. The relay can answer it locally: forwarded, it costs a
 * request, and models that refuse `max_tokens`, or one so small, fail the check although every real chat works.
 */
export function isKeyCheck(body: Buffer): boolean {
  if (body.length > LONGEST_KEY_CHECK) return false
  const { messages, tools, stream } = asObject(parseJson(body.toString()))
  const list = asArray(messages).map(asObject)
  // Neither prompt asks for a stream, and the local answer is none.
  if (list.length !== 2 || asArray(tools).length > 0 || stream === true) return false
  const [system, user] = list
  if (system?.role !== 'system' || user?.role !== 'user') return false
  const { content } = user
  return KEY_CHECK_PROMPTS.some(
    (prompt) => system.content === prompt.system && typeof content === 'string' && prompt.user.test(content),
  )
}

/**
 * The answer to a key check, as a chat completion with zero usage.
 * @param model the model in the request
 */
export function createKeyCheckResponse(model: string): object {
  return {
    id: 'chatcmpl-key-check',
    object: 'chat.completion',
    created: Math.floor(Date.now() / 1000),
    model,
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'hi', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage: { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 },
  }
}
