import { mintKey } from '../../access/key.js'
import { chooseModel } from '../api.js'
import { CHAT } from '../arrival.js'
import { buildPathUrl, readPrefix } from '../base-url.js'
import { createBlankBody, createTinyBody } from '../bodies.js'
import { combine, fail, pass, type Seen, skip, warn } from '../finding.js'
import { type HttpResponse, isResponse, type RequestFailure } from '../http-request.js'
import { detectBodyKind, parseBody, quoteBody, readField } from '../quote.js'
import { createStreamChecks, PACE } from '../streaming.js'
import { type Check, type Need, Visit } from '../visit.js'
import { FORGED_HEADERS } from './before.js'
import { identifyAnswerer, readErrorCode } from './probe.js'

/** The visit of a front whose relays are down. Its need `key` is missing when the key is refused there. */
export class DirectVisit extends Visit {
  /** A key that the relay has revoked; null if none is known. */
  revokedKey: string | null = null
  /** Names that the relay lists: its aliases are among them. */
  relayModels: readonly string[] = []
  /** Names that the direct way lists; null if it lists none. */
  directModels: readonly string[] | null = null
  readonly responses: HttpResponse[] = []

  /** Reads the list of the direct way, and chooses a model from it unless the relay's is in it, too. */
  async readModels(): Promise<void> {
    const list = await this.send('GET', buildPathUrl(this.base, '/models'), this.authorization, null, SHARE)
    const data = isResponse(list) && list.status === 200 ? readField(parseBody(list), 'data') : null
    if (!Array.isArray(data)) return
    const names = data
      .map((each) => readField(each, 'id'))
      .filter((id): id is string => typeof id === 'string')
    this.directModels = names
    if (this.model === null || !names.includes(this.model)) this.model = chooseModel(names) ?? this.model
  }

  override async send(
    method: string,
    url: URL,
    headers: Readonly<Record<string, string>>,
    body: Buffer | string | null,
    share: number,
    beyondMs = 0,
  ): Promise<HttpResponse | RequestFailure> {
    const outcome = await super.send(method, url, headers, body, share, beyondMs)
    // What a proxy in front of a relay does wrong is no fault here: there is no relay.
    this.fault = null
    if (isResponse(outcome)) this.responses.push(outcome)
    return outcome
  }
}

const SHARE = 0.4
const NO_NEEDS: readonly Need[] = []
const KEY_NEEDS: readonly Need[] = ['key']
const KEY_AND_MODEL: readonly Need[] = ['key', 'model']

const CREDIT = "anybody can use the provider's credit"
const CHECK_LIST = 'let the front check the direct list before the request goes on: scripts/deploy/DIRECT.md'

/**
 * Whether keys that are not on the direct list are refused: a wrong one of each kind, none, and the revoked one. Each
 * is tried with a chat, too, since a front may check only some requests. That chat is blank: a provider refuses it.
 */
const DIRECT_KEYS: Check = {
  name: 'direct keys',
  needs: NO_NEEDS,
  tried: () => 'wrong keys, no key, forged headers',
  async run(visit) {
    const revoked = visit instanceof DirectVisit ? visit.revokedKey : null
    const parts: Seen[] = []
    for (const [name, headers] of listStrangers(visit.key, revoked)) {
      for (const method of ['GET', 'POST'] as const) {
        const path = method === 'GET' ? '/models' : CHAT
        const body = method === 'GET' ? null : createBlankBody(visit.model ?? 'gpt-4o-mini', 200)
        const typed = body === null ? headers : { ...headers, 'content-type': 'application/json' }
        const response = await visit.send(method, buildPathUrl(visit.base, path), typed, body, SHARE)
        const seen = judgeStranger(`${name}, ${method} ${path}`, name, response, visit.key)
        if (seen.outcome !== 'ok') parts.push(seen)
        // One proof is enough, and each further one may cost money.
        if (seen.outcome === 'failed') break
      }
    }
    if (parts.length > 0) return combineOnce(parts)
    const also = revoked === null ? '; --revoked-key KEY tries a revoked one' : ', also a revoked one'
    return pass(`401 for each, an error in OpenAI's format${also}`)
  },
}

