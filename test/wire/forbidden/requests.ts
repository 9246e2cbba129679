import * as zlib from 'node:zlib'

/** A way to ask for a model. */
export interface Door {
  readonly name: string
  readonly method: string
  /** `MODEL` stands for the model, in the path or the query. */
  readonly path: string
  /** What the body is; the rest of it, behind the model. */
  readonly body: 'json' | 'form' | 'none'
  readonly rest: string
  /** Where the object with the model stands in a JSON body: in front of it and behind it. Not there: it is the body. */
  readonly around?: readonly [before: string, after: string]
}

const CHAT = '"messages":[{"role":"user","content":"hi"}]'

export const DOORS: readonly Door[] = [
  { name: 'chat', method: 'POST', path: '/v1/chat/completions', body: 'json', rest: CHAT },
  { name: 'completions', method: 'POST', path: '/v1/completions', body: 'json', rest: '"prompt":"hi"' },
  { name: 'responses', method: 'POST', path: '/v1/responses', body: 'json', rest: '"input":"hi"' },
  { name: 'messages', method: 'POST', path: '/v1/messages', body: 'json', rest: `"max_tokens":9,${CHAT}` },
  { name: 'embeddings', method: 'POST', path: '/v1/embeddings', body: 'json', rest: '"input":"hi"' },
  { name: 'moderations', method: 'POST', path: '/v1/moderations', body: 'json', rest: '"input":"hi"' },
  { name: 'images', method: 'POST', path: '/v1/images/generations', body: 'json', rest: '"prompt":"hi"' },
  {
    name: 'gemini',
    method: 'POST',
    path: '/v1/models/MODEL:generateContent',
    body: 'json',
    rest: '"contents":[]',
  },
  {
    name: 'azure',
    method: 'POST',
    path: '/openai/deployments/MODEL/chat/completions?api-version=1',
    body: 'json',
    rest: CHAT,
  },
  { name: 'audio', method: 'POST', path: '/v1/audio/transcriptions', body: 'form', rest: '' },
  { name: 'edits', method: 'POST', path: '/v1/images/edits', body: 'form', rest: '' },
  { name: 'cursor', method: 'POST', path: '/cursor/v1/chat/completions', body: 'json', rest: CHAT },
  {
    name: 'claude batches',
    method: 'POST',
    path: '/v1/messages/batches',
    body: 'json',
    rest: `"max_tokens":9,${CHAT}`,
    around: ['{"requests":[{"custom_id":"a","params":', '}]}'],
  },
  {
    name: 'client secrets',
    method: 'POST',
    path: '/v1/realtime/client_secrets',
    body: 'json',
    rest: '"type":"realtime"',
    around: ['{"session":', '}'],
  },
  { name: 'batches', method: 'POST', path: '/v1/batches', body: 'json', rest: '"input_file_id":"file-1"' },
  { name: 'files', method: 'GET', path: '/v1/files', body: 'json', rest: '"x":1' },
  { name: 'runs', method: 'POST', path: '/v1/threads/runs', body: 'json', rest: '"assistant_id":"a"' },
  { name: 'unknown', method: 'POST', path: '/v1/unheard/of', body: 'json', rest: '"x":1' },
]

/** A request that is about to be written. */
export interface Draft {
  readonly target: string
  readonly headers: readonly string[]
  readonly body: Buffer
}

const BOUNDARY = 'thinwire-boundary'
const JSON_TYPE = 'content-type: application/json'
const FORM_TYPE = `content-type: multipart/form-data; boundary=${BOUNDARY}`

function part(name: string, value: string, headers = ''): string {
  return `--${BOUNDARY}\r\nContent-Disposition: form-data; ${name}\r\n${headers}\r\n${value}\r\n`
}

const FILE = part('name="file"; filename="a.wav"', 'RIFF', 'Content-Type: audio/wav\r\n')
const END = `--${BOUNDARY}--\r\n`

