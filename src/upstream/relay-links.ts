import { LINK_FIELDS, LINK_HEADERS, LINK_LISTS, LINK_URLS } from '../api/link-fields.js'
import { parseRequestTarget } from '../api/request-target.js'
import { decodeLatin1, type FlatHeaderList, type FlatHeaders, type RawHeaders } from '../http/flat-headers.js'
import { findOwnUrl } from '../http/own-url.js'
import { applyEdits, type Edit } from '../json/edits.js'
import { findOnly, parseOutline, readElements, readText, type Value, WHOLE } from '../json/outline.js'
import type { Upstream } from './upstream.js'

/** Longer URLs stay as they are. */
const URL_MAX = 8192

const urls = findOnly(Object.fromEntries(LINK_URLS.map((key) => [key, WHOLE])))
const fields = Object.fromEntries(LINK_FIELDS.map((key) => [key, WHOLE]))
const lists = Object.fromEntries(LINK_LISTS.map((key) => [key, readElements(findOnly({ ...fields, urls }))]))
const RESPONSE = findOnly({ ...fields, urls, ...lists })

/**
 * Rewrites URLs of the upstream in a response to the relay's address. A client that followed them would go past the
 * relay, and send its key to the upstream. Only the documented places of such URLs are looked at, and only URLs of the
 * upstream's own origin are changed, each as one value: everything else stays byte for byte.
 */
export class RelayLinks {
  private readonly upstream: Pick<Upstream, 'origin' | 'address'>
  private readonly req: LinkedRequest
  private readonly publicUrl: string | null
  /** The request is no generation: its response may have a URL whatever its status. */
  readonly isOpen: boolean

  /** @param publicUrl of the config; null for none */
  constructor(
    upstream: Pick<Upstream, 'origin' | 'address'>,
    req: LinkedRequest,
    publicUrl: string | null,
    isOpen: boolean,
  ) {
    this.upstream = upstream
    this.req = req
    this.publicUrl = publicUrl
    this.isOpen = isOpen
  }

  /** Rewrites the headers of a response in place. */
  rewriteHeaders(headers: FlatHeaderList): void {
    for (let i = 0; i + 1 < headers.length; i += 2) {
      const lower = (headers[i] as string).toLowerCase()
      if (!LINK_HEADERS.has(lower)) continue
      const value = headers[i + 1] as string
      headers[i + 1] =
        lower === 'link'
          ? value.replace(
              /<([^<>]*)>/g,
              (whole, url: string) => `<${this.rewrite(url) ?? whole.slice(1, -1)}>`,
            )
          : (this.rewrite(value.trim()) ?? value)
    }
  }

  /** @param body JSON @returns the body with its URLs rewritten; null if nothing is to be changed */
  rewriteBody(body: Buffer): Buffer | null {
    const edits: Edit[] = []
    this.collect(body, parseOutline(body, RESPONSE), edits)
    return edits.length === 0
      ? null
      : Buffer.concat(
          applyEdits(
            [body],
            edits.sort((a, b) => a.start - b.start),
          ),
        )
  }

  private collect(body: Buffer, object: Value | null, edits: Edit[]): void {
    for (const { value } of object?.members ?? []) {
      if (value.members !== null) this.collect(body, value, edits)
      else if (value.elements !== null) for (const one of value.elements) this.collect(body, one, edits)
      else {
        const url = readText(body, value, URL_MAX)
        const rewritten = url === null ? null : this.rewrite(url)
        if (rewritten !== null)
          edits.push({ start: value.start, end: value.end, text: JSON.stringify(rewritten) })
      }
    }
  }

  private findBase(): string | null {
    const { req, publicUrl } = this
    return findOwnUrl(req.rawHeaders, 'encrypted' in req.socket && req.socket.encrypted === true, publicUrl)
  }

  /** @returns null if the URL stays as it is */
  private rewrite(url: string): string | null {
    const { origin, address } = this.upstream
    const isAbsolute = /^https?:\/\//i.test(url)
    if (!isAbsolute && (!url.startsWith('/') || url.startsWith('//'))) return null
    if (isAbsolute && readOrigin(url) !== origin) return null
    // Text as it came: only what stands before the path is replaced.
    const [, target = ''] = /^(?:https?:\/\/[^/?#]*)?(.*)$/is.exec(url) ?? []
    const [, path = '', rest = ''] = /^([^?#]*)(.*)$/s.exec(target) ?? []
    const own = address.findPath(path)
    const parsed = own === null ? null : parseRequestTarget(`/v1${own}`)
    if (own === null || parsed === null || 'problem' in parsed || parsed.path !== own) return null
    const base = isAbsolute ? this.findBase() : ''
    const rewritten = base === null ? null : `${base}/v1${own === '/' ? '' : own}${rest}`
    return rewritten === url ? null : rewritten
  }
}

/** What says by which address a client has reached the relay. */
export interface LinkedRequest {
  readonly rawHeaders: FlatHeaders
  readonly socket: object
}

/** Null if it is no valid URL, or has a user in it. */
function readOrigin(url: string): string | null {
  try {
    const { origin, username, password } = new URL(url)
    return username === '' && password === '' ? origin : null
  } catch {
    return null
  }
}

/** Whether the body of a response can be rewritten: JSON that is not compressed, and not too long. */
export function isRewritable(status: number, raw: RawHeaders, longest: number): boolean {
  if (status < 200 || status >= 300 || status === 204) return false
  let isJson = false
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const value = decodeLatin1(raw[i + 1] as Buffer | string).trim()
    switch (decodeLatin1(raw[i] as Buffer | string).toLowerCase()) {
      case 'content-type':
        isJson = /^application\/(?:[\w.-]+\+)?json\s*(?:;|$)/i.test(value)
        break
      case 'content-encoding':
        if (!/^(?:identity)?$/i.test(value)) return false
        break
      case 'content-length':
        if (Number(value) > longest) return false
        break
    }
  }
  return isJson
}