type Stranger = readonly [name: string, headers: Readonly<Record<string, string>>]

function listStrangers(key: string, revoked: string | null): readonly Stranger[] {
  const bear = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` })
  const wrong = mintKey({ env: 'prod', team: 'doctor', user: 'doctor' })
  const end = key.endsWith('x') ? 'y' : 'x'
  return [
    ['no key', {}],
    ['a key of another provider', bear('sk-wrong-key-of-the-doctor')],
    ['a key that was never issued', bear(wrong)],
    ['the key with another last character', bear(`${key.slice(0, -1)}${end}`)],
    ['forged headers without a key', FORGED_HEADERS],
    ['forged headers with a wrong key', { ...bear(wrong), ...FORGED_HEADERS }],
    ...(revoked === null ? [] : [['the revoked key', bear(revoked)] as const]),
  ]
}

function judgeStranger(
  what: string,
  name: string,
  outcome: HttpResponse | RequestFailure,
  key: string,
): Seen {
  if (!isResponse(outcome)) return warn(`${what}: ${outcome.reason}`)
  const { status } = outcome
  const text = `${what}: ${quoteBody(outcome, key)}`
  const kind = detectBodyKind(outcome)
  if (status === 401) {
    return kind === 'error'
      ? pass('401')
      : warn(`${text}: not an error in OpenAI's format`, 'clients show error.message, which is missing here')
  }
  if (status === 403) return warn(text, 'clients expect 401 for a wrong key')
  // Also what the provider refuses for other reasons has passed the front, with the credential of the operator.
  if (status < 500 && status !== 429) {
    const seen = `${what}: ${status}: IT PASSES, so ${CREDIT}`
    return name === 'the revoked key'
      ? fail(
          `${what}: ${status}: IT PASSES, though it is revoked`,
          'the list is old: is thinwire keys export --hashes --follow running, and does the front read the list again?',
        )
      : fail(seen, CHECK_LIST)
  }
  return warn(text, 'clients expect 401 for a wrong key')
}

/** As `combine`, but what to change is said once. */
function combineOnce(parts: readonly Seen[]): Seen {
  const whole = combine(parts)
  return { ...whole, change: [...new Set(whole.change)] }
}

/** Paths that reach what the provider keeps for the account, and those that only the relay knows. */
const CLOSED_PATHS = ['/v1/files', '/v1/organization/users', '/cursor/v1/models'] as const

const DIRECT_PATHS: Check = {
  name: 'direct paths',
  needs: KEY_NEEDS,
  tried: () => `GET ${CLOSED_PATHS.join(', ')}`,
  async run(visit) {
    const parts: Seen[] = []
    for (const path of CLOSED_PATHS) {
      const url = new URL(`${readPrefix(visit.base)}${path}`, visit.base.url.origin)
      const response = await visit.send('GET', url, visit.authorization, null, SHARE)
      const seen = judgeClosedPath(path, response, visit.key)
      if (seen.outcome !== 'ok') parts.push(seen)
    }
    return parts.length === 0 ? pass("refused, with errors in OpenAI's format") : combineOnce(parts)
  },
}

function judgeClosedPath(path: string, outcome: HttpResponse | RequestFailure, key: string): Seen {
  if (!isResponse(outcome)) return warn(`${path}: ${outcome.reason}`)
  const { status } = outcome
  const text = `${path}: ${quoteBody(outcome, key).slice(0, 160)}`
  const isError = detectBodyKind(outcome) === 'error'
  const allowed = 'let only the paths of models and answers go direct: scripts/deploy/DIRECT.md'
  if (status < 300) {
    // A front may well answer Cursor's own list of models.
    return path.startsWith('/cursor/')
      ? pass('answered')
      : fail(`${path}: ${status}: every key reaches what the provider keeps for the account`, allowed)
  }
  if (!isError) return warn(`${text}: not an error in OpenAI's format`, 'answer with 503 direct_not_possible')
  if (identifyAnswerer(outcome) === 'direct' && readErrorCode(outcome) === 'direct_not_possible')
    return pass(text)
  return status === 503 ? pass(text) : warn(`${text}: it went on to the provider`, allowed)
}

