import { LINE, messagesOf, TURNS } from '../prompt.js'

/** A prompt of about `bytes`, with `stream` behind the messages, as most clients write it. */
export function promptOf(bytes: number): Buffer {
  const messages = messagesOf(Math.ceil(bytes / LINE.length / TURNS))
  return Buffer.from(JSON.stringify({ model: 'gpt-x-test', temperature: 0, messages, stream: true }))
}

/** `req.rawHeaders` of an OpenAI SDK behind a proxy that ends TLS. */
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
