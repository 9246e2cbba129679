import { wait } from './until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Script, SSE, whole } from './upstream.js'

export const JSON_TYPE = 'content-type: application/json'

/** An answer that names its upstream by its port. */
export const ANSWER: Script = (request) =>
  request.write(whole('200 OK', JSON.stringify({ choices: [{ message: { content: 'hi' } }] }), JSON_TYPE))

/** A whole error response. */
export function refusing(status: string, body: unknown, ...headers: string[]): Script {
  const text = typeof body === 'string' ? body : JSON.stringify(body)
  return (request) => request.write(whole(status, text, JSON_TYPE, ...headers))
}

/** The same, in chunks of a few bytes, one after the other. */
export function dripping(status: string, body: unknown, ...headers: string[]): Script {
  const text = JSON.stringify(body)
  return async (request) => {
    await request.write(head(status, JSON_TYPE, CHUNKED, ...headers))
    for (let at = 0; at < text.length; at += 7) {
      await request.chunk(text.slice(at, at + 7))
      await wait(1)
    }
    await request.lastChunk()
  }
}

/** The head and half of the body of an error response; then the connection is closed. */
export function halfOf(status: string, body: unknown): Script {
  const text = JSON.stringify(body)
  return async (request) => {
    await request.write(head(status, JSON_TYPE, `content-length: ${text.length}`))
    await request.write(text.slice(0, text.length >> 1))
    request.end()
  }
}

/** Ways to send a stream: at once, event by event, cut within events, with a length, until the close. */
export const FRAMINGS = ['at once', 'by event', 'cut', 'length', 'until close'] as const
export type Framing = (typeof FRAMINGS)[number]

/** A stream of status 200. */
export function streaming(events: readonly string[], framing: Framing = 'at once'): Script {
  const all = events.join('')
  return async (request) => {
    switch (framing) {
      case 'at once': {
        const body = Buffer.concat([...events.map(chunk), Buffer.from(LAST_CHUNK)])
        return request.write(Buffer.concat([Buffer.from(head('200 OK', SSE, CHUNKED)), body]))
      }
      case 'length':
        return request.write(whole('200 OK', all, SSE))
      case 'until close':
        await request.write(`${head('200 OK', SSE, 'connection: close')}${all}`)
        return request.end()
      case 'by event':
      case 'cut': {
        await request.write(head('200 OK', SSE, CHUNKED))
        const pieces = framing === 'cut' ? (all.match(/[\s\S]{1,11}/g) ?? []) : events
        for (const piece of pieces) {
          // The size line and the data may arrive apart.
          const bytes = chunk(piece)
          await request.write(bytes.subarray(0, 1))
          await wait(1)
          await request.write(bytes.subarray(1))
        }
        await request.lastChunk()
      }
    }
  }
}

export function event(data: unknown, name?: string): string {
  return `${name === undefined ? '' : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`
}
