import { createHash, createHmac } from 'node:crypto'
import type { FlatHeaders } from '../../http/flat-headers.js'

/** An access key of AWS. Temporary ones have a session token. */
export interface AwsKey {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string | null
}

/** Where a signature is valid. */
export interface SigningScope {
  readonly region: string
  readonly service: string
}

/** What is signed of a request. */
export interface SignableRequest {
  readonly method: string
  /** With its query, as it is written to the socket. */
  readonly path: string
  /** The headers to sign: name, value, name, value. `host` is needed. */
  readonly headers: FlatHeaders
  /** SHA-256 of the body, in hexadecimal digits. */
  readonly bodyHash: string
}

const ALGORITHM = 'AWS4-HMAC-SHA256'

/** SHA-256 in hexadecimal digits. @param pieces of a body, in their order */
export function hashBody(pieces: readonly (Buffer | string)[]): string {
  const hash = createHash('sha256')
  for (const piece of pieces) hash.update(piece)
  return hash.digest('hex')
}

/** Formats a time as `20150830T123600Z`. */
export function formatAmzDate(time: Date): string {
  return time.toISOString().replace(/[:-]|\.\d{3}/g, '')
}

/**
 * Builds the value of `authorization` (AWS, IAM user guide, "Create a signed AWS API request").
 * @param amzDate as in the header `x-amz-date`, which has to be among the headers
 */
export function buildAuthorization(
  request: SignableRequest,
  key: AwsKey,
  scope: SigningScope,
  amzDate: string,
): string {
  const { canonical, signedHeaders } = buildCanonicalRequest(request)
  const credentialScope = `${amzDate.slice(0, 8)}/${scope.region}/${scope.service}/aws4_request`
  const text = `${ALGORITHM}\n${amzDate}\n${credentialScope}\n${hashBody([canonical])}`
  const signingKey = deriveSigningKey(key.secretAccessKey, amzDate.slice(0, 8), scope)
  const signature = createHmac('sha256', signingKey).update(text).digest('hex')
  return `${ALGORITHM} Credential=${key.accessKeyId}/${credentialScope}, SignedHeaders=${signedHeaders}, Signature=${signature}`
}

/** @param day `20150830` */
export function deriveSigningKey(secret: string, day: string, { region, service }: SigningScope): Buffer {
  let key: Buffer | string = `AWS4${secret}`
  for (const part of [day, region, service, 'aws4_request'])
    key = createHmac('sha256', key).update(part).digest()
  return key as Buffer
}

/** Builds the text whose hash is signed, and the list of signed headers. */
export function buildCanonicalRequest({ method, path, headers, bodyHash }: SignableRequest): {
  readonly canonical: string
  readonly signedHeaders: string
} {
  const mark = path.indexOf('?')
  const uri = encodePath(mark === -1 ? path : path.slice(0, mark))
  const query = mark === -1 ? '' : sortQuery(path.slice(mark + 1))
  const values = collectHeaders(headers)
  const names = [...values.keys()].sort()
  const lines = names.map((name) => `${name}:${values.get(name)?.join(',')}\n`).join('')
  const signedHeaders = names.join(';')
  return {
    canonical: `${method}\n${uri}\n${query}\n${lines}\n${signedHeaders}\n${bodyHash}`,
    signedHeaders,
  }
}

/** Trims each value and makes one space of several. Values of one name stay in their order. */
function collectHeaders(headers: FlatHeaders): Map<string, string[]> {
  const values = new Map<string, string[]>()
  for (let i = 0; i + 1 < headers.length; i += 2) {
    const name = (headers[i] as string).toLowerCase()
    const value = (headers[i + 1] as string).trim().replace(/ +/g, ' ')
    const known = values.get(name)
    if (known === undefined) values.set(name, [value])
    else known.push(value)
  }
  return values
}

/**
 * Every service but S3 wants the path encoded once more than it is sent (`%3A` becomes `%253A`), and normalised:
 * without empty segments and dot segments.
 */
function encodePath(path: string): string {
  const kept: string[] = []
  for (const segment of path.split('/')) {
    if (segment === '..') kept.pop()
    else if (segment !== '' && segment !== '.') kept.push(encodeRfc3986(segment))
  }
  const text = `/${kept.join('/')}`
  return text !== '/' && path.endsWith('/') ? `${text}/` : text
}

/** Encodes each parameter, and sorts them by name and then by value, as bytes. */
function sortQuery(query: string): string {
  const pairs: [name: string, value: string][] = []
  for (const part of query.split('&')) {
    if (part === '') continue
    const equals = part.indexOf('=')
    const name = equals === -1 ? part : part.slice(0, equals)
    pairs.push([reencode(name), equals === -1 ? '' : reencode(part.slice(equals + 1))])
  }
  pairs.sort((a, b) => compare(a[0], b[0]) || compare(a[1], b[1]))
  return pairs.map(([name, value]) => `${name}=${value}`).join('&')
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** What a client has encoded otherwise, or not at all, is encoded as AWS does it. */
function reencode(text: string): string {
  try {
    return encodeRfc3986(decodeURIComponent(text))
  } catch {
    return encodeRfc3986(text)
  }
}

/** All but unreserved characters are encoded (RFC 3986, 2.3): `encodeURIComponent` leaves out five others. */
export function encodeRfc3986(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  )
}
