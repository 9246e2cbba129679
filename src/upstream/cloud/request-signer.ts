import { type FlatHeaderList, findHeader, type RawHeaders, removeHeader } from '../../http/flat-headers.js'
import { type AwsKey, buildAuthorization, formatAmzDate, hashBody, type SigningScope } from './sigv4.js'

/** AWS refuses a signature whose time differs from its own by more than five minutes. */
const CLOCK_MS = 240_000

/** A request to an upstream, complete. */
export interface SignedRequest {
  readonly method: string
  readonly path: string
  readonly headers: FlatHeaderList
  readonly body: Buffer | AsyncIterable<Buffer> | null
}

/** Signs the requests to one upstream. */
export class RequestSigner {
  private readonly host: string
  private readonly scope: SigningScope
  /** Milliseconds that the upstream's clock is ahead of this machine's. */
  private offset: number

  /** @param origin of the upstream */
  constructor(origin: string, scope: SigningScope) {
    this.host = new URL(origin).host
    this.scope = scope
    this.offset = 0
  }

  /** Adds the headers of a signature. The client's own have been removed. */
  sign({ method, path, headers, body }: SignedRequest, key: AwsKey): void {
    if (body !== null && !Buffer.isBuffer(body))
      throw new Error('a request can be signed only when its body is complete')
    const amzDate = formatAmzDate(new Date(Date.now() + this.offset))
    const signed = ['host', this.host, 'x-amz-date', amzDate]
    if (key.sessionToken !== null) signed.push('x-amz-security-token', key.sessionToken)
    const added = signed.slice(2)
    const type = findHeader(headers, 'content-type')
    if (type !== undefined) signed.push('content-type', type)
    const bodyHash = hashBody(body === null ? [] : [body])
    const request = { method, path, headers: signed, bodyHash }
    for (const name of SIGNING_HEADERS) removeHeader(headers, name)
    headers.push(...added, 'authorization', buildAuthorization(request, key, this.scope, amzDate))
  }

  /** Follows the upstream's clock, if a refusal may come from the difference. @param raw headers of the response */
  followClock(raw: RawHeaders): void {
    const date = Date.parse(findHeader(raw, 'date') ?? '')
    const offset = date - Date.now()
    if (Math.abs(offset - this.offset) > CLOCK_MS) this.offset = offset
  }
}

const SIGNING_HEADERS = ['authorization', 'x-amz-date', 'x-amz-security-token', 'x-amz-content-sha256']