/** The request as the API documents it. */
export function createPlain(door: Door, model: string): Draft {
  const target = door.path.replace('MODEL', model)
  if (door.body === 'form') {
    const text = `${FILE}${part('name="model"', model)}${END}`
    return { target, headers: [FORM_TYPE], body: Buffer.from(text) }
  }
  const member = door.path.includes('MODEL') ? '' : `"model":${JSON.stringify(model)},`
  return { target, headers: [JSON_TYPE], body: Buffer.from(surround(door, `{${member}${door.rest}}`)) }
}

/** A form stands in no object, and a list is no parameters. */
function surround({ around: [before, after] = ['', ''] }: Door, text: string): string {
  return text.startsWith('{') ? `${before}${text}${after}` : text
}

type Write = (door: Door, open: string, secret: string) => Draft | null

const json =
  (
    build: (open: string, secret: string, rest: string) => string | Buffer,
    headers: readonly string[] = [JSON_TYPE],
  ): Write =>
  (door, open, secret) => {
    if (door.body !== 'json') return null
    const body = build(JSON.stringify(open), JSON.stringify(secret), door.rest)
    // What is encoded as a whole stands in nothing else.
    if (Buffer.isBuffer(body) && door.around !== undefined) return null
    return {
      target: door.path.replace('MODEL', open),
      headers,
      body: Buffer.isBuffer(body) ? body : Buffer.from(surround(door, body)),
    }
  }

const form =
  (build: (open: string, secret: string) => string, type = FORM_TYPE): Write =>
  (door, open, secret) =>
    door.body !== 'form'
      ? null
      : { target: door.path, headers: [type], body: Buffer.from(build(open, secret)) }

const path =
  (change: (path: string) => string): Write =>
  (door, _open, secret) => {
    const plain = createPlain(door, secret)
    return { ...plain, target: change(plain.target) }
  }

const query =
  (build: (open: string, secret: string) => string): Write =>
  (door, open, secret) => {
    const plain = createPlain(door, open)
    const mark = plain.target.includes('?') ? '&' : '?'
    return { ...plain, target: `${plain.target}${mark}${build(open, secret)}` }
  }

const encoded = (coding: string, encode: (text: Buffer) => Buffer): Write =>
  json(
    (_, secret, rest) => encode(Buffer.from(`{"model":${secret},${rest}}`)),
    [JSON_TYPE, `content-encoding: ${coding}`],
  )

const swapped = (text: string): Buffer => Buffer.from(text, 'utf16le').swap16()

