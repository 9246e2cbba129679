import type { IncomingMessage } from 'node:http'
import { holdsKey } from '../access/key-traces.js'
import type { KeyRecord } from '../access/keyring.js'
import { streamsByItself } from '../api/api-of-path.js'
import type { BodyApi } from '../api/apis.js'
import { type ErrorFormat, errorFormatOf } from '../api/error-format.js'
import { findPathModel } from '../api/model-paths.js'
import { findQueryModel } from '../api/query-model.js'
import type { RequestTarget } from '../api/request-target.js'
import { findHeader } from '../http/flat-headers.js'
import type { LimitTicket } from './limit-ticket.js'

/** `traceparent`, W3C Trace Context, 3.2.2. */
const TRACE = /^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}/

/** What a request asks for, and who sent it. */
export class RequestFacts {
  /** The relay's own id: unique over restarts, and short, as people read it out to each other. */
  readonly id: string
  /** Epoch milliseconds. */
  readonly receivedAt: number
  readonly rawHeaders: readonly string[]
  method: string
  /** Behind the version: `/chat/completions`. */
  path: string
  /** With its `?`, byte for byte; or empty. */
  query: string
  /** The request came by Cursor's own route (`/cursor`). */
  isCursor: boolean
  /** API that the body is written for, of a chat from Cursor; null until it is detected. */
  bodyApi: BodyApi | null
  /** The model, if it stands in the path and the upstream wants it in the body (Azure); else null. */
  deployment: string | null
  /** The model, if it stands in the path (Azure, Gemini, Bedrock, Vertex) or in the query (Realtime); else null. */
  pathModel: string | null
  errorFormat: ErrorFormat
  /** The client's `x-request-id`, or our id: sent back unless the upstream sends its own. */
  requestId: string
  /** Null before the request is admitted, and in the modes without keys. */
  key: KeyRecord | null
  model: string | null
  stream: boolean | null
  /** Whether such a request asks for a stream if its body does not say so (Gemini, Ollama, Bedrock); else null. */
  usualStream: boolean | null
  /** Whether the provider is to keep the response, and to make it while nobody waits; null if it was not said. */
  store: boolean | null
  background: boolean | null
  /** The client gets a translated response, which has an id that no provider knows. */
  isTranslated: boolean
  /** Address of the client; behind a trusted proxy, the one that the proxy names. Null if the client had left. */
  clientAddress: string | null
  /** What the client sent in `x-thinwire-tags`: `project=a,ticket=b`, sorted; null for none. */
  tags: string | null
  /** Id of the WebSocket that the request came by, or is; null if it came by HTTP. */
  connectionId: string | null
  /** What the limits hold for the request; null if no rule counts it, or it was not checked. */
  ticket: LimitTicket | null

  constructor(
    id: string,
    req: Pick<IncomingMessage, 'method' | 'rawHeaders'>,
    receivedAt: number = Date.now(),
  ) {
    this.id = id
    this.receivedAt = receivedAt
    this.rawHeaders = req.rawHeaders
    this.method = req.method ?? 'GET'
    this.path = '/'
    this.query = ''
    this.isCursor = false
    this.bodyApi = null
    this.deployment = null
    this.pathModel = null
    this.errorFormat = 'openai'
    this.requestId = readClientRequestId(req.rawHeaders) ?? id
    this.key = null
    this.model = null
    this.stream = null
    this.usualStream = null
    this.store = null
    this.background = null
    this.isTranslated = false
    this.clientAddress = null
    this.tags = null
    this.connectionId = null
    this.ticket = null
  }

  /** Takes over what a request asks for. */
  setTarget({ path, query, cursor, deployment }: RequestTarget): void {
    this.path = path
    this.query = query
    this.isCursor = cursor
    this.deployment = deployment
    this.pathModel = deployment ?? findPathModel(this.method, path) ?? findQueryModel(path, query)
    this.model = this.pathModel
    this.usualStream = streamsByItself(path)
    this.stream = this.usualStream
    this.errorFormat = errorFormatOf(path)
  }

  /** The API that was spoken: of a chat from Cursor, the one that its body is written for. */
  get api(): ErrorFormat | `cursor_${BodyApi}` {
    return this.bodyApi === null ? this.errorFormat : `cursor_${this.bodyApi}`
  }

  /** Null before the request is admitted, and in the modes without keys. */
  get team(): string | null {
    return this.key?.team ?? null
  }

  get userAgent(): string | null {
    return findHeader(this.rawHeaders, 'user-agent') ?? null
  }

  /** What Claude Code names its session (LLM gateway protocol, request headers). */
  get sessionId(): string | null {
    return readToken(this.rawHeaders, 'x-claude-code-session-id')
  }

  /** What Claude Code names the subagent that sends the request; null for its main agent. */
  get agentId(): string | null {
    return readToken(this.rawHeaders, 'x-claude-code-agent-id')
  }

  get traceId(): string | null {
    return TRACE.exec(findHeader(this.rawHeaders, 'traceparent') ?? '')?.[1] ?? null
  }
}

/** A header with an id that can stand in a record as it is. */
function readToken(rawHeaders: readonly string[], name: string): string | null {
  const token = findHeader(rawHeaders, name)
  return token !== undefined && /^[\w.:@-]{1,128}$/.test(token) && !holdsKey(token) ? token : null
}

/** The client's own `x-request-id`, if it can stand in a header and a log line as it is. */
function readClientRequestId(rawHeaders: readonly string[]): string | undefined {
  const id = findHeader(rawHeaders, 'x-request-id')
  return id !== undefined && /^[\x21-\x7e]{1,128}$/.test(id) ? id : undefined
}
