import { Transform, type TransformCallback } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { UpstreamConfig } from '../config/upstreams.js'
import { findHeader } from '../http/flat-headers.js'
import { EMPTY } from '../lib/bytes.js'
import { takeRawSocket } from './connector.js'

/** Replaces a credential in a header. */
const HIDDEN = '***'

/** Replaces each byte in a body, so that the length stays the same. */
const STAR = 0x2a

/** A shorter value is a placeholder for no credential ("none", "ollama"), and a word that occurs in any text. */
const SECRET_MIN_LENGTH = 10

/**
 * Removes an upstream's credentials from its responses. A credential in the URL may come back in the `location` of a
 * redirect or in an error page, and some upstreams repeat a key that they do not know. Bodies are changed only in
 * responses from status 300 up, and only where they contain a whole credential. Compressed bodies are not searched.
 */
export class CredentialRedactor {
  private readonly secrets: readonly Buffer[]
  /** Search the headers of successful responses, too: the credential is in the URL. */
  readonly always: boolean

  private constructor(secrets: readonly string[], always: boolean) {
    // Longest first: one may be the beginning of another.
    const all = [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]))]
    this.secrets = all.sort((a, b) => b.length - a.length).map((secret) => Buffer.from(secret, 'latin1'))
    this.always = always
  }

  /** Creates the redactor of an upstream. @returns null if it has no credentials */
  static of({ secrets, auth, apiKey, keys }: UpstreamConfig): CredentialRedactor | null {
    const credentials = keys?.map(({ credential }) => credential) ?? [apiKey ?? []].flat()
    const inUrl = auth === 'query' ? credentials : []
    const hidden = [...inUrl, ...secrets.filter((secret) => secret.length >= SECRET_MIN_LENGTH)]
    return hidden.length === 0 ? null : new CredentialRedactor(hidden, inUrl.length > 0)
  }

  /** Replaces credentials in a text. */
  hide(text: string): string {
    let hidden = text
    for (const secret of this.secrets) {
      const shown = secret.toString('latin1')
      if (hidden.includes(shown)) hidden = hidden.replaceAll(shown, HIDDEN)
    }
    return hidden
  }

  /** Replaces credentials in header values. @param raw name, value, name, value; changed in place */
  hideInHeaders(raw: Buffer[]): void {
    for (let i = 1; i < raw.length; i += 2) {
      const value = raw[i] as Buffer
      if (this.secrets.some((secret) => value.includes(secret)))
        raw[i] = Buffer.from(this.hide(value.toString('latin1')), 'latin1')
    }
  }

  /** Creates the redactor of one body. */
  body(): BodyRedactor {
    return new BodyRedactor(this.secrets)
  }

  /** The same as a Node stream. */
  stream(): Transform {
    const body = this.body()
    return new Transform({
      transform: (chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback) => {
        done(null, body.push(chunk))
      },
      flush: (done: TransformCallback) => done(null, body.end()),
    })
  }
}

/** Redacts one body as it arrives. Only bytes that may begin a credential are held back until the next chunk. */
export class BodyRedactor {
  private readonly secrets: readonly Buffer[]
  private held: Buffer

  constructor(secrets: readonly Buffer[]) {
    this.secrets = secrets
    this.held = EMPTY
  }

  /** @returns the bytes so far, without those that are held back */
  push(chunk: Buffer): Buffer {
    let bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk])
    for (const secret of this.secrets) {
      let at = bytes.indexOf(secret)
      // The memory of a chunk belongs to undici's parser, so it must not be changed.
      if (at !== -1 && bytes === chunk) bytes = Buffer.from(bytes)
      for (; at !== -1; at = bytes.indexOf(secret, at)) bytes.fill(STAR, at, at + secret.length)
    }
    const end = bytes.length - this.countBegun(bytes)
    this.held = Buffer.from(bytes.subarray(end))
    return bytes.subarray(0, end)
  }

  /** The body has ended, so the bytes that were held back are no credential. */
  end(): Buffer {
    const { held } = this
    this.held = EMPTY
    return held
  }

  /** Counts the bytes at the end that are the beginning of a credential. */
  private countBegun(bytes: Buffer): number {
    let longest = 0
    for (const secret of this.secrets) {
      for (let n = Math.min(secret.length - 1, bytes.length); n > longest; n--) {
        if (bytes.subarray(bytes.length - n).equals(secret.subarray(0, n))) longest = n
      }
    }
    return longest
  }
}

/** An undici handler that passes a redacted response to another handler. */
export class RedactedResponse implements Dispatcher.DispatchHandler {
  private readonly handler: Dispatcher.DispatchHandler
  private readonly redactor: CredentialRedactor
  private body: BodyRedactor | null

  constructor(handler: Dispatcher.DispatchHandler, redactor: CredentialRedactor) {
    this.handler = handler
    this.redactor = redactor
    this.body = null
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.handler.onConnect?.(abort)
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, reason: string): boolean {
    const { redactor, handler } = this
    const isSuccess = status < 300
    if (redactor.always || !isSuccess) redactor.hideInHeaders(raw)
    if (isSuccess) return handler.onHeaders?.(status, raw, resume, reason) ?? true
    if (!isCompressed(raw)) {
      this.body = redactor.body()
      // The handler behind this one must not divert a body that has to be redacted.
      takeRawSocket()
    }
    return handler.onHeaders?.(status, raw, resume, redactor.hide(reason)) ?? true
  }

  onData(chunk: Buffer): boolean {
    const redacted = this.body === null ? chunk : this.body.push(chunk)
    return redacted.length === 0 || (this.handler.onData?.(redacted) ?? true)
  }

  onComplete(trailers: string[] | null): void {
    const rest = this.body?.end() ?? EMPTY
    if (rest.length > 0) this.handler.onData?.(rest)
    this.handler.onComplete?.(trailers)
  }

  onError(error: Error): void {
    this.handler.onError?.(error)
  }
}

function isCompressed(raw: readonly Buffer[]): boolean {
  return !/^\s*(?:identity\s*)?$/i.test(findHeader(raw, 'content-encoding') ?? '')
}
