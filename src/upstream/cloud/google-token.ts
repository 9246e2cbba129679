import { createPrivateKey, createSign, type KeyObject } from 'node:crypto'
import type { GoogleSource } from '../../config/cloud-config.js'
import {
  createFormRequest,
  readObject,
  readToken,
  readValidMs,
  type SendTokenRequest,
  type TokenResponse,
} from './token-endpoint.js'
import type { Fetched } from './token-source.js'

const SCOPE = 'https://www.googleapis.com/auth/cloud-platform'
const METADATA_PATH = '/computeMetadata/v1/instance/service-accounts/default/token'

/** Seconds that a signed statement is valid: an hour at most (OAuth 2.0 for service accounts). */
const STATEMENT_SECONDS = 3_600

/** A clock that differs by more is named as the cause of a refusal, and corrected by the endpoint's. */
const CLOCK_MS = 30_000

/** Creates the function that gets the tokens of Google. */
export function createGoogleFetch(
  source: GoogleSource,
  send: SendTokenRequest,
): () => Promise<Fetched<string>> {
  switch (source.from) {
    case 'instance':
      return () => fetchFromMachine(source.url, send)
    case 'user':
      return async () => {
        const { clientId, clientSecret, refreshToken } = source
        const form = createFormRequest(source.url, {
          grant_type: 'refresh_token',
          client_id: clientId,
          client_secret: clientSecret,
          refresh_token: refreshToken,
        })
        return readResponse(await send(form))
      }
    case 'service-account': {
      const account = new ServiceAccount(source, send)
      return () => account.fetch()
    }
  }
}

async function fetchFromMachine(url: string, send: SendTokenRequest): Promise<Fetched<string>> {
  const address = new URL(url)
  if (address.pathname === '/') address.pathname = METADATA_PATH
  const headers = ['metadata-flavor', 'Google']
  return readResponse(await send({ method: 'GET', url: address.href, headers, body: null }))
}

function readResponse(response: TokenResponse): Fetched<string> {
  const { access_token: token, expires_in: expiresIn } = readObject(response)
  return { credential: readToken(token), validMs: readValidMs(expiresIn, null, response) }
}

type AccountSource = GoogleSource & { readonly from: 'service-account' }

/** Signs statements with the key of a service account, and gets a token for each (RFC 7523). */
class ServiceAccount {
  private readonly source: AccountSource
  private readonly send: SendTokenRequest
  private readonly key: KeyObject
  /** Milliseconds that the endpoint's clock is ahead. */
  private offset: number

  constructor(source: AccountSource, send: SendTokenRequest) {
    this.source = source
    this.send = send
    this.key = createPrivateKey(source.privateKey)
    this.offset = 0
  }

  async fetch(): Promise<Fetched<string>> {
    const response = await this.ask()
    if (response.status !== 400 || response.date === null) return readResponse(response)
    const offset = response.date - Date.now()
    if (Math.abs(offset - this.offset) < CLOCK_MS) return readResponse(response)
    // The endpoint takes no statement from the future, or from the past.
    this.offset = offset
    return readResponse(await this.ask())
  }

  private ask(): Promise<TokenResponse> {
    return this.send(
      createFormRequest(this.source.url, {
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: this.sign(Math.floor((Date.now() + this.offset) / 1_000)),
      }),
    )
  }

  /** @param now epoch seconds */
  private sign(now: number): string {
    const { email, keyId, url } = this.source
    const header = { alg: 'RS256', typ: 'JWT', ...(keyId === null ? {} : { kid: keyId }) }
    const claims = { iss: email, scope: SCOPE, aud: url, iat: now, exp: now + STATEMENT_SECONDS }
    const text = `${encode(header)}.${encode(claims)}`
    return `${text}.${createSign('RSA-SHA256').update(text).sign(this.key, 'base64url')}`
  }
}

function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64url')
}
