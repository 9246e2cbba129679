/**
 * The direct way of nginx: decides which requests go to the provider while no relay can take them. For njs 0.7.9 and
 * newer, whose JavaScript has no `for of`, no destructuring and no default parameters.
 *
 * Variables of the server: `$thinwire_list` is the file of `thinwire keys export --hashes`, `$thinwire_keys` is `list` or
 * `passthrough`. Each request reads the list again, so that a revoked key is refused at once.
 */

// biome-ignore lint/style/useNodejsImportProtocol: njs knows the module by no other name
import crypto from 'crypto'
// biome-ignore lint/style/useNodejsImportProtocol: njs knows the module by no other name
import fs from 'fs'

/** Of a client with a key of its own: whatever the key may do, but nothing that could be read as another path. */
const OWN_KEY_PATH = /^\/v1(?:\/[\w:-][\w.:-]*)+$/
const CHAT = '/v1/chat/completions'

/** Members of a body by which a request uses, or becomes, something stored; unless they are `null` or `false`. */
const STORED = ['previous_response_id', 'conversation', 'background']

const CREDENTIAL_HEADERS = ['authorization', 'x-api-key', 'api-key']
const CREDENTIALS_MAX = 8
const KEY = /^lc_[a-z0-9-]{1,32}_[a-z0-9-]{1,32}_[a-z0-9-]{1,32}_[0-9A-Za-z]{20,60}$/

const QUOTE = 0x22
const COMMA = 0x2c
const COLON = 0x3a
const BACKSLASH = 0x5c
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d

/** `js_content`: refuses the request, or passes it to `@thinwire_provider`. */
function handle(r) {
  const isPassthrough = r.variables.thinwire_keys === 'passthrough'
  const list = readList(r, isPassthrough)
  if (list === null) return refuse(r, 'The relay is down, and the direct way to the provider is not set up.')
  if (isPassthrough) return passOn(r, list)
  const key = findKey(r, list)
  if (key === null) return refuseKey(r)
  r.variables.thinwire_key_id = key.key_id
  r.variables.thinwire_env = key.env
  r.variables.thinwire_team = key.team
  r.variables.thinwire_user = key.user
  // As it was sent: a path with escapes, dot segments or double slashes is none of the list. Its query is left out.
  const sent = r.variables.request_uri.split('?')[0]
  const isCursor = sent === `/cursor${CHAT}`
  const path = isCursor ? CHAT : sent
  if (!list.paths.includes(`${r.method} ${path}`))
    return refuse(r, 'The relay is down, and this path works through it alone.')
  r.variables.thinwire_path = path
  if (r.method === 'POST' && !prepareBody(r, list, isCursor)) return
  r.internalRedirect('@thinwire_provider')
}

/** Passes a request with the client's own key. Only aliases are replaced, if there is a list. */
function passOn(r, list) {
  if (!OWN_KEY_PATH.test(r.variables.request_uri.split('?')[0]))
    return refuse(r, 'The relay is down, and this path works through it alone.')
  r.variables.thinwire_path = r.variables.request_uri
  const body = r.requestBuffer
  if (body !== undefined && body.length > 0) {
    const models = (readMembers(body) || []).filter((member) => member.name === 'model')
    r.variables.thinwire_body = models.length === 1 ? replaceAlias(r, list, body, models[0]) : body
  }
  r.internalRedirect('@thinwire_provider')
}

/** The list without its keys, and its bytes, in which these are found. Null if it cannot be read, or is out of date. */
function readList(r, isOptional) {
  const file = r.variables.thinwire_list
  try {
    const bytes = fs.readFileSync(file)
    const list = parseList(bytes)
    if (list.v !== 1) throw new Error(`version ${list.v} is not known`)
    if (isPast(list.stale_after)) throw new Error('it is out of date: keys export --follow does not run')
    if (!list.aliases || !list.through || !list.paths || list.models === undefined)
      throw new Error('it is not whole')
    list.bytes = bytes
    return list
  } catch (error) {
    if (isOptional) return { aliases: {} }
    r.error(`thinwire: direct list ${file}: ${error.message}`)
    return null
  }
}

