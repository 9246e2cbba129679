import { CHAT, ORIGIN } from './arrival.js'
import { buildPathUrl } from './base-url.js'
import { createKeyCheckBody } from './bodies.js'
import { fail, pass, type Seen, warn } from './finding.js'
import { findHeader, formatSeconds, type HttpResponse, isResponse } from './http-request.js'
import { cleanText, detectBodyKind, parseBody, quoteBody, readField } from './quote.js'
import { explainRefusal } from './refusal.js'
import type { Check, Need, Visit } from './visit.js'

const ALL: readonly Need[] = ['address', 'connection', 'relay', 'path', 'trust']

/** Share of the time in which a model has to begin its response; else it is reported as slow. */
const SHARE = 0.5

/** The key, by the list of models: newer builds of Cursor check it this way, silently. */
export const KEY: Check = {
  name: 'key',
  needs: ALL,
  tried: () => 'GET /models, with the key',
  async run(visit) {
    const headers = { ...visit.authorization, origin: ORIGIN }
    const response = await visit.send('GET', buildPathUrl(visit.base, '/models'), headers, null, SHARE)
    const seen = isResponse(response) ? judgeModels(response, visit) : fail(response.reason)
    if (visit.model === null) visit.missing.set('model', 'no model is known: --model NAME')
    return seen
  },
}

function judgeModels(response: HttpResponse, visit: Visit): Seen {
  visit.readable.push(['models', response])
  if (response.status === 401 || response.status === 403) {
    visit.missing.set('key', 'the key is refused')
    return fail(quoteBody(response, visit.key), adviseOnKey(response, visit))
  }
  if (response.status !== 200) {
    return fail(
      quoteBody(response, visit.key),
      'newer builds of Cursor check the key with it: forward /models to the relay',
    )
  }
  const list = readField(parseBody(response), 'data')
  if (!Array.isArray(list)) {
    const what = detectBodyKind(response) === 'page' ? 'an HTML page' : 'no list of models'
    return fail(`200, but ${what}`, 'forward /models to the relay; OpenAI returns {"data":[...]}')
  }
  const names = list.map((each) => readField(each, 'id')).filter((id): id is string => typeof id === 'string')
  const wanted = visit.model
  visit.listed = names
  visit.model ??= chooseModel(names)
  if (visit.model === null) {
    return warn('200, but the list is empty', 'add a model to the relay, or name one here: --model NAME')
  }
  const count = `200, ${names.length} model${names.length === 1 ? '' : 's'}`
  const name = cleanText(visit.model, visit.key)
  if (wanted === null) return pass(`${count}; the next checks use ${name}`)
  return names.includes(wanted) ? pass(`${count}, with ${name}`) : pass(`${count}, ${name} not among them`)
}

const KEY_CURE = 'issue a key: thinwire keys add --env prod --team team1 --user alice'

/** By the error code of the relay. */
const KEY_CURES: Readonly<Record<string, string>> = {
  expired_api_key: 'let it live longer: thinwire keys set ID --expires 30d; or issue another key',
  forbidden_address:
    'this machine is not among the addresses of the key: thinwire keys set ID --addresses any. Cursor calls from its own servers',
}

function adviseOnKey(response: HttpResponse, visit: Visit): string {
  const code = findHeader(response, 'x-thinwire-error')
  if (code !== undefined) return KEY_CURES[code] ?? KEY_CURE
  const basic = /^basic\b/i.test(findHeader(response, 'www-authenticate') ?? '')
  return basic || detectBodyKind(response) === 'page'
    ? "this is a proxy's own login: remove it from this path (nginx: auth_basic off; Caddy: no basic_auth)"
    : `ask the operator of ${visit.base.host} for a key`
}

/** Words in names of models that are not for chat. */
const OTHER_KINDS = /embed|tts|whisper|audio|realtime|transcribe|image|moderation|dall-e|search|instruct|sora/

/** Picks the model that Cursor's key check uses: by parts of names, in this order, else the first. */
export function chooseModel(names: readonly string[]): string | null {
  const chats = names.filter((name) => !OTHER_KINDS.test(name))
  for (const part of ['gpt-4o-mini', '4o', 'gpt', 'o1', 'o3']) {
    const found = chats.find((name) => name === part) ?? chats.find((name) => name.includes(part))
    if (found !== undefined) return found
  }
  return chats[0] ?? names[0] ?? null
}