/** A name of the relay's own, which the provider does not know. */
const DIRECT_ALIAS: Check = {
  name: 'direct alias',
  needs: KEY_AND_MODEL,
  tried: () => `POST ${CHAT}, with an alias of the relay`,
  async run(visit) {
    if (!(visit instanceof DirectVisit)) return skip('it is for the direct way')
    const { directModels, relayModels } = visit
    if (directModels === null) return warn('the direct way has no list of models that can be read')
    const alias = relayModels.find((name) => !directModels.includes(name))
    if (alias === undefined) return pass('the relay lists no name that is unknown there')
    const headers = { ...visit.authorization, 'content-type': 'application/json' }
    const body = createTinyBody(alias)
    const response = await visit.send('POST', buildPathUrl(visit.base, CHAT), headers, body, 1)
    if (!isResponse(response)) return warn(`${alias}: ${response.reason}`)
    if (response.status < 300) return pass(`${alias}: ${response.status}`)
    const text = `${alias}: ${quoteBody(response, visit.key).slice(0, 160)}`
    if (readErrorCode(response) === 'direct_not_possible') return pass(`${text}: refused clearly`)
    return warn(
      text,
      'give the front the aliases of thinwire keys export --hashes: it has to put in the name of the model',
    )
  },
}

/** Headers of a request that have no place in a response. */
const REQUEST_CREDENTIALS = /^(?:proxy-)?authorization$|^x-api-key$|^api-key$|^x-goog-api-key$/
const PROVIDER_KEY = /\bsk-[A-Za-z0-9_-]{12,}/

/** Whether a response has the credential of the operator: in a header, or in the body of an error. */
const CREDENTIAL: Check = {
  name: 'credential',
  needs: NO_NEEDS,
  untimed: true,
  tried: () => 'headers and errors of all direct responses',
  run(visit) {
    const responses = visit instanceof DirectVisit ? visit.responses : []
    const places = new Set(responses.flatMap((response) => findCredentials(response)))
    if (places.size === 0) return pass(`no credential in ${responses.length} responses`)
    return fail(
      `A CREDENTIAL of the provider is in ${[...places].join(', ')}: every client can read it`,
      'remove it from responses, and replace the key at the provider now',
    )
  },
}

function findCredentials(response: HttpResponse): string[] {
  const { headers } = response
  const places: string[] = []
  for (let i = 0; i < headers.length; i += 2) {
    const name = (headers[i] ?? '').toLowerCase()
    const value = headers[i + 1] ?? ''
    if (REQUEST_CREDENTIALS.test(name) || isForeignKey(value)) places.push(`the header ${name.slice(0, 40)}`)
  }
  if (response.status >= 400 && isForeignKey(quoteBody(response, ''))) places.push('an error')
  return places
}

/** A provider may repeat the wrong key that the doctor has sent. */
function isForeignKey(text: string): boolean {
  return PROVIDER_KEY.test(text.replaceAll('sk-wrong-key-of-the-doctor', ''))
}

/** The checks of a front whose relays are down, in rows. */
export function listDirectRows(visit: Visit): ReadonlyArray<readonly Check[]> {
  const [stream] = createStreamChecks(visit)
  return [
    [DIRECT_KEYS],
    ...(stream === undefined ? [] : [[{ ...stream, name: 'direct chat', needs: KEY_AND_MODEL }]]),
    [{ ...PACE, name: 'direct pace', needs: KEY_AND_MODEL }],
    [DIRECT_PATHS],
    [DIRECT_ALIAS],
    [CREDENTIAL],
  ]
}
