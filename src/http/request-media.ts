import type { FlatHeaders } from './flat-headers.js'

/** A `content-encoding` that can be decoded. */
export type Coding = 'gzip' | 'deflate' | 'br' | 'zstd'

const CODINGS: Readonly<Record<string, Coding>> = {
  gzip: 'gzip',
  'x-gzip': 'gzip',
  deflate: 'deflate',
  br: 'br',
  zstd: 'zstd',
}

/** How the body of a request is written, by its head. */
export interface RequestMedia {
  /** Null if it is not encoded; `unknown` for several codings, or one that nobody knows. */
  readonly coding: Coding | 'unknown' | null
  /** The boundary of a form (`multipart/form-data`); null if it is none. */
  readonly boundary: string | null
  /** The type says that the body is not what it looks like in UTF-8: other readers may find another text in it. */
  readonly isUnclear: boolean
}

/** The usual body. */
export const PLAIN_MEDIA: RequestMedia = { coding: null, boundary: null, isUnclear: false }

/** Reads how a body is written from the head of its request. */
export function readRequestMedia(raw: FlatHeaders): RequestMedia {
  let type: string | null = null
  let coding: RequestMedia['coding'] = null
  let isDoubled = false
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as string
    const value = raw[i + 1] as string
    if (name.length === 12 && name.toLowerCase() === 'content-type') {
      isDoubled ||= type !== null
      type = value
    } else if (name.length === 16 && name.toLowerCase() === 'content-encoding') {
      coding = addCoding(coding, value)
    }
  }
  const isPlain = type === null || type === 'application/json'
  if (isPlain && !isDoubled && coding === null) return PLAIN_MEDIA
  const boundary = type === null ? null : readBoundary(type)
  return {
    coding,
    boundary,
    isUnclear: isDoubled || (type !== null && boundary === null && isUnclearType(type)),
  }
}

function addCoding(known: RequestMedia['coding'], value: string): RequestMedia['coding'] {
  let coding = known
  for (const token of value.toLowerCase().split(',')) {
    const name = token.trim()
    if (name !== '' && name !== 'identity')
      coding = coding === null ? (CODINGS[name] ?? 'unknown') : 'unknown'
  }
  return coding
}

/** The one boundary that a form may have (RFC 2046, 5.1.1), written in one way: servers read the others differently. */
const FORM = /^\s*multipart\/form-data\s*;\s*boundary=(?:"([\w'()+,./:=?-]{1,70})"|([\w'+.-]{1,70}))\s*$/i

function readBoundary(type: string): string | null {
  const match = FORM.exec(type)
  return match?.[1] ?? match?.[2] ?? null
}

/** Bytes of ASCII stand for themselves in these, also within a sequence. */
const ASCII_LIKE = /^"?(?:utf-?8|us-ascii)"?$/i

function isUnclearType(type: string): boolean {
  if (/^\s*(?:multipart\/|application\/x-www-form-urlencoded)/i.test(type)) return true
  const charsets = [...type.matchAll(/;\s*charset\s*=\s*("[^"]*"|[^\s;]*)/gi)]
  return charsets.some(([, charset]) => !ASCII_LIKE.test(charset ?? ''))
}
