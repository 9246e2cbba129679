import { readFile } from 'node:fs/promises'
import { isObject, type JsonObject, parseJson } from '../../json/values.js'
import { TokenError } from './token-source.js'

/** A request to a token endpoint. */
export interface TokenRequest {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly url: string
  /** Name, value, name, value. */
  readonly headers: readonly string[]
  readonly body: string | null
}

/** What it responded. */
export interface TokenResponse {
  readonly status: number
  readonly text: string
  /** Its clock, in epoch milliseconds; null if it did not say. */
  readonly date: number | null
}

/** Sends a request to a token endpoint. It rejects, in bounded time, if no whole response comes. */
export type SendTokenRequest = (request: TokenRequest) => Promise<TokenResponse>

/** A form of OAuth (RFC 6749, 4). */
export function createFormRequest(url: string, fields: Readonly<Record<string, string>>): TokenRequest {
  return {
    method: 'POST',
    url,
    headers: ['content-type', 'application/x-www-form-urlencoded', 'accept', 'application/json'],
    body: new URLSearchParams(fields).toString(),
  }
}

/** Reads a token that is replaced from time to time. */
export async function readTokenFile(file: string): Promise<string> {
  return (await readFile(file, 'utf8')).trim()
}

/**
 * Reads a JSON object.
 * @throws TokenError with the status, and the code of an error of OAuth (RFC 6749, 5.2): `400 invalid_grant`
 */
export function readObject({ status, text }: TokenResponse): JsonObject {
  const value = parseJson(text)
  if (status !== 200) throw new TokenError(describeRefusal(status, value))
  if (!isObject(value)) throw new TokenError('TOKEN_RESPONSE_INVALID')
  return value
}

/** Only names and numbers of a documented form: a body may repeat what was sent. */
function describeRefusal(status: number, value: unknown): string {
  const parts = [`TOKEN_STATUS_${status}`]
  if (!isObject(value)) return parts.join(' ')
  const { error, error_codes: codes } = value
  if (typeof error === 'string' && /^[a-z_]{1,40}$/.test(error)) parts.push(error)
  // Entra's own.
  const [code] = Array.isArray(codes) ? codes : []
  if (Number.isInteger(code) && code > 0) parts.push(`AADSTS${code}`)
  return parts.join(' ')
}

/**
 * Reads a token that can stand in a header.
 * @throws TokenError
 */
export function readToken(value: unknown): string {
  if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value))
    throw new TokenError('TOKEN_RESPONSE_INVALID')
  return value
}

/**
 * Milliseconds that a token is valid: by `expires_in` in seconds, or else by a time of the endpoint's clock. Some
 * endpoints send numbers as text.
 * @throws TokenError
 */
export function readValidMs(
  expiresIn: unknown,
  expiresAt: unknown,
  { date }: Pick<TokenResponse, 'date'>,
): number {
  const seconds = readNumber(expiresIn)
  if (seconds !== null) return seconds * 1_000
  const epochSeconds = readNumber(expiresAt)
  const at = epochSeconds !== null ? epochSeconds * 1_000 : Date.parse(String(expiresAt))
  if (!Number.isFinite(at)) throw new TokenError('TOKEN_RESPONSE_INVALID')
  return at - (date ?? Date.now())
}

function readNumber(value: unknown): number | null {
  if (typeof value === 'number' && Number.isFinite(value)) return value
  return typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value) ? Number(value) : null
}
