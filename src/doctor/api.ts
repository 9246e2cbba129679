import { CHAT, ORIGIN } from './arrival.js'
import { pathUrl } from './base-url.js'
import { keyCheckBody } from './bodies.js'
import { failed, ok, type Seen, warning } from './finding.js'
import { cleaned, field, jsonOf, shapeOf, told } from './quote.js'
import type { Check, Need, Visit } from './visit.js'
import { type Answer, header, isAnswer, seconds } from './wire.js'

const ALL: readonly Need[] = ['address', 'connection', 'relay', 'path', 'trust']

/** Models begin to answer within this share of the time, or are told to be slow. */
const SHARE = 0.5

/** The key, by the list of models: newer builds of Cursor check it so, without a word. */
export const KEY: Check = {
  name: 'key',
  needs: ALL,
  tried: () => 'GET /models, with the key',
  async run(visit) {
    const headers = { ...visit.authorization, origin: ORIGIN }
    const answer = await visit.ask('GET', pathUrl(visit.base, '/models'), headers, null, SHARE)
    const seen = isAnswer(answer) ? judgeModels(answer, visit) : failed(answer.trouble)
    if (visit.model === null) visit.lacking.set('model', 'no model is known: --model NAME')
    return seen
  },
}

function judgeModels(answer: Answer, visit: Visit): Seen {
  visit.readable.push(['models', answer])
  if (answer.status === 401 || answer.status === 403) {
    visit.lacking.set('key', 'the key is refused')
    return failed(told(answer, visit.key), keyAdvice(answer, visit))
  }
  if (answer.status !== 200) {
    return failed(
      told(answer, visit.key),
      'newer builds of Cursor check the key with it: hand /models on to the relay',
    )
  }
  const list = field(jsonOf(answer), 'data')
  if (!Array.isArray(list)) {
    const what = shapeOf(answer) === 'page' ? 'an HTML page' : 'no list of models'
    return failed(`200, but ${what}`, 'hand /models on to the relay; OpenAI answers {"data":[...]}')
  }
  const names = list.map((each) => field(each, 'id')).filter((id): id is string => typeof id === 'string')
  const asked = visit.model
  visit.model ??= chooseModel(names)
  if (visit.model === null) {
    return warning('200, but the list is empty', 'give it a model, or tell the doctor one: --model NAME')
  }
  const count = `200, ${names.length} model${names.length === 1 ? '' : 's'}`
  const name = cleaned(visit.model, visit.key)
  if (asked === null) return ok(`${count}; goes on with ${name}`)
  return names.includes(asked) ? ok(`${count}, with ${name}`) : ok(`${count}, ${name} not among them`)
}

function keyAdvice(answer: Answer, visit: Visit): string {
  const code = header(answer, 'x-thinwire-error')
  if (code !== undefined) return 'issue one: thinwire keys add --env prod --team team1 --user alice'
  const basic = /^basic\b/i.test(header(answer, 'www-authenticate') ?? '')
  return basic || shapeOf(answer) === 'page'
    ? "that is a proxy's own lock: take it off this path (nginx: auth_basic off; Caddy: no basic_auth)"
    : `ask whoever runs ${visit.base.host} for a key`
}

/** No chat models, though their names may begin as one. */
const OTHER_KINDS = /embed|tts|whisper|audio|realtime|transcribe|image|moderation|dall-e|search|instruct|sora/

/** What Cursor's key check takes of the models that are switched on: by parts of names, in this order, else the first. */
function chooseModel(names: readonly string[]): string | null {
  const chats = names.filter((name) => !OTHER_KINDS.test(name))
  for (const part of ['gpt-4o-mini', '4o', 'gpt', 'o1', 'o3']) {
    const found = chats.find((name) => name === part) ?? chats.find((name) => name.includes(part))
    if (found !== undefined) return found
  }
  return chats[0] ?? names[0] ?? null
}