/** The response to a wrong key: an error that clients can read. */
export const WRONG_KEY: Check = {
  name: 'wrong key',
  needs: ALL,
  tried: () => 'GET /models, with a wrong key',
  async run(visit) {
    const headers = { authorization: 'Bearer sk-wrong-key-of-the-doctor', origin: ORIGIN }
    const response = await visit.send('GET', buildPathUrl(visit.base, '/models'), headers, null, SHARE)
    if (!isResponse(response)) return fail(response.reason)
    visit.readable.push(['errors', response])
    if (findHeader(response, 'x-thinwire-error') !== undefined) visit.local.push(response)
    if (response.status === 200) {
      return warn(
        '200: it accepts any key',
        'switch keys on (keys.mode): now everybody who knows the URL can use it, and you pay',
      )
    }
    const kind = detectBodyKind(response)
    if (kind === 'page') {
      return fail(
        quoteBody(response, visit.key),
        'switch error pages of the proxy off (nginx: proxy_intercept_errors off;)',
      )
    }
    if (kind !== 'error') {
      return warn(
        `${quoteBody(response, visit.key)}: not an error in OpenAI's format`,
        'clients show error.message, which is missing here',
      )
    }
    if (response.status === 401) return pass("401, an error in OpenAI's format")
    return warn(quoteBody(response, visit.key), 'clients expect 401 for a wrong key')
  },
}

/** Cursor's own test of a key: the key is valid if the status is 200. */
export const KEY_CHECK: Check = {
  name: 'chat',
  needs: [...ALL, 'key', 'model'],
  tried: (visit) => `POST ${CHAT}, Cursor's test of a key${formatModelSuffix(visit)}`,
  async run(visit) {
    const headers = { ...visit.authorization, origin: ORIGIN, 'content-type': 'application/json' }
    const body = createKeyCheckBody(visit.model ?? '')
    const response = await visit.send('POST', buildPathUrl(visit.base, CHAT), headers, body, SHARE)
    if (!isResponse(response)) return response.late ? describeSlow(response.reason) : fail(response.reason)
    visit.readable.push(['chat', response])
    if (response.status !== 200) return describeRefusedTest(response, visit, body)
    if (response.end !== 'whole')
      return fail(`200, but ${response.end === 'cut' ? 'cut' : 'not complete in time'}`)
    const choices = readField(parseBody(response), 'choices')
    return Array.isArray(choices)
      ? pass(`200 in ${formatSeconds(response.totalMs)}`)
      : fail(`200, but no chat completion`, 'the base URL has to be one of an OpenAI API')
  },
}

/** A response that was late may be the model's own pace, so it is only a warning. */
export function describeSlow(seen: string): Seen {
  return warn(seen, 'the model is slow, or a proxy holds the response back: --timeout 30 waits longer')
}

/** ` (MODEL)` for a line of the report; empty without a model. */
export function formatModelSuffix({ model }: Visit): string {
  return model === null ? '' : ` (${cleanText(model, '').slice(0, 60)})`
}

/** Describes an error response to a correct request. @param body of the request */
export function describeRefusal(response: HttpResponse, visit: Visit, body: string): Seen {
  const { key, thinwire } = visit
  const { cursor } = visit.base
  const model = visit.model ?? ''
  return explainRefusal(response, {
    model,
    body,
    key,
    thinwire,
    cursor,
    place: visit.findPlace(model),
  })
}

/** Cursor's test of a key has a limit of ten tokens, by the older name, and a temperature. */
function describeRefusedTest(response: HttpResponse, visit: Visit, body: string): Seen {
  const seen = describeRefusal(response, visit, body)
  if (response.status !== 400 || !/max_(?:completion_|output_)?tokens|temperature/.test(seen.seen))
    return seen
  return warn(
    seen.seen,
    "Cursor's test alone has this limit and temperature, so the model may work all the same",
    ...(visit.base.cursor ? [] : seen.change),
    'cursor.answerKeyCheck lets the relay answer the test at /cursor/v1',
  )
}
