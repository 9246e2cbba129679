import type { FlatHeaders } from '../../http/flat-headers.js'
import { createError } from './errors.js'

/** The head of a request, but for its `content-length` and the empty line at its end. */
export interface RequestHead {
  readonly text: string
  /** The `content-length` among the headers; -1 if there is none. */
  readonly length: number
  /** The `host` among the headers; null if it is that of the upstream's URL. */
  readonly host: string | null
  /** The connection is not used again. */
  readonly closes: boolean
}

/** What is to be done with a header, by its name. */
type HeaderUse = 'plain' | 'host' | 'length' | 'connection' | 'refused' | 'unsupported' | 'invalid'

const USES: ReadonlyMap<string, HeaderUse> = new Map([
  ['host', 'host'],
  ['content-length', 'length'],
  ['connection', 'connection'],
  // The connection frames the body by itself, and relays no upgrades.
  ['transfer-encoding', 'refused'],
  ['keep-alive', 'refused'],
  ['upgrade', 'refused'],
  ['expect', 'unsupported'],
])

/** RFC 9110, 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/

/** Characters that no field value may have (RFC 9110, 5.5): among them are those that would end its line. */
const INVALID_VALUE = /[^\t\x20-\x7e\x80-\xff]/

const INVALID_PATH = /[^\x21-\xff]/

/** Names that were seen: requests have the same few hundred. */
const uses = new Map<string, HeaderUse>()
const MOST_USES = 1_000

/** With any other method, a server may not expect a body (RFC 9110, 9.3): its connection is not used again. */
const EXPECTS_BODY: ReadonlySet<string> = new Set(['POST', 'PUT', 'PATCH', 'QUERY', 'PROPFIND', 'PROPPATCH'])

/** Methods of requests without a body that have no `content-length: 0` either (RFC 9110, 8.6). */
export function expectsBody(method: string): boolean {
  return EXPECTS_BODY.has(method)
}

/**
 * Writes the head of a request (RFC 9112, 3 and 5). A request that cannot be written as HTTP is refused: what a client
 * has put into it must not become another request.
 * @param host of the upstream's URL
 * @param keepsHead a HEAD request may leave the connection open
 * @throws with undici's codes UND_ERR_INVALID_ARG and UND_ERR_NOT_SUPPORTED
 */
export function writeRequestHead(
  method: string,
  path: string,
  headers: FlatHeaders,
  host: string,
  keepsHead: boolean,
): RequestHead {
  if (!path.startsWith('/') || INVALID_PATH.test(path)) throw createRefusal('invalid request path')
  if (!TOKEN.test(method)) throw createRefusal('invalid request method')
  let fields = ''
  let length = -1
  let ownHost: string | null = null
  let closes = method === 'HEAD' && !keepsHead
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = headers[i] as string
    const value = headers[i + 1] as string
    if (INVALID_VALUE.test(value)) throw createRefusal(`invalid ${name} header`)
    switch (findUse(name)) {
      case 'plain':
        fields += `${name}: ${value}\r\n`
        break
      case 'host':
        if (ownHost !== null) throw createRefusal('duplicate host header')
        ownHost = value
        break
      case 'length':
        if (length !== -1) throw createRefusal('duplicate content-length header')
        length = readLength(value)
        break
      case 'connection':
        closes ||= readsClose(value)
        break
      case 'unsupported':
        throw createError(`${name} header not supported`, 'UND_ERR_NOT_SUPPORTED')
      default:
        throw createRefusal(`invalid ${name} header`)
    }
  }
  const connection = closes ? 'close' : 'keep-alive'
  return {
    text: `${method} ${path} HTTP/1.1\r\nhost: ${ownHost ?? host}\r\nconnection: ${connection}\r\n${fields}`,
    length,
    host: ownHost,
    closes,
  }
}

function findUse(name: string): HeaderUse {
  const known = uses.get(name)
  if (known !== undefined) return known
  const use = USES.get(name.toLowerCase()) ?? (TOKEN.test(name) ? 'plain' : 'invalid')
  if (uses.size < MOST_USES) uses.set(name, use)
  return use
}

function readLength(value: string): number {
  const length = /^\d+$/.test(value) ? Number(value) : Number.NaN
  if (!Number.isSafeInteger(length)) throw createRefusal('invalid content-length header')
  return length
}

function readsClose(value: string): boolean {
  let closes = false
  for (const option of value.toLowerCase().split(',')) {
    const token = option.trim()
    if (!TOKEN.test(token)) throw createRefusal('invalid connection header')
    closes ||= token === 'close'
  }
  return closes
}

function createRefusal(message: string): Error {
  return createError(message, 'UND_ERR_INVALID_ARG')
}
