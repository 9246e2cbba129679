import { decideEnd } from './front-end.js'
import {
  badLine,
  type FrontRequest,
  isUniqueId,
  otherLine,
  readAddress,
  readCount,
  readPath,
  readStatus,
  readText,
  readTime,
  type SkippedLine,
  textOrNull,
} from './front-request.js'

type Fields = Readonly<Record<string, unknown>>

/**
 * Reads a line of Caddy's access log (format `json`, as Caddy 2.6 writes it). The recipe sets the response headers
 * `x-thinwire-direct`, which tells direct traffic from any other, and `x-thinwire-direct-key` (`KEYID:ENV:TEAM:USER`).
 */
export function readCaddyLine(fields: Fields, now: number): FrontRequest | SkippedLine {
  const request = fields.request as Fields
  const headers = lowerNames(fields.resp_headers)
  const header = (name: string): string => readHeader(headers.get(name))
  if (header('x-thinwire-direct') !== '1') return otherLine('it is no line of direct traffic')
  const endedAt = readTime(readText(fields.ts), now)
  if (typeof endedAt === 'string') return badLine(endedAt)
  const owner = header('x-thinwire-direct-key')
  const [key = '', env = '', team = '', user = ''] = owner.split(':').map(readText)
  const target = readText(request.uri)
  const status = readStatus(readText(fields.status))
  const wasSent = owner !== ''
  // Caddy itself sets none before it logs, and every provider does (RFC 9110, 6.6.1).
  const hasHead = header('date') !== ''
  const upstreamRequestId = header('x-request-id')
  const client = readText(request.client_ip) || readText(request.remote_ip)
  const identity = [
    ...[fields.ts, request.remote_ip, request.remote_port, request.proto, request.method].map(readText),
    ...[request.host, request.uri, fields.duration, fields.size, fields.status].map(readText),
    ...[owner, upstreamRequestId],
  ]
  return {
    requestId: '',
    endedAt,
    // Caddy's duration ends where no relay was found: the recipe goes direct from there, and that is not in it.
    durationMs: null,
    firstByteMs: null,
    key: textOrNull(key),
    env: textOrNull(env),
    team: textOrNull(team),
    user: textOrNull(user),
    model: null,
    method: readText(request.method).toUpperCase(),
    path: readPath(target),
    status,
    bytesIn: readCount(readText(fields.bytes_read)),
    bytesOut: readCount(readText(fields.size)),
    clientAddress: readAddress(client),
    upstreamRequestId: textOrNull(upstreamRequestId),
    wasSent,
    ...decideEnd({ status, wasSent, hasHead, ended: null, isCompleted: false }),
    identity: JSON.stringify(identity),
    isUnique: isUniqueId(upstreamRequestId),
  }
}

/** Caddy keeps the names as they came: those that Go has read begin with capitals. */
function lowerNames(headers: unknown): Map<string, unknown> {
  if (typeof headers !== 'object' || headers === null) return new Map()
  return new Map(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))
}

function readHeader(value: unknown): string {
  return readText(Array.isArray(value) ? value.at(-1) : value)
}
