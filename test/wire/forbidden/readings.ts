import * as zlib from 'node:zlib'
import type { Received } from '../../support/upstream.js'

/** The texts that servers may find in a body: encoded or not, in any of these character sets. */
function readTexts(request: Received): string[] {
  const { body } = request
  const decoders = [zlib.gunzipSync, zlib.inflateSync, zlib.inflateRawSync, zlib.brotliDecompressSync]
  const bodies = [body]
  // Also what is encoded twice.
  for (let i = 0; i < bodies.length && i < 8; i++) {
    for (const decode of decoders) {
      try {
        bodies.push(decode(bodies[i] as Buffer))
      } catch {
        // It is not encoded in this way.
      }
    }
  }
  return bodies.flatMap((bytes) => [
    bytes.toString('utf8'),
    bytes.toString('utf16le'),
    Buffer.from(bytes.subarray(0, bytes.length - (bytes.length % 2)))
      .swap16()
      .toString('utf16le'),
    bytes.toString('latin1').replace(/\+ACI-/g, '"'),
  ])
}

const MEMBER = /("(?:[^"\\]|\\[\s\S])*"|'[^']*'|\bmodel)\s*:\s*("(?:[^"\\]|\\[\s\S])*"|\[[^\]]*\])/gi

/** The models in JSON: the first, the last, in lists, with any case, behind comments, in a second text. */
function readJsonModels(text: string): string[] {
  const models: string[] = []
  for (let at = 0; ; ) {
    MEMBER.lastIndex = at
    const match = MEMBER.exec(text)
    if (match === null) return models
    // Values may hold members, too.
    at = match.index + (match[1] as string).length
    if (
      unquote(match[1] as string)
        .trim()
        .toLowerCase() === 'model'
    )
      models.push(...readNames(match[2] as string))
  }
}

function readNames(value: string): string[] {
  return [...value.matchAll(/"(?:[^"\\]|\\[\s\S])*"/g)].map(([name]) => unquote(name))
}

function unquote(text: string): string {
  try {
    return String(JSON.parse(text))
  } catch {
    return text.replace(/^['"]|['"]$/g, '')
  }
}

/** The models in a form, as lenient parsers read it: names in any place of a head, with any case and line ends. */
function readFormModels(text: string): string[] {
  const parts = text.split(/\r?\n(?=--)/)
  const named = parts.flatMap((part) => {
    const [head = '', ...rest] = part.split(/\r?\n\r?\n/)
    const names = [...head.matchAll(/name\*?\d*\*?=(?:utf-8'')?\\?"?((?:\\.|[^";\r\n])*)/gi)]
    const isModel = names.some(([, name]) => /^model\b/i.test(decode((name ?? '').replaceAll('\\', ''))))
    const value = rest.join('\n\n').trim()
    return isModel ? [value, Buffer.from(value, 'base64').toString()] : []
  })
  const pairs = text.split(/[&\s]/).filter((pair) => /^model(?:\[\d*\])?=/i.test(decode(pair)))
  return [...named, ...pairs.map((pair) => decode(pair.slice(pair.indexOf('=') + 1)))]
}

function decode(text: string): string {
  let plain = text
  for (let i = 0; i < 3; i++)
    plain = plain.replace(/%([\da-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)))
  return plain
}

/** All models that some server would run for a request, by any reading of its path, its query and its body. */
export function readModels(request: Received): Set<string> {
  const [path = '', ...query] = request.target.split('?')
  const inPath = [...decode(path).matchAll(/(?:deployments|models)\/([^/:]+)/gi)].map(
    ([, name]) => name as string,
  )
  const inQuery = query
    .join('?')
    .split(/[&;?]/)
    .filter((pair) => /^(?:model|deployment)\b/i.test(decode(pair)))
    .map((pair) => decode(pair.slice(pair.indexOf('=') + 1)))
  const texts = readTexts(request)
  return new Set([...inPath, ...inQuery, ...texts.flatMap(readJsonModels), ...texts.flatMap(readFormModels)])
}

/** All paths that some server would serve: as it came, decoded, resolved, without parameters, in lower case. */
export function readPaths(target: string): Set<string> {
  const [path = ''] = target.split('?')
  const decoded = decode(path.replace(/%c0%ae/gi, '.').replace(/%c0%af/gi, '/')).replaceAll('\\', '/')
  const resolve = (text: string): string => new URL(text.replace(/\/{2,}/g, '/'), 'http://h').pathname
  const bare = decoded.replace(/;[^/]*/g, '')
  return new Set(
    [path, decoded, resolve(decoded), resolve(bare)].map((each) => each.toLowerCase().replace(/\/$/, '')),
  )
}
