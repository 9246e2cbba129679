import { asFields, asList } from './request/fields.js'

/**
 * The prompts with which Cursor finds out whether a key works: by its text alone, as the model in it is whatever the user has
 * enabled. The first is that of its "Verify" button, the second an older one, which its settings page shows as a command.
 */
const PROBES = [
  { system: 'You are a helpful assistant.', user: /^Test prompt using [\w.:/-]{1,100}$/ },
  { system: 'You are a test assistant.', user: /^Testing\. Just say hi and nothing else\.$/ },
]

/** Neither comes near. */
const LONGEST = 2048

/**
 * It is the check of a key and nothing else, so that it can be answered here: sent on, it costs a request, and is refused by
 * models that take no `max_tokens` or none that small, although all that comes after it would work.
 */
export function isKeyCheck(body: Buffer): boolean {
  if (body.length > LONGEST) return false
  let request: unknown
  try {
    request = JSON.parse(body.toString())
  } catch {
    return false
  }
  const { messages, tools, stream } = asFields(request)
  const told = asList(messages).map(asFields)
  // Neither has a stream, and the answer here is none.
  if (told.length !== 2 || asList(tools).length > 0 || stream === true) return false
  const [system, user] = told
  if (system?.role !== 'system' || user?.role !== 'user') return false
  return PROBES.some(
    (probe) =>
      system.content === probe.system && typeof user.content === 'string' && probe.user.test(user.content),
  )
}

/** What a model would say to it, as a chat completion; nothing was used. */
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
