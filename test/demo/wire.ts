import { type IncomingHttpHeaders, request } from 'node:http'

export interface WireResponse {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
}

export interface WireEvent {
  /** null if the event has no name. */
  readonly name: string | null
  readonly data: string
}

/** Any JSON, for tests that reach deep into it; what is not there fails the assertion. */
// biome-ignore lint/suspicious/noExplicitAny: a type for every body would say the same as the assertions
export type Json = any

/** One request on a connection of its own. A body that is not a string is sent as JSON. */
export function send(
  url: string,
  method: string,
  body?: unknown,
  headers: Record<string, string> = {},
): Promise<WireResponse> {
  return new Promise((resolve, reject) => {
    const req = request(url, { method, headers, agent: false }, (res) => {
      const pieces: Buffer[] = []
      res.on('data', (piece: Buffer) => pieces.push(piece))
      res.on('error', reject)
      res.on('end', () =>
        resolve({
          status: res.statusCode ?? 0,
          headers: res.headers,
          text: Buffer.concat(pieces).toString(),
        }),
      )
    })
    req.on('error', reject)
    req.end(body === undefined || typeof body === 'string' ? body : JSON.stringify(body))
  })
}

export async function sendJson(url: string, body: unknown): Promise<Json> {
  return JSON.parse((await send(url, 'POST', body)).text)
}

export async function sendStream(url: string, body: object): Promise<WireEvent[]> {
  const { text } = await send(url, 'POST', { ...body, stream: true })
  return readEvents(text)
}

/** Strict on purpose: the demo writes `event: ` and `data: ` lines with LF, and ends every event with a blank line. */
export function readEvents(text: string): WireEvent[] {
  const blocks = text.split('\n\n')
  if (blocks.pop() !== '') throw new Error('the stream does not end with a blank line')
  return blocks.map((block) => {
    const match = /^(?:event: (.*)\n)?data: (.*)$/.exec(block)
    if (match?.[2] === undefined) throw new Error(`not an event: ${block}`)
    return { name: match[1] ?? null, data: match[2] }
  })
}

export function parseAll(events: readonly WireEvent[]): Json[] {
  return events.map((event) => JSON.parse(event.data))
}

export const WEATHER_SCHEMA = {
  type: 'object' as const,
  properties: {
    city: { type: 'string' as const },
    unit: { type: 'string' as const, enum: ['celsius', 'fahrenheit'] },
    days: { type: 'integer' as const },
    hourly: { type: 'boolean' as const },
    stations: { type: 'array' as const, items: { type: 'string' as const } },
  },
  required: ['city'],
}

/** What the demo makes of the schema above when the user said `text`. */
export function weatherArguments(text: string): Json {
  return { city: text, unit: 'celsius', days: 1, hourly: true, stations: [] }
}