/** Ways to ask for a forbidden model, or to look as if an allowed one were asked for. */
export const WAYS: Readonly<Record<string, Write>> = {
  plainly: (door, _, secret) => createPlain(door, secret),
  'model twice, forbidden last': json((open, secret, rest) => `{"model":${open},"model":${secret},${rest}}`),
  'model twice, forbidden first': json((open, secret, rest) => `{"model":${secret},"model":${open},${rest}}`),
  'forbidden behind the prompt': json((open, secret, rest) => `{"model":${open},${rest},"model":${secret}}`),
  'Model beside model': json((open, secret, rest) => `{"Model":${secret},"model":${open},${rest}}`),
  'MODEL behind model': json((open, secret, rest) => `{"model":${open},${rest},"MODEL":${secret}}`),
  'Model alone': json((_, secret, rest) => `{"Model":${secret},${rest}}`),
  'escaped key': json((open, secret, rest) => `{"model":${open},"mod\\u0065l":${secret},${rest}}`),
  'escaped key in capitals': json(
    (open, secret, rest) => `{"model":${open},"\\u004dodel":${secret},${rest}}`,
  ),
  'escaped value': json((_, secret, rest) => `{"model":"\\u0073${secret.slice(2)},${rest}}`),
  'a list of models': json((_, secret, rest) => `{"model":[${secret}],${rest}}`),
  'null, then forbidden': json(
    (open, secret, rest) => `{"model":${open},"model":null,"MODEL":${secret},${rest}}`,
  ),
  'an array body': json((_, secret, rest) => `[{"model":${secret},${rest}}]`),
  'two bodies': json((open, secret, rest) => `{"model":${open},${rest}}{"model":${secret},${rest}}`),
  'a comment': json((open, secret, rest) => `{"model":${open},/**/"model":${secret},${rest}}`),
  'single quotes': json((open, secret, rest) => `{"model":${open},'model':${secret},${rest}}`),
  'a trailing comma': json((_, secret, rest) => `{"model":${secret},${rest},}`),
  'a cut body': json((open, secret, rest) => `{"model":${open},${rest},"Model":${secret}`),
  'a byte order mark': json((_, secret, rest) => `\ufeff{"model":${secret},${rest}}`),
  'UTF-16, little end': json((_, secret, rest) => Buffer.from(`{"model":${secret},${rest}}`, 'utf16le')),
  'UTF-16 with a mark': json((_, secret, rest) =>
    Buffer.from(`\ufeff{"model":${secret},${rest}}`, 'utf16le'),
  ),
  'UTF-16, big end': json((_, secret, rest) => swapped(`\ufeff{"model":${secret},${rest}}`)),
  'UTF-7': json(
    (open, secret, rest) =>
      `{"model":${open},"x":"+ACI-,+ACI-model+ACI-:+ACI-${secret.slice(1, -1)}+ACI-,+ACI-y":1,${rest}}`,
    ['content-type: application/json; charset=utf-7'],
  ),
  gzip: encoded('gzip', (text) => zlib.gzipSync(text)),
  'x-gzip': encoded('x-gzip', (text) => zlib.gzipSync(text)),
  deflate: encoded('deflate', (text) => zlib.deflateSync(text)),
  'raw deflate': encoded('deflate', (text) => zlib.deflateRawSync(text)),
  br: encoded('br', (text) => zlib.brotliCompressSync(text)),
  'gzip twice': encoded('gzip, gzip', (text) => zlib.gzipSync(zlib.gzipSync(text))),
  'gzip in deflate': encoded('gzip, deflate', (text) => zlib.deflateSync(zlib.gzipSync(text))),
  'an unknown coding': encoded('compress', (text) => text),
  'gzip that is none': encoded('gzip', (text) => text),
  'br that is none': encoded('br', (text) => text),
  'two members of gzip': encoded('gzip', (text) => Buffer.concat([zlib.gzipSync(text), zlib.gzipSync(' ')])),
  'gzip without saying so': json((_, secret, rest) => zlib.gzipSync(`{"model":${secret},${rest}}`)),
  'doubled in gzip': json(
    (open, secret, rest) => zlib.gzipSync(`{"model":${secret},"model":${open},${rest}}`),
    [JSON_TYPE, 'content-encoding: gzip'],
  ),
  'a form for JSON': json(
    (open, secret, rest) => `{"model":${open},"x":"&model=${secret.slice(1, -1)}&",${rest}}`,
    ['content-type: application/x-www-form-urlencoded'],
  ),
  'an urlencoded form': json(
    (_, secret) => `model=${secret.slice(1, -1)}`,
    ['content-type: application/x-www-form-urlencoded'],
  ),
  'two types': json(
    (open, secret, rest) => `{"model":${open},"x":"&model=${secret.slice(1, -1)}&",${rest}}`,
    [JSON_TYPE, 'content-type: application/x-www-form-urlencoded'],
  ),
  'two fields, forbidden last': form((o, s) => `${part('name="model"', o)}${part('name="model"', s)}${END}`),
  'two fields, forbidden first': form(
    (o, s) => `${part('name="model"', s)}${FILE}${part('name="model"', o)}${END}`,
  ),
  'a field in capitals': form((o, s) => `${part('name="model"', o)}${part('name="Model"', s)}${END}`),
  'an escaped field': form((o, s) => `${part('name="model"', o)}${part('name="mod\\el"', s)}${END}`),
  'an encoded field': form((o, s) => `${part('name="model"', o)}${part('name="mod%65l"', s)}${END}`),
  'a field by RFC 2231': form((o, s) => `${part('name="model"', o)}${part("name*=utf-8''model", s)}${END}`),
  'a field in pieces': form(
    (o, s) => `${part('name="model"', o)}${part('name*0="mod"; name*1="el"; name="model"', s)}${END}`,
  ),
  'a list field': form((o, s) => `${part('name="model"', o)}${part('name="model[]"', s)}${END}`),
  'a name in a file name': form(
    (o, s) => `${part('name="model"', o)}${part('name="x"; filename="a\\"; name=\\"model"', s)}${END}`,
  ),
  'a doubled name': form((o, s) => `${part('name="model"', o)}${part('name="x"; name="model"', s)}${END}`),
  'a bare name': form((o, s) => `${part('name="model"', o)}${part('name=model', s)}${END}`),
  'a field that is a file': form(
    (o, s) => `${part('name="model"', o)}${part('name="model"; filename="m"', s)}${END}`,
  ),
  'an encoded value': form(
    (o, s) =>
      `${part('name="model"', o)}${part('name="model"', Buffer.from(s).toString('base64'), 'Content-Transfer-Encoding: base64\r\n')}${END}`,
  ),
  'bare line feeds': form(
    (o, s) =>
      `${part('name="model"', o)}${part('name="x"', `a\n--${BOUNDARY}\nContent-Disposition: form-data; name="model"\n\n${s}\n`)}${END}`,
  ),
  'behind the end': form((o, s) => `${part('name="model"', o)}${END}${part('name="model"', s)}${END}`),
  'ahead of the beginning': form((o, s) => `x\r\n${part('name="model"', s)}${part('name="model"', o)}${END}`),
  'two boundaries': form(
    (o, s) =>
      `${part('name="model"', o)}${END}--b\r\nContent-Disposition: form-data; name="model"\r\n\r\n${s}\r\n--b--\r\n`,
    `content-type: multipart/form-data; boundary=${BOUNDARY}; boundary=b`,
  ),
  'JSON for a form': form((_, s) => `{"model":"${s}"}`),
  'a form for a form of another type': form((_, s) => `${part('name="model"', s)}${END}`, JSON_TYPE),
  'a folded head': form(
    (o, s) =>
      `${part('name="model"', o)}--${BOUNDARY}\r\nContent-Disposition: form-data;\r\n name="model"\r\n\r\n${s}\r\n${END}`,
  ),
  'capitals in the path': path((text) =>
    text.replace(/completions|embeddings|messages|responses|chat|audio|images/g, (word) =>
      word.toUpperCase(),
    ),
  ),
  'an encoded slash': path((text) => text.replace(/\/(?=[a-z]+(?:\?|$))/, '%2F')),
  'an encoded letter': path((text) =>
    text.replace(
      /c(?=ompletions|hat)|e(?=mbeddings|dits)|m(?=essages)|r(?=esponses)/,
      (letter) => `%${letter.charCodeAt(0).toString(16)}`,
    ),
  ),
  'a letter that was encoded twice': path((text) => text.replace(/\/c/, '/%2563')),
  'doubled slashes': path((text) => text.replaceAll('/', '//')),
  'a parameter of the path': path((text) => text.replace(/(?=\?|$)/, ';x=1')),
  'a parameter of the first segment': path((text) => text.replace('/v1/', '/v1;x/')),
  'dots that were encoded': path((text) => text.replace('/v1/', '/v1/embeddings/%2e%2e/')),
  'dots that were encoded twice': path((text) => text.replace('/v1/', '/v1/embeddings/%252e%252e/')),
  'dots in too many bytes': path((text) => text.replace('/v1/', '/v1/embeddings/%c0%ae%c0%ae/')),
  'dots with a parameter': path((text) => text.replace('/v1/', '/v1/embeddings/..;/')),
  'a backslash': path((text) => text.replace('/v1/', '/v1/embeddings\\..\\')),
  'the version twice': path((text) => text.replace('/v1/', '/v1/v1/')),
  'a trailing slash': path((text) => text.replace(/(?=\?|$)/, '/')),
  'a query of another model': query((_, secret) => `model=${secret}`),
  'a doubled query': query((open, secret) => `model=${open}&model=${secret}`),
  'an encoded name in the query': query((_, secret) => `m%6fdel=${secret}`),
  'a list in the query': query((_, secret) => `model[]=${secret}`),
  'capitals in the query': query((_, secret) => `Model=${secret}`),
  'a semicolon in the query': query((_, secret) => `x=1;model=${secret}`),
  'a deployment in the query': query((_, secret) => `deployment=${secret}`),
}
