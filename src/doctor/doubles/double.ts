import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ConversationApi } from '../../api/apis.js'
import { findModelCall, findPathModel, type ModelPath, parseModelPath } from '../../api/model-paths.js'
import { MODEL_ROWS } from '../../api/model-rows.js'
import { findTraits } from '../../api/model-table.js'
import type { ModelTraits } from '../../api/model-traits.js'
import { PRESETS, type PresetName } from '../../api/presets.js'
import { parseRequestTarget } from '../../api/request-target.js'
import { isObject, parseJson, stringOr } from '../../json/values.js'
import { addThinking, answerGemini } from './answers.js'
import { findRefusal } from './refusals.js'

/** A server that stands in for a provider: it refuses what the provider is known to refuse. */
export interface Double {
  /** Scheme, address and port. */
  readonly origin: string
  close(): Promise<void>
}

const BODY_MAX = 16 * 1024 * 1024

/** Where the demo has each API. Gemini's own API is none of them. */
const DEMO_PATHS: Readonly<Record<Exclude<ConversationApi, 'gemini'>, string>> = {
  chat: '/v1/chat/completions',
  responses: '/v1/responses',
  messages: '/v1/messages',
}

/** Starts a double on this machine. @param demo origin of the demo upstream, which writes its answers */
export async function startDouble(preset: PresetName | null, demo: string): Promise<Double> {
  const server = createServer((req, res) => {
    answer(req, res, preset, demo).catch(() => res.destroy())
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close() {
      const closed = new Promise<void>((resolve) => void server.close(() => resolve()))
      server.closeAllConnections()
      return closed
    },
  }
}

/** The provider behind an address: what the preset says, else the host. @returns null for a server of one's own */
export function identifyProvider(preset: PresetName | null, origin: string): PresetName | null {
  if (preset !== null) return preset
  const found = Object.entries(PRESETS).find(
    ([, { baseUrl }]) => baseUrl !== null && new URL(baseUrl).origin === origin,
  )
  return (found?.[0] as PresetName | undefined) ?? null
}

async function answer(
  req: IncomingMessage,
  res: ServerResponse,
  preset: PresetName | null,
  demo: string,
): Promise<void> {
  if (req.method !== 'POST') {
    req.resume()
    sendJson(res, 200, { object: 'list', data: listModels(preset).map((id) => ({ id, object: 'model' })) })
    return
  }
  const target = parseRequestTarget(req.url ?? '')
  const path = 'problem' in target ? '' : target.path
  const named = parseModelPath(path)
  const cloud = named?.api === 'gemini' ? null : named
  const given = parseJson(await readText(req))
  const body = cloud === null || !isObject(given) ? given : readCloudBody(given, cloud)
  const api = cloud === null ? detectApi(path) : 'messages'
  if (api === null || !isObject(body)) {
    sendJson(res, 404, {
      error: { message: `Unknown request URL: POST ${req.url ?? ''}.`, type: 'invalid_request_error' },
    })
    return
  }
  const deployment = 'problem' in target ? null : target.deployment
  const model = deployment ?? findPathModel('POST', path) ?? stringOr(body.model, '')
  const { traits } = findTraits({ model, upstream: null, preset, rules: [] })
  const refusal = findRefusal({ api, model, body, traits, preset })
  if (refusal !== null) sendJson(res, refusal.status, refusal.body)
  else if (api === 'gemini') sendEvents(res, answerGemini(model, body))
  else await askDemo(res, `${demo}${DEMO_PATHS[api]}`, { ...body, model }, traits)
}

function detectApi(path: string): ConversationApi | null {
  if (path.endsWith('/chat/completions')) return 'chat'
  if (path.endsWith('/responses')) return 'responses'
  if (path.endsWith('/messages')) return 'messages'
  const call = findModelCall(path)
  return call === 'answer' || call === 'stream' ? 'gemini' : null
}

/** A request of Messages out of the form that a cloud has for it. The relay takes an answer in either form. */
function readCloudBody(
  { anthropic_version: _version, anthropic_beta: _beta, ...body }: Readonly<Record<string, unknown>>,
  { model, method }: ModelPath,
): Readonly<Record<string, unknown>> {
  return { ...body, model, stream: /stream/i.test(method) }
}

async function askDemo(res: ServerResponse, url: string, body: object, traits: ModelTraits): Promise<void> {
  const answered = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const text = await answered.text()
  const type = answered.headers.get('content-type') ?? ''
  res.writeHead(answered.status, { 'content-type': type })
  res.end(type.startsWith('text/event-stream') ? addThinking(text, traits.chatThinking) : text)
}

/** The names of the built-in table that stand for themselves. */
function listModels(preset: PresetName | null): string[] {
  const names = MODEL_ROWS.filter(({ presets }) => preset !== null && presets?.includes(preset))
    .flatMap(({ match }) => match.map((pattern) => pattern.replace(/[-.]?\*$/, '')))
    .filter(
      (name) => name !== '' && !name.includes('*') && !name.includes('/') && !/[-:]$|-20$|^ft:/.test(name),
    )
  return names.length === 0 ? ['a-model'] : [...new Set(names)]
}

async function readText(req: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = []
  let bytes = 0
  for await (const piece of req as AsyncIterable<Buffer>) {
    bytes += piece.length
    if (bytes <= BODY_MAX) pieces.push(piece)
  }
  return Buffer.concat(pieces).toString()
}

function sendJson(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(JSON.stringify(body))
}

function sendEvents(res: ServerResponse, events: string): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  res.end(events)
}