/**
 * The list without its keys, which stand last: to parse 10,000 of them takes several times as long as to find one. A list
 * in another order or with spaces is parsed as a whole.
 */
function parseList(bytes) {
  const at = bytes.indexOf('"keys":{')
  const list = at === -1 ? {} : JSON.parse(`${bytes.toString('utf8', 0, at)}"keys":{}}`)
  return list.aliases && list.through ? list : JSON.parse(bytes.toString())
}

/** @param at unix seconds, or nothing for never */
function isPast(at) {
  return typeof at === 'number' && at * 1000 <= Date.now()
}

/** The first key of the request that is on the list and has not expired; null if there is none. */
function findKey(r, list) {
  let count = 0
  for (let i = 0; i < r.rawHeadersIn.length; i++) {
    const name = r.rawHeadersIn[i][0].toLowerCase()
    if (!CREDENTIAL_HEADERS.includes(name) || ++count > CREDENTIALS_MAX) continue
    const text = r.rawHeadersIn[i][1].replace(/^bearer[ \t]+/i, '').trim()
    if (!KEY.test(text)) continue
    const key = findHash(crypto.createHash('sha256').update(text).digest('hex'), list)
    if (key !== null && !isPast(key.until)) return key
  }
  return null
}

function findHash(hash, list) {
  const name = `"${hash}":`
  const at = list.bytes.indexOf(name)
  if (at === -1) return null
  const open = at + name.length
  return JSON.parse(list.bytes.toString('utf8', open, list.bytes.indexOf('}', open) + 1))
}

/**
 * Sets the body that goes to the provider: as it came, but for an alias of a model.
 * @returns false if it has answered the request with a refusal
 */
function prepareBody(r, list, isCursor) {
  const body = r.requestBuffer
  const encoding = r.headersIn['content-encoding']
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity')
    refuse(r, 'The relay is down, and compressed bodies work through it alone.')
  else {
    const members = body === undefined || body.length === 0 ? null : readMembers(body)
    if (members === null)
      answer(r, 400, 'invalid_request_error', 'unreadable_body', 'The body is not one JSON object in UTF-8.')
    else return prepareMembers(r, list, body, members, isCursor)
  }
  return false
}

function prepareMembers(r, list, body, members, isCursor) {
  const models = members.filter((member) => member.name === 'model')
  if (models.length > 1) {
    answer(
      r,
      400,
      'invalid_request_error',
      'ambiguous_request',
      'The request names its model more than once.',
    )
    return false
  }
  if (members.some((member) => isStored(member, body))) {
    refuse(r, 'The relay is down, and what the provider has stored can be used through it alone.')
    return false
  }
  if (isCursor && !members.some((member) => member.name === 'messages')) {
    refuse(r, 'The relay is down, and this request would have to be translated by it.')
    return false
  }
  const replaced = models.length === 0 ? body : replaceAlias(r, list, body, models[0])
  r.variables.thinwire_body = replaced
  if (replaced !== body || mayAsk(r.variables.thinwire_model, list)) return true
  refuse(r, 'The relay is down, and this model works through it alone.')
  return false
}

/** @param model empty if the request names none: it is then the provider's choice, which only a list of all models allows */
function mayAsk(model, list) {
  if (list.models !== null && !list.models.some((pattern) => matches(pattern, model))) return false
  return !list.through.some((pattern) => matches(pattern, model))
}

/** Notes the model for the log. @returns another body if the model is an alias, and else the same */
function replaceAlias(r, list, body, place) {
  const model = readText(body, place)
  if (model === null) return body
  r.variables.thinwire_model = model
  if (!Object.keys(list.aliases).includes(model)) return body
  const name = Buffer.from(JSON.stringify(list.aliases[model]))
  return Buffer.concat([body.slice(0, place.from), name, body.slice(place.to)])
}

function isStored(member, body) {
  const value = body.toString('utf8', member.from, Math.min(member.to, member.from + 6))
  if (value === 'null' || value === 'false') return false
  // A prompt of Responses is an object that is stored; a prompt of completions is text, or a list.
  return STORED.includes(member.name) || (member.name === 'prompt' && value[0] === '{')
}