/** A key that nobody issued, and the error that clients can read. */
export const WRONG_KEY: Check = {
  name: 'wrong key',
  needs: ALL,
  tried: () => 'GET /models, with a wrong key',
  async run(visit) {
    const headers = { authorization: 'Bearer sk-wrong-key-of-the-doctor', origin: ORIGIN }
    const answer = await visit.ask('GET', pathUrl(visit.base, '/models'), headers, null, SHARE)
    if (!isAnswer(answer)) return failed(answer.trouble)
    visit.readable.push(['errors', answer])
    if (header(answer, 'x-thinwire-error') !== undefined) visit.local.push(answer)
    if (answer.status === 200) {
      return warning(
        '200: it answers whatever the key is',
        'let it ask for keys (keys.mode): who knows the URL can use it, and you pay',
      )
    }
    const shape = shapeOf(answer)
    if (shape === 'page') {
      return failed(told(answer, visit.key), 'no error pages of a proxy (nginx: proxy_intercept_errors off;)')
    }
    if (shape !== 'error') {
      return warning(
        `${told(answer, visit.key)}: not an error as OpenAI has it`,
        'clients show error.message, and here there is none',
      )
    }
    if (answer.status === 401) return ok('401, an error as OpenAI has it')
    return warning(told(answer, visit.key), 'clients expect 401 for a wrong key')
  },
}

/** Cursor's own test of a key: it is good if the status is 200. */
export const KEY_CHECK: Check = {
  name: 'chat',
  needs: [...ALL, 'key', 'model'],
  tried: (visit) => `POST ${CHAT}, Cursor's test of a key${modelSuffix(visit)}`,
  async run(visit) {
    const headers = { ...visit.authorization, origin: ORIGIN, 'content-type': 'application/json' }
    const body = keyCheckBody(visit.model ?? '')
    const answer = await visit.ask('POST', pathUrl(visit.base, CHAT), headers, body, SHARE)
    if (!isAnswer(answer)) return answer.late ? slow(answer.trouble) : failed(answer.trouble)
    visit.readable.push(['chat', answer])
    if (answer.status !== 200) return refused(answer, visit)
    if (answer.end !== 'whole') return failed(`200, but ${answer.end === 'cut' ? 'cut' : 'not over in time'}`)
    const choices = field(jsonOf(answer), 'choices')
    return Array.isArray(choices)
      ? ok(`200 in ${seconds(answer.totalMs)}`)
      : failed(`200, but no chat completion`, 'the base URL has to lead to the OpenAI API')
  },
}

/** A model that did not answer in time may be as it is. */
export function slow(seen: string): Seen {
  return warning(seen, 'a slow model, or a proxy that holds it back: --timeout 30 waits longer')
}

export function modelSuffix({ model }: Visit): string {
  return model === null ? '' : ` (${cleaned(model, '').slice(0, 60)})`
}

/** An answer that is no success, to a request that was right. */
export function refused(answer: Answer, visit: Visit): Seen {
  const text = told(answer, visit.key)
  const shape = shapeOf(answer)
  if (shape === 'page') return failed(text, "that is a proxy's page: its log tells why")
  if (answer.status === 429) {
    return failed(
      text,
      'Cursor ends an agent run at a 429; look at the limits of the provider and of the key',
    )
  }
  if (answer.status === 404) return failed(text, 'name a model that there is: --model NAME')
  if (/max_tokens/.test(text)) {
    return warning(
      text,
      "this model refuses Cursor's test, though it may work: at /cursor/v1, cursor.answerKeyCheck has the relay answer it",
    )
  }
  if (/reasoning|verbosity|prompt_cache_retention|temperature|include\b/.test(text)) {
    return warning(text, 'Cursor sends this with models that reason; take one that does: --model')
  }
  if (/Missing required parameter: '?messages/.test(text)) {
    return failed(
      text,
      'this base URL hands such a body on as it is; one that ends in /cursor/v1 understands it',
    )
  }
  return visit.thinwire
    ? failed(text, 'thinwire usage tail --errors tells more, where the relay runs')
    : failed(text)
}
