import { createHash } from 'node:crypto'
import { createParser } from 'eventsource-parser'
import { hashKey, isLikelyKey, mintKey } from '../../src/access/key.js'
import { filterRequestHeaders } from '../../src/http/request-headers.js'
import { findEvery, findOnly, parseOutline, readElements, WHOLE } from '../../src/json/outline.js'
import { peekFields } from '../../src/json/peek.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { piecesOf, promptOf, REQUEST_HEADERS, streamOf, usageStreamOf } from './fixtures.js'
import { type AgentSize, requestPairs } from './requests.js'
import { translationPairs } from './translation.js'

/** A step of Thinwire for a request, and the usual way to do it. */
export interface Pair {
  readonly figure: string
  readonly ours: () => unknown
  readonly usual: { readonly name: string; readonly run: () => unknown }
}

/** Much of what is read of a request on `/cursor`: its members, its messages and their parts. */
const OUTLINE = findEvery({
  messages: readElements(
    findEvery({ role: WHOLE, content: readElements(findOnly({ type: WHOLE, text: WHOLE })) }),
  ),
})

const ADDED = ['authorization', 'Bearer sk-bench-0000000000']

/** As large as a day of an agent's work makes it. */
export const LONG: AgentSize = { bytes: 1024 * 1024, turns: 400 }

export function makePairs(agent: AgentSize): Pair[] {
  const prompt = promptOf(100_000)
  const key = mintKey({ env: 'prod', team: 'team1', user: 'user1' })
  return [
    ...(['2k', '100k', '2m'] as const).map((label) => {
      const body = promptOf({ '2k': 2_000, '100k': 100_000, '2m': 2_000_000 }[label])
      return {
        figure: `peek_${label}`,
        ours: () => peekFields(body),
        usual: { name: 'JSON.parse', run: () => parseForModel(body) },
      }
    }),
    {
      figure: 'outline_100k',
      ours: () => parseOutline(prompt, OUTLINE),
      usual: { name: 'JSON.parse', run: () => JSON.parse(prompt.toString()) },
    },
    ...[
      { figure: 'scan_1k', pieces: piecesOf(streamOf(200), 1_000) },
      { figure: 'scan_16k', pieces: piecesOf(streamOf(200), 16_384) },
      { figure: 'scan_usage', pieces: piecesOf(usageStreamOf(200), 16_384) },
    ].map(({ figure, pieces }) => ({
      figure,
      ours: () => scan(pieces),
      usual: { name: 'eventsource', run: () => parseEvents(pieces) },
    })),
    {
      figure: 'request_headers',
      ours: () => filterRequestHeaders(REQUEST_HEADERS, ADDED, false),
      usual: { name: 'object copy', run: () => copyHeaders(REQUEST_HEADERS) },
    },
    {
      figure: 'key_check',
      ours: () => (isLikelyKey(key) ? hashKey(key) : ''),
      usual: { name: 'createHash', run: () => createHash('sha256').update(key).digest('hex') },
    },
    ...translationPairs(),
    ...requestPairs(agent),
  ]
}

export function parseForModel(body: Buffer): { model: unknown; stream: unknown } {
  const { model, stream } = JSON.parse(body.toString())
  return { model, stream }
}

export interface Metered {
  deltas: number
  textBytes: number
  promptTokens: number | null
}

export function scan(pieces: readonly Buffer[]): Metered {
  const meter = new StreamMeter()
  for (const piece of pieces) meter.push(piece)
  meter.end()
  const { deltas, textBytes, usage } = meter.readStats()
  return { deltas, textBytes, promptTokens: usage?.prompt ?? null }
}

/** The usual way: the most used parser, and `JSON.parse` for each event. */
export function parseEvents(pieces: readonly Buffer[]): Metered {
  const seen: Metered = { deltas: 0, textBytes: 0, promptTokens: null }
  const decoder = new TextDecoder()
  const parser = createParser({
    onEvent({ data }) {
      if (data === '[DONE]') return
      const { choices, usage } = JSON.parse(data)
      const content = choices[0]?.delta.content
      if (content) {
        seen.deltas++
        seen.textBytes += Buffer.byteLength(content)
      }
      if (usage) seen.promptTokens = usage.prompt_tokens
    },
  })
  for (const piece of pieces) parser.feed(decoder.decode(piece, { stream: true }))
  return seen
}

/** The way of relays without raw headers: an object with lower-case names, from which unwanted headers are deleted. */
export function copyHeaders(raw: readonly string[]): Record<string, string> {
  const headers: Record<string, string> = {}
  for (let i = 0; i + 1 < raw.length; i += 2) headers[(raw[i] as string).toLowerCase()] = raw[i + 1] as string
  for (const name of Object.keys(headers)) {
    if (name.startsWith('x-forwarded-') || name.startsWith('sec-fetch-')) delete headers[name]
  }
  for (const name of ['host', 'connection', 'content-length', 'x-real-ip', 'authorization'])
    delete headers[name]
  return { ...headers, authorization: 'Bearer sk-bench-0000000000' }
}
