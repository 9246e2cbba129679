import { decideEnd } from './front-end.js'
import {
  badLine,
  type FrontRequest,
  isUniqueId,
  otherLine,
  readAddress,
  readCount,
  readPath,
  readSpan,
  readStatus,
  readText,
  readTime,
  type SkippedLine,
  textOrNull,
} from './front-request.js'

/** The version of the form that is read. */
const VERSION = '1'

/** The fields that tell one request from another, in the order of the identity. It must not change. */
const FIELDS = [
  ...['request_id', 'time', 'key_id', 'env', 'team', 'user', 'model', 'method', 'path', 'status'],
  ...['bytes_in', 'bytes_out', 'duration', 'first_byte', 'client', 'upstream', 'ended'],
] as const

/** Reads a line as the recipes for nginx and HAProxy write it. Numbers may be texts, and `-` or nothing if unknown. */
export function readFrontLine(
  fields: Readonly<Record<string, unknown>>,
  now: number,
): FrontRequest | SkippedLine {
  if (fields.thinwire !== 'direct') return otherLine('it is no line of direct traffic')
  if (readText(fields.v) !== VERSION) return badLine('"v" is not 1, the version that this Thinwire reads')
  const text = (name: string): string => readText(fields[name])
  const endedAt = readTime(text('time'), now)
  if (typeof endedAt === 'string') return badLine(endedAt)
  const requestId = text('request_id')
  const status = readStatus(text('status'))
  const upstream = text('upstream')
  // HAProxy writes <NOSRV> where it has chosen no server, or - and -1 for its address and port.
  const wasSent = upstream !== '' && !upstream.includes('<NOSRV>') && !/^-?:(?:-1?|0)?$/.test(upstream)
  const firstByteMs = readSpan(text('first_byte'))
  const hasHead = Object.hasOwn(fields, 'first_byte') ? firstByteMs !== null : null
  const ended = typeof fields.ended === 'string' ? fields.ended.trim() : null
  // Not in the identity: a recipe may have it or not.
  const isCompleted = text('completed') === 'OK'
  return {
    requestId,
    endedAt,
    durationMs: readSpan(text('duration')),
    firstByteMs,
    key: textOrNull(text('key_id')),
    env: textOrNull(text('env')),
    team: textOrNull(text('team')),
    user: textOrNull(text('user')),
    model: textOrNull(text('model')),
    method: text('method').toUpperCase(),
    path: readPath(text('path')),
    status,
    bytesIn: readCount(text('bytes_in')),
    bytesOut: readCount(text('bytes_out')),
    clientAddress: readAddress(text('client')),
    upstreamRequestId: null,
    wasSent,
    ...decideEnd({ status, wasSent, hasHead, ended, isCompleted }),
    identity: JSON.stringify(FIELDS.map(text)),
    isUnique: isUniqueId(requestId),
  }
}
