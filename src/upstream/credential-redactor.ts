import { Transform, type TransformCallback } from 'node:stream'
import { listKeys } from '../config/upstream-keys.js'
import type { UpstreamConfig } from '../config/upstreams.js'
import { decodeLatin1 } from '../http/flat-headers.js'
import { EMPTY } from '../lib/bytes.js'
import { listBase64Forms, listTextForms } from './secret-forms.js'
import { HELD_MIN, WireRedactor } from './wire-redactor.js'

/** Replaces a credential in a header. */
const HIDDEN = '***'

/** Replaces each byte in a body, so that the length stays the same. */
const STAR = 0x2a

/** A shorter value is a placeholder for no credential ("none", "ollama"), and a word that occurs in any text. */
const SECRET_MIN_LENGTH = 10

/**
 * Removes an upstream's credentials from its responses. A credential in the URL may come back in the `location` of a
 * redirect or in an error page, some upstreams repeat a key that they do not know, and some repeat the whole request. A
 * body changes only where it contains a whole credential, which stars replace, byte for byte.
 *
 * Searched are all headers, and all bodies that can be read: also in Base64 but for event streams, where each search
 * counts. Compressed errors are decoded, or dropped (`RedactedResponse`). A compressed success passes unread.
 */
export class CredentialRedactor {
  private readonly secrets: readonly Buffer[]
  /** The same in Latin-1. */
  private readonly texts: readonly string[]
  /** Those forms that an event stream is searched for. */
  private readonly streamed: readonly Buffer[]
  /** No shorter text contains one. */
  private readonly shortest: number

  private constructor(secrets: readonly string[]) {
    this.streamed = sortForms(secrets.flatMap(listTextForms))
    this.secrets = sortForms(
      secrets.flatMap((secret) => [...listTextForms(secret), ...listBase64Forms(secret)]),
    )
    this.texts = this.secrets.map((secret) => secret.toString('latin1'))
    this.shortest = Math.min(...this.secrets.map(({ length }) => length))
  }

  /** Creates the redactor of an upstream. @returns null if it has no credentials */
  static of(config: UpstreamConfig): CredentialRedactor | null {
    const inUrl = config.auth === 'query' ? listKeys(config) : []
    const hidden = [...inUrl, ...config.secrets.filter((secret) => secret.length >= SECRET_MIN_LENGTH)]
    return hidden.length === 0 ? null : new CredentialRedactor(hidden)
  }

  /** Replaces credentials in a text. */
  hide(text: string): string {
    let hidden = text
    for (const shown of this.texts) {
      if (hidden.includes(shown)) hidden = hidden.replaceAll(shown, HIDDEN)
    }
    return hidden
  }

  /** Replaces credentials in names and values of headers. @param raw name, value, name, value; changed in place */
  hideInHeaders(raw: (Buffer | string)[]): void {
    for (let i = 0; i < raw.length; i++) {
      const value = raw[i] as Buffer | string
      if (value.length < this.shortest) continue
      const text = decodeLatin1(value)
      const hidden = this.hide(text)
      if (hidden !== text) raw[i] = hidden
    }
  }

  /** Whether bytes contain a credential. */
  isIn(bytes: Buffer): boolean {
    for (const secret of this.secrets) if (bytes.includes(secret)) return true
    return false
  }

  /** Creates the redactor of one body. */
  body(): BodyRedactor {
    return new BodyRedactor(this.secrets)
  }

  /** The same for a success, which passes as it arrives. */
  answer(): BodyRedactor {
    return new BodyRedactor(this.secrets, HELD_MIN)
  }

  /** Creates the redactor of an event stream that was taken out of its chunks. */
  events(): BodyRedactor {
    return new BodyRedactor(this.streamed, HELD_MIN)
  }

  /** Creates the redactor of an event stream in chunks, as they are on the wire. */
  wire(): WireRedactor {
    return new WireRedactor(this.streamed)
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
  private readonly heldMin: number
  /** The beginning of what may be a credential. */
  private held: Buffer
  /** Bytes of it that have passed. */
  private passed: number

  /** @param heldMin fewer bytes that may begin a credential are not held back */
  constructor(secrets: readonly Buffer[], heldMin = 1) {
    this.secrets = secrets
    this.heldMin = heldMin
    this.held = EMPTY
    this.passed = 0
  }

  /** @returns the bytes so far, without those that are held back */
  push(chunk: Buffer): Buffer {
    const { passed } = this
    let bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk])
    for (const secret of this.secrets) {
      let at = bytes.indexOf(secret)
      // A chunk may lie in the memory of undici's parser, so it must not be changed.
      if (at !== -1 && bytes === chunk) bytes = Buffer.from(bytes)
      for (; at !== -1; at = bytes.indexOf(secret, at)) bytes.fill(STAR, at, at + secret.length)
    }
    const begun = this.countBegun(bytes)
    const end = begun < this.heldMin ? bytes.length : bytes.length - begun
    this.held = begun === 0 ? EMPTY : Buffer.from(bytes.subarray(bytes.length - begun))
    this.passed = end === bytes.length ? begun : Math.max(0, passed - end)
    return bytes.subarray(passed, Math.max(passed, end))
  }

  /** The body has ended, so the bytes that were held back are no credential. */
  end(): Buffer {
    const rest = this.held.subarray(this.passed)
    this.held = EMPTY
    this.passed = 0
    return rest
  }

  /** Counts the bytes at the end that are the beginning of a credential. */
  private countBegun(bytes: Buffer): number {
    let longest = 0
    for (const secret of this.secrets) {
      const first = secret[0] as number
      let at = bytes.indexOf(first, Math.max(0, bytes.length - secret.length + 1))
      for (; at !== -1 && bytes.length - at > longest; at = bytes.indexOf(first, at + 1))
        if (bytes.compare(secret, 0, bytes.length - at, at) === 0) longest = bytes.length - at
    }
    return longest
  }
}

/** Longest first: one may be the beginning of another. */
function sortForms(forms: readonly string[]): readonly Buffer[] {
  const all = [...new Set(forms)].sort((a, b) => b.length - a.length)
  return all.map((form) => Buffer.from(form, 'latin1'))
}