/** @param pattern `*` stands for any text */
function matches(pattern, text) {
  const parts = pattern.split('*')
  const last = parts.length - 1
  if (last === 0) return pattern === text
  if (!text.startsWith(parts[0])) return false
  let at = parts[0].length
  for (let i = 1; i < last; i++) {
    const found = text.indexOf(parts[i], at)
    if (found === -1) return false
    at = found + parts[i].length
  }
  return text.length - parts[last].length >= at && text.endsWith(parts[last])
}

/**
 * The members of the object that a body is: `name`, and where the value begins and ends. It looks at nothing within the
 * values, and passes texts at the speed of `indexOf`, as bodies may have megabytes of these.
 * @returns null if it is no such object
 */
function readMembers(body) {
  const members = []
  let at = skipSpace(body, 0)
  if (body[at] !== OPEN_BRACE) return null
  at = skipSpace(body, at + 1)
  if (body[at] === CLOSE_BRACE) return skipSpace(body, at + 1) === body.length ? members : null
  for (;;) {
    if (body[at] !== QUOTE) return null
    const end = skipText(body, at)
    const name = readText(body, { from: at, to: end })
    at = skipSpace(body, end)
    if (name === null || body[at] !== COLON) return null
    const from = skipSpace(body, at + 1)
    const to = skipValue(body, from)
    if (to <= from) return null
    members.push({ name, from, to })
    at = skipSpace(body, to)
    if (body[at] === CLOSE_BRACE) return skipSpace(body, at + 1) === body.length ? members : null
    if (body[at] !== COMMA) return null
    at = skipSpace(body, at + 1)
  }
}

/** The text that stands there in JSON; null if it is none. */
function readText(body, place) {
  if (body[place.from] !== QUOTE || place.to > body.length) return null
  try {
    return JSON.parse(body.toString('utf8', place.from, place.to))
  } catch (_) {
    return null
  }
}

function isSpace(byte) {
  return byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09
}

function skipSpace(body, from) {
  let at = from
  while (isSpace(body[at])) at++
  return at
}

/** @returns the place behind the quote that ends the text; the length of the body and one if there is none */
function skipText(body, from) {
  for (let at = from + 1; ; at++) {
    at = body.indexOf(QUOTE, at)
    if (at === -1) return body.length + 1
    let slash = at
    while (body[slash - 1] === BACKSLASH) slash--
    if ((at - slash) % 2 === 0) return at + 1
  }
}

function skipValue(body, from) {
  const first = body[from]
  if (first === QUOTE) return skipText(body, from)
  const isNested = first === OPEN_BRACE || first === OPEN_BRACKET
  let depth = 0
  let at = from
  while (at < body.length) {
    const byte = body[at]
    if (byte === QUOTE) {
      if (!isNested) return 0
      at = skipText(body, at)
      continue
    }
    if (!isNested && (byte === COMMA || byte === CLOSE_BRACE || isSpace(byte))) return at
    at++
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) depth++
    else if ((byte === CLOSE_BRACE || byte === CLOSE_BRACKET) && --depth === 0) return at
  }
  return 0
}

/** `js_body_filter`: notes for the log that an answer came to its end, since nginx itself takes a cut for an end, too. */
function watchEnd(r, piece, flags) {
  if (flags.last) r.variables.thinwire_ended = 'OK'
  r.sendBuffer(piece, flags)
}

/** One answer for all keys that are not on the list: it says nothing about which of them exist. */
function refuseKey(r) {
  const message =
    'The relay is down. This key is wrong, or it may not go directly to the provider. If it is right, try again later.'
  answer(r, 401, 'invalid_request_error', 'invalid_api_key', message)
}

function refuse(r, message) {
  r.headersOut['Retry-After'] = '5'
  answer(r, 503, 'api_error', 'direct_not_possible', `${message} Try again in a moment.`)
}

/** An error in the form of OpenAI's. */
function answer(r, status, type, code, message) {
  r.variables.thinwire_ended = 'OK'
  r.headersOut['Content-Type'] = 'application/json'
  r.return(status, JSON.stringify({ error: { message, type, param: null, code } }))
}

// biome-ignore lint/style/noDefaultExport: js_import takes nothing else
export default { handle, watchEnd }
