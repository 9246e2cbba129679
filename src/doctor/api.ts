import { CHAT, ORIGIN } from './arrival.js'
import { buildPathUrl } from './base-url.js'
import { createKeyCheckBody } from './bodies.js'
import { fail, pass, type Seen, warn } from './finding.js'
import { cleanText, detectBodyKind, parseBody, quoteBody, readField } from './quote.js'
import type { Check, Need, Visit } from './visit.js'
import { type Answer, findHeader, formatSeconds, isAnswer } from './wire.js'

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
    const answer = await visit.ask('GET', buildPathUrl(visit.base, '/models'), headers, null, SHARE)
    const seen = isAnswer(answer) ? judgeModels(answer, visit) : fail(answer.trouble)
    if (visit.model === null) visit.lacking.set('model', 'no model is known: --model NAME')
    return seen
  },
}

function judgeModels(answer: Answer, visit: Visit): Seen {
  visit.readable.push(['models', answer])
  if (answer.status === 401 || answer.status === 403) {
    visit.lacking.set('key', 'the key is refused')
    return fail(quoteBody(answer, visit.key), keyAdvice(answer, visit))
  }
  if (answer.status !== 200) {
    return fail(
      quoteBody(answer, visit.key),
      'newer builds of Cursor check the key with it: hand /models on to the relay',
    )
  }
  const list = readField(parseBody(answer), 'data')
  if (!Array.isArray(list)) {
    const what = detectBodyKind(answer) === 'page' ? 'an HTML page' : 'no list of models'
    return fail(`200, but ${what}`, 'hand /models on to the relay; OpenAI answers {"data":[...]}')
  }
  const names = list.map((each) => readField(each, 'id')).filter((id): id is string => typeof id === 'string')
  const asked = visit.model
  visit.model ??= chooseModel(names)
  if (visit.model === null) {
    return warn('200, but the list is empty', 'give it a model, or tell the doctor one: --model NAME')
  }
  const count = `200, ${names.length} model${names.length === 1 ? '' : 's'}`
  const name = cleanText(visit.model, visit.key)
  if (asked === null) return pass(`${count}; goes on with ${name}`)
  return names.includes(asked) ? pass(`${count}, with ${name}`) : pass(`${count}, ${name} not among them`)
}

function keyAdvice(answer: Answer, visit: Visit): string {
  const code = findHeader(answer, 'x-thinwire-error')
  if (code !== undefined) return 'issue one: thinwire keys add --env prod --team team1 --user alice'
  const basic = /^basic\b/i.test(findHeader(answer, 'www-authenticate') ?? '')
  return basic || detectBodyKind(answer) === 'page'
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
    const answer = await visit.ask('GET', buildPathUrl(visit.base, '/models'), headers, null, SHARE)
    if (!isAnswer(answer)) return fail(answer.trouble)
    visit.readable.push(['errors', answer])
    if (findHeader(answer, 'x-thinwire-error') !== undefined) visit.local.push(answer)
    if (answer.status === 200) {
      return warn(
        '200: it answers whatever the key is',
        'let it ask for keys (keys.mode): who knows the URL can use it, and you pay',
      )
    }
    const shape = detectBodyKind(answer)
    if (shape === 'page') {
      return fail(
        quoteBody(answer, visit.key),
        'no error pages of a proxy (nginx: proxy_intercept_errors off;)',
      )
    }
    if (shape !== 'error') {
      return warn(
        `${quoteBody(answer, visit.key)}: not an error as OpenAI has it`,
        'clients show error.message, and here there is none',
      )
    }
    if (answer.status === 401) return pass('401, an error as OpenAI has it')
    return warn(quoteBody(answer, visit.key), 'clients expect 401 for a wrong key')
  },
}

/** Cursor's own test of a key: it is good if the status is 200. */
export const KEY_CHECK: Check = {
  name: 'chat',
  needs: [...ALL, 'key', 'model'],
  tried: (visit) => `POST ${CHAT}, Cursor's test of a key${formatModelSuffix(visit)}`,
  async run(visit) {
    const headers = { ...visit.authorization, origin: ORIGIN, 'content-type': 'application/json' }
    const body = createKeyCheckBody(visit.model ?? '')
    const answer = await visit.ask('POST', buildPathUrl(visit.base, CHAT), headers, body, SHARE)
    if (!isAnswer(answer)) return answer.late ? describeSlow(answer.trouble) : fail(answer.trouble)
    visit.readable.push(['chat', answer])
    if (answer.status !== 200) return describeRefusal(answer, visit)
    if (answer.end !== 'whole') return fail(`200, but ${answer.end === 'cut' ? 'cut' : 'not over in time'}`)
    const choices = readField(parseBody(answer), 'choices')
    return Array.isArray(choices)
      ? pass(`200 in ${formatSeconds(answer.totalMs)}`)
      : fail(`200, but no chat completion`, 'the base URL has to lead to the OpenAI API')
  },
}

/** A model that did not answer in time may be as it is. */
export function describeSlow(seen: string): Seen {
  return warn(seen, 'a slow model, or a proxy that holds it back: --timeout 30 waits longer')
}

export function formatModelSuffix({ model }: Visit): string {
  return model === null ? '' : ` (${cleanText(model, '').slice(0, 60)})`
}

/** An answer that is no success, to a request that was right. */
export function describeRefusal(answer: Answer, visit: Visit): Seen {
  const text = quoteBody(answer, visit.key)
  const shape = detectBodyKind(answer)
  if (shape === 'page') return fail(text, "that is a proxy's page: its log tells why")
  if (answer.status === 429) {
    return fail(text, 'Cursor ends an agent run at a 429; look at the limits of the provider and of the key')
  }
  if (answer.status === 404) return fail(text, 'name a model that there is: --model NAME')
  if (/max_tokens/.test(text)) {
    return warn(
      text,
      "this model refuses Cursor's test, though it may work: at /cursor/v1, cursor.answerKeyCheck has the relay answer it",
    )
  }
  if (/reasoning|verbosity|prompt_cache_retention|temperature|include\b/.test(text)) {
    return warn(text, 'Cursor sends this with models that reason; take one that does: --model')
  }
  if (/Missing required parameter: '?messages/.test(text)) {
    return fail(
      text,
      'this base URL hands such a body on as it is; one that ends in /cursor/v1 understands it',
    )
  }
  return visit.thinwire
    ? fail(text, 'thinwire usage tail --errors tells more, where the relay runs')
    : fail(text)
}
