import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type FlatHeaders, findHeaders } from '../http/flat-headers.js'
import { isObject } from '../json/values.js'
import type { PageResponse } from './page-response.js'

/** Where the build puts them. */
const FOLDER = fileURLToPath(new URL('./assets/', import.meta.url))

/** A file in the forms in which it is sent. */
interface Asset {
  readonly type: string
  readonly plain: Buffer
  readonly br: Buffer | null
  readonly gzip: Buffer | null
  readonly etag: string
}

/**
 * The files of the page, as the build has made them. All are in memory: they are some hundred kilobytes, and nothing
 * that a request names leads to the disk.
 */
export class Assets {
  private readonly index: Asset
  private readonly files: ReadonlyMap<string, Asset>

  private constructor(index: Asset, files: ReadonlyMap<string, Asset>) {
    this.index = index
    this.files = files
  }

  /** @throws Error if the build has not made them */
  static load(folder: string = FOLDER): Assets {
    const manifest: unknown = JSON.parse(readFileSync(join(folder, 'manifest.json'), 'utf8'))
    if (!isObject(manifest) || typeof manifest.index !== 'string' || !isObject(manifest.files))
      throw new Error('the manifest of the page is broken')
    const files = new Map<string, Asset>()
    for (const [path, entry] of Object.entries(manifest.files)) {
      if (!isObject(entry) || typeof entry.file !== 'string' || typeof entry.type !== 'string')
        throw new Error(`the manifest of the page is broken at ${path}`)
      files.set(path, readAsset(folder, entry.file, entry.type, entry.br === true, entry.gz === true))
    }
    return new Assets(readAsset(folder, manifest.index, 'text/html', false, false), files)
  }

  /** The page itself. It is asked for again each time, and mostly is the same. */
  createIndex(raw: FlatHeaders): PageResponse {
    const headers = { 'cache-control': 'no-cache', etag: this.index.etag }
    const known = findHeaders(raw, 'if-none-match').flatMap((value) => value.split(','))
    if (known.some((tag) => tag.trim().replace(/^W\//, '') === this.index.etag))
      return { status: 304, headers, body: '' }
    return {
      status: 200,
      headers: { ...headers, 'content-type': typeOf(this.index) },
      body: this.index.plain,
    }
  }

  /** @returns null if there is no such file */
  find(path: string, raw: FlatHeaders): PageResponse | null {
    const asset = this.files.get(path)
    if (asset === undefined) return null
    const [encoding, body] = choose(asset, findHeaders(raw, 'accept-encoding').join(','))
    return {
      status: 200,
      headers: {
        'content-type': typeOf(asset),
        // Its name has a hash of what is in it.
        'cache-control': 'public, max-age=31536000, immutable',
        vary: 'accept-encoding',
        ...(encoding === null ? {} : { 'content-encoding': encoding }),
      },
      body,
    }
  }
}

function readAsset(folder: string, file: string, type: string, hasBr: boolean, hasGzip: boolean): Asset {
  const plain = readFileSync(join(folder, file))
  return {
    type,
    plain,
    br: hasBr ? readFileSync(join(folder, `${file}.br`)) : null,
    gzip: hasGzip ? readFileSync(join(folder, `${file}.gz`)) : null,
    etag: `"${createHash('sha256').update(plain).digest('base64url').slice(0, 22)}"`,
  }
}

function typeOf({ type }: Asset): string {
  return /^text\/|javascript|json|svg/.test(type) && !type.includes('charset')
    ? `${type}; charset=utf-8`
    : type
}

/** By `accept-encoding` (RFC 9110, 12.5.3). */
function choose({ plain, br, gzip }: Asset, accepted: string): readonly [string | null, Buffer] {
  const wanted = new Map<string, boolean>()
  for (const part of accepted.toLowerCase().split(',')) {
    const [name = '', ...parameters] = part.split(';').map((text) => text.trim())
    wanted.set(name, !parameters.some((parameter) => /^q=0(?:\.0*)?$/.test(parameter)))
  }
  const takes = (name: string): boolean => wanted.get(name) ?? wanted.get('*') ?? false
  if (br !== null && takes('br')) return ['br', br]
  if (gzip !== null && takes('gzip')) return ['gzip', gzip]
  return [null, plain]
}
