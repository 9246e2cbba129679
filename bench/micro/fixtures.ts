import { LINE, messagesOf, TURNS } from '../prompt.js'

/** A prompt of about `bytes`, with `stream` behind the messages, as most clients write it. */
export function promptOf(bytes: number): Buffer {
  const messages = messagesOf(Math.ceil(bytes / LINE.length / TURNS))
  return Buffer.from(JSON.stringify({ model: 'gpt-x-test', temperature: 0, messages, stream: true }))
}

/** `req.rawHeaders` of an OpenAI SDK behind a proxy that terminates TLS. */
export const REQUEST_HEADERS: readonly string[] = [
  ...['Host', 'relay.example', 'X-Real-IP', '192.0.2.7', 'X-Forwarded-For', '192.0.2.7'],
  ...['X-Forwarded-Proto', 'https', 'Connection', 'keep-alive', 'Content-Length', '2048'],
  ...['accept', 'application/json', 'content-type', 'application/json', 'user-agent', 'OpenAI/JS 6.49.0'],
  ...['authorization', 'Bearer lc_prod_team1_user1_0000000000000000000000000000'],
  ...['x-stainless-lang', 'js', 'x-stainless-package-version', '6.49.0', 'x-stainless-os', 'Linux'],
  ...['x-stainless-arch', 'x64', 'x-stainless-runtime', 'node', 'x-stainless-runtime-version', 'v20.20.2'],
  ...['x-stainless-retry-count', '0', 'accept-language', '*', 'sec-fetch-mode', 'cors'],
  ...['accept-encoding', 'br, gzip, deflate'],
]

/** Names of `REQUEST_HEADERS` that reach an upstream. */
export const FORWARDED = [
  ...['accept', 'content-type', 'user-agent', 'x-stainless-lang', 'x-stainless-package-version'],
  ...['x-stainless-os', 'x-stainless-arch', 'x-stainless-runtime', 'x-stainless-runtime-version'],
  ...['x-stainless-retry-count', 'accept-language', 'accept-encoding', 'authorization'],
]

/** Events of an OpenAI chat completion, about as long and as varied as real ones. */
export function streamOf(events: number): Buffer {
  const words = [
    'The',
    ' relay',
    ' keeps',
    '\n\n',
    ' "quoted"',
    ' naïve',
    ' 함수',
    '(',
    'x',
    ') {',
    ' and',
    ' so',
    '.',
  ]
  const event = (delta: object, finish: string | null, obfuscation: string): string =>
    `data: ${JSON.stringify({
      id: 'chatcmpl-BenchBenchBenchBenchBench00',
      object: 'chat.completion.chunk',
      created: 1_750_000_000,
      model: 'gpt-x-test-2025-08-07',
      service_tier: 'default',
      system_fingerprint: null,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: finish }],
      usage: null,
      obfuscation,
    })}\n\n`
  let text = event({ role: 'assistant', content: '', refusal: null }, null, 'aB3dE')
  for (let i = 0; i < events; i++) {
    text += event({ content: words[(i * 7) % words.length] }, null, 'QwErTyUiOpAsDfGh'.slice(i % 12))
  }
  const usage = { prompt_tokens: 900, completion_tokens: events, total_tokens: 900 + events }
  text += event({}, 'stop', 'x')
  text += `data: ${JSON.stringify({ id: 'chatcmpl-B', model: 'gpt-x-test-2025-08-07', choices: [], usage })}\n\n`
  return Buffer.from(`${text}data: [DONE]\n\n`)
}

/** The same with the usage so far in each event, as vLLM and Gemini write it: no event is like the one before. */
export function usageStreamOf(events: number): Buffer {
  let n = 0
  const text = streamOf(events).toString()
  return Buffer.from(
    text.replaceAll('"usage":null', () => {
      n++
      return `"usage":{"prompt_tokens":900,"completion_tokens":${n},"total_tokens":${900 + n}}`
    }),
  )
}

/** Cuts a stream into pieces as a network delivers them, not at the ends of events. */
export function piecesOf(bytes: Buffer, size: number): Buffer[] {
  const pieces: Buffer[] = []
  for (let at = 0; at < bytes.length; at += size) pieces.push(bytes.subarray(at, at + size))
  return pieces
}
