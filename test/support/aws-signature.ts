import { createHash, createHmac } from 'node:crypto'
import type { Received } from './upstream.js'

/**
 * Checks the signature of a request that an upstream got, as AWS describes it, step by step and from the bytes on the
 * wire. It shares nothing with the code that signs.
 * @returns what is wrong; null if it is right
 */
export function findSignatureFault(
  request: Received,
  key: { readonly id: string; readonly secret: string; readonly token?: string },
  region: string,
): string | null {
  const authorization = request.header('authorization') ?? ''
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, SignedHeaders=([^,]+), Signature=([0-9a-f]{64})$/.exec(
      authorization,
    )
  if (match === null) return `no signature: ${authorization}`
  const [, id, day = '', scope = '', service = '', names = '', signature] = match
  const date = request.header('x-amz-date') ?? ''
  if (id !== key.id) return `another key: ${id}`
  if (scope !== region || service !== 'bedrock') return `another scope: ${scope} ${service}`
  if (!date.startsWith(day)) return `another day: ${day} ${date}`
  const signed = names.split(';')
  for (const needed of ['host', 'x-amz-date', ...(key.token === undefined ? [] : ['x-amz-security-token'])])
    if (!signed.includes(needed)) return `${needed} is not signed`
  if (request.header('x-amz-security-token') !== key.token) return 'another session token'
  const [path = '', query = ''] = request.target.split('?')
  const lines = signed.map((name) => `${name}:${(request.header(name) ?? '').trim()}\n`)
  const text = [
    request.method,
    path
      .split('/')
      .map((segment) => encodeURIComponent(segment).replace(/[!'()*]/g, escapeChar))
      .join('/'),
    query.split('&').sort().join('&'),
    lines.join(''),
    names,
    createHash('sha256').update(request.body).digest('hex'),
  ].join('\n')
  const hash = createHash('sha256').update(text).digest('hex')
  const toSign = `AWS4-HMAC-SHA256\n${date}\n${day}/${scope}/${service}/aws4_request\n${hash}`
  let hmac = createHmac('sha256', `AWS4${key.secret}`).update(day).digest()
  for (const part of [scope, service, 'aws4_request']) hmac = createHmac('sha256', hmac).update(part).digest()
  return createHmac('sha256', hmac).update(toSign).digest('hex') === signature ? null : 'a wrong signature'
}

function escapeChar(char: string): string {
  return `%${char.charCodeAt(0).toString(16).toUpperCase()}`
}
