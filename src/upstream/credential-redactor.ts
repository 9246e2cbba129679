import { Transform, type TransformCallback } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { UpstreamConfig } from '../config/upstreams.js'
import { findHeader } from '../http/headers.js'
import { takeRawSocket } from './connector.js'

const HIDDEN = '***'

/** In a body, which keeps its length. */
const STAR = 0x2a

/** What is shorter is no credential but stands for there being none ("none", "ollama"), and is a word of any text. */
const SHORTEST = 10

const NOTHING = Buffer.alloc(0)

/**
 * Takes an upstream's credentials out of what it sends back: one that was in the URL may stand in the `location` of a
 * redirect or on a page that says that nothing is there, and some tell a key that they do not know. Bodies are changed in
 * answers that are none (from 300 up), and then only where a credential stands in them in full; those that are compressed
 * cannot be looked into.
 */
export class CredentialRedactor {
  private readonly secrets: readonly Buffer[]
  /** Headers of good answers are looked at, too. */
  readonly always: boolean

  private constructor(secrets: readonly string[], always: boolean) {
    // The longer first: one may be the beginning of another.
    const all = [...new Set(secrets.flatMap((secret) => [secret, encodeURIComponent(secret)]))]
    this.secrets = all.sort((a, b) => b.length - a.length).map((secret) => Buffer.from(secret, 'latin1'))
    this.always = always
  }

  /** @returns null if there is nothing to hide */
  static of({ secrets, auth, apiKey }: UpstreamConfig): CredentialRedactor | null {
    const inUrl = auth === 'query' && apiKey !== null ? [apiKey] : []
    const hidden = [...inUrl, ...secrets.filter((secret) => secret.length >= SHORTEST)]
    return hidden.length === 0 ? null : new CredentialRedactor(hidden, inUrl.length > 0)
  }

  hide(text: string): string {
    let hidden = text
    for (const secret of this.secrets) {
      const shown = secret.toString('latin1')
      if (hidden.includes(shown)) hidden = hidden.replaceAll(shown, HIDDEN)
    }
    return hidden
  }

  /** @param raw names and values by turns; changed in its place */
  hideInHeaders(raw: Buffer[]): void {
    for (let i = 1; i < raw.length; i += 2) {
      const value = raw[i] as Buffer
      if (this.secrets.some((secret) => value.includes(secret)))
        raw[i] = Buffer.from(this.hide(value.toString('latin1')), 'latin1')
    }
  }

  /** Of a body that is to be looked at. */
  body(): BodyRedactor {
    return new BodyRedactor(this.secrets)
  }

  /** The same for a stream of Node's. */
  stream(): Transform {
    const body = this.body()
    return new Transform({
      transform: (piece: Buffer, _encoding: BufferEncoding, done: TransformCallback) => {
        done(null, body.push(piece))
      },
      flush: (done: TransformCallback) => done(null, body.end()),
    })
  }
}

/** One body, as it comes. Only what may be the beginning of a credential is held back until it is known. */
export class BodyRedactor {
  private readonly secrets: readonly Buffer[]
  private held: Buffer

  constructor(secrets: readonly Buffer[]) {
    this.secrets = secrets
    this.held = NOTHING
  }

  /** @returns as many bytes as there were, less those that are held back */
  push(piece: Buffer): Buffer {
    let bytes = this.held.length === 0 ? piece : Buffer.concat([this.held, piece])
    for (const secret of this.secrets) {
      let at = bytes.indexOf(secret)
      // A piece is the parser's own memory.
      if (at !== -1 && bytes === piece) bytes = Buffer.from(bytes)
      for (; at !== -1; at = bytes.indexOf(secret, at)) bytes.fill(STAR, at, at + secret.length)
    }
    const end = bytes.length - this.begun(bytes)
    this.held = Buffer.from(bytes.subarray(end))
    return bytes.subarray(0, end)
  }

  /** No more comes, so that what was held back was no credential. */
  end(): Buffer {
    const { held } = this
    this.held = NOTHING
    return held
  }

  /** How many of the last bytes are the first of a credential. */
  private begun(bytes: Buffer): number {
    let longest = 0
    for (const secret of this.secrets) {
      for (let n = Math.min(secret.length - 1, bytes.length); n > longest; n--) {
        if (bytes.subarray(bytes.length - n).equals(secret.subarray(0, n))) longest = n
      }
    }
    return longest
  }
}

/** Hands on what undici calls, scrubbed. */
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
    const good = status < 300
    if (redactor.always || !good) redactor.hideInHeaders(raw)
    if (good) return handler.onHeaders?.(status, raw, resume, reason) ?? true
    if (!isCompressed(raw)) {
      this.body = redactor.body()
      // The handler behind this one must not divert a body that has to be redacted.
      takeRawSocket()
    }
    return handler.onHeaders?.(status, raw, resume, redactor.hide(reason)) ?? true
  }

  onData(piece: Buffer): boolean {
    const shown = this.body === null ? piece : this.body.push(piece)
    return shown.length === 0 || (this.handler.onData?.(shown) ?? true)
  }

  onComplete(trailers: string[] | null): void {
    const rest = this.body?.end() ?? NOTHING
    if (rest.length > 0) this.handler.onData?.(rest)
    this.handler.onComplete?.(trailers)
  }

  onError(error: Error): void {
    this.handler.onError?.(error)
  }
}

function isCompressed(raw: readonly Buffer[]): boolean {
  const texts = raw.map((part) => part.toString('latin1'))
  return !/^\s*(?:identity\s*)?$/i.test(findHeader(texts, 'content-encoding') ?? '')
}
