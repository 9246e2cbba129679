import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findTraits } from '../../src/api/model-table.js'
import { listVariants } from '../../src/api/model-variants.js'
import type { Api } from '../../src/api/presets.js'
import { Peeker, peekFields } from '../../src/json/peek.js'
import type { Route } from '../../src/routing/route.js'
import { findAccess } from '../../src/server/model-access.js'
import {
  type Plan,
  type PlanBody,
  type PlanRequest,
  type PlanRules,
  type ProxyPlan,
  planRequest,
} from '../../src/server/plan.js'
import type { Location } from '../../src/stored/locate.js'
import { chooseApi } from '../../src/translate/choose-api.js'
import type { Upstream } from '../../src/upstream/upstream.js'
import { KEY } from '../support/key-record.js'

interface FakeRoute {
  /** The relay adds a usage option to requests of the upstream. */
  readonly asksUsage?: boolean
  readonly translate?: boolean
  /** The APIs of each target. */
  readonly targets?: readonly (readonly Api[] | null)[]
}

function fakeRoute(id: string, { asksUsage = false, translate = false, targets = [null] }: FakeRoute = {}) {
  const upstreams = targets.map((apis, i) => ({
    upstream: { name: `up${i}`, apis, asksUsage: () => asksUsage, needsWholeBody: () => false },
    model: null,
  }))
  return { id, translate, targets: upstreams } as unknown as Route<Upstream>
}

const PLAIN = fakeRoute('plain')
const ASKS_USAGE = fakeRoute('asks usage', { asksUsage: true })
const CHAT_ONLY = fakeRoute('chat only', { targets: [['chat']] })
const CLAUDE = fakeRoute('claude', { targets: [['messages']], translate: true })
const MIXED = fakeRoute('mixed', { targets: [['messages'], ['chat'], ['gemini']], translate: true })

interface Fakes {
  /** Routes by path. */
  readonly routes?: Readonly<Record<string, Route<Upstream>>>
  /** Routes of conversations, by model. */
  readonly conversations?: Readonly<Record<string, Route<Upstream>>>
  /** What the relay itself answers to `/models`. */
  readonly models?: unknown
  readonly modelRoute?: Route<Upstream> | null
  readonly answerKeyCheck?: boolean
  readonly mayCache?: boolean
  /** Where the stored objects of the request are. */
  readonly location?: Location
}

function fakeRules({
  routes = {},
  conversations = {},
  models = null,
  modelRoute = null,
  ...rest
}: Fakes): PlanRules {
  const known = { upstream: null, preset: null, rules: [] }
  return {
    router: {
      hasTranslatedRoutes: Object.values(conversations).some(({ translate }) => translate),
      findRoute: (path) => routes[path] ?? null,
      findConversationRoute: (_path, _bodyPath, model) => conversations[model ?? ''] ?? null,
      dependsOnModel: () => false,
      hasPathRules: false,
      findRouteTo: (name) => (name === 'gone' ? null : fakeRoute(`to ${name}`)),
      findVariant: (name) => listVariants(name).find(({ base }) => conversations[base] !== undefined) ?? null,
    },
    models: { answer: () => models, routeFor: () => modelRoute },
    traits: {
      find: ({ upstream, model }, api, asked) => {
        const { traits } = findTraits({ ...known, model: model ?? asked })
        return { traits, api: chooseApi(api, upstream.apis, traits) }
      },
    },
    findAccess: (request) => findAccess(request, null),
    answerKeyCheck: rest.answerKeyCheck ?? false,
    showThinking: 'reasoning_content',
    openThoughts: () => null,
    locate: () => rest.location ?? null,
    mayCache: () => rest.mayCache ?? false,
  }
}

interface Asked extends PlanRequest {
  readonly body: PlanBody | null
}

const CHAT: Asked = {
  method: 'POST',
  path: '/chat/completions',
  query: '',
  deployment: null,
  isCursor: false,
  model: 'm',
  team: null,
  key: null,
  tags: null,
  rawHeaders: [],
  body: completeBody({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
}

function completeBody(value: unknown): PlanBody {
  const body = Buffer.from(JSON.stringify(value))
  return { length: body.length, isComplete: true, flaw: null, peeked: peekFields(body), join: () => body }
}

const PARTIAL: PlanBody = {
  length: 9,
  isComplete: false,
  flaw: null,
  peeked: new Peeker().found,
  join: () => {
    throw new Error('an incomplete body was joined')
  },
}

function plan(request: Partial<Asked>, fakes: Fakes): Plan {
  const { body, ...asked } = { ...CHAT, ...request }
  return planRequest(asked, body, fakeRules(fakes))
}

/** The parts of a plan that a table can name. */
function describePlan(plan: Plan): string {
  switch (plan.kind) {
    case 'wait':
    case 'later':
    case 'pending':
      return plan.kind
    case 'local':
      return `local ${plan.status}`
    case 'key':
      return `key ${plan.key.id}`
    case 'refuse':
      return `refuse ${plan.code} ${plan.field?.param ?? plan.bodyApi ?? '-'}`
    case 'proxy':
      return `proxy ${plan.route.id} ${describeConversation(plan)}`
  }
}

/** The API of the body, that of the client, the model's name, and the targets that can be used. */
function describeConversation({ conversation, usable }: ProxyPlan): string {
  if (conversation === null) return usable?.join('+') ?? '-'
  const { api, reads, modelName } = conversation
  return [api, reads, modelName, usable?.join('+')].filter(Boolean).join(' ')
}

const KEY_CHECK = completeBody({
  model: 'm',
  messages: [
    { role: 'system', content: 'You are a helpful assistant.' },
    { role: 'user', content: 'Test prompt using m' },
  ],
})
const RESPONSES = completeBody({ model: 'm', input: 'hi' })
const MESSAGES = completeBody({
  model: 'm',
  system: 'Be brief.',
  max_tokens: 5,
  messages: [{ role: 'user', content: 'hi' }],
})
const TWO_ANSWERS = completeBody({ model: 'm', n: 2, messages: [{ role: 'user', content: 'hi' }] })
const GET_KEY = { method: 'GET', path: '/key', body: null } as const

const ANY_KEY_ROUTE = { routes: { '/key': PLAIN } }

const MODEL_LIST = { method: 'GET', path: '/models', body: null } as const
const READ = { method: 'GET', path: '/files/file-1', model: null } as const
const READ_ROUTE = { '/files/file-1': MIXED }
const MISSING: Location = {
  kind: 'refused',
  code: 'object_not_found',
  missing: { message: 'No such File object: file-1', param: 'id' },
}

function at(upstream: string, isAboutIt = true): Location {
  return { kind: 'at', upstream, isAboutIt }
}

const CHAT_ROUTE = { '/chat/completions': PLAIN }

const CASES: readonly (readonly [string, Partial<Asked>, Fakes, string])[] = [
  ['a request with a route is sent as it came', {}, { routes: CHAT_ROUTE }, 'proxy plain -'],
  ['a request without a body is sent as it came', { body: null }, { routes: CHAT_ROUTE }, 'proxy plain -'],
  ['a request without a route is refused', {}, {}, 'refuse no_route -'],
  ['a request without a route and without a body is refused', { body: null }, {}, 'refuse no_route -'],
  [
    'an incomplete body with a route is sent at once',
    { body: PARTIAL },
    { routes: CHAT_ROUTE },
    'proxy plain -',
  ],
  ['an incomplete body without a route waits for its end', { body: PARTIAL }, {}, 'wait'],
  [
    'an incomplete body that may be cached waits for its end',
    { body: PARTIAL },
    { routes: CHAT_ROUTE, mayCache: true },
    'wait',
  ],
  [
    'an incomplete body that may get a usage option waits for its end',
    { body: PARTIAL },
    { routes: { '/chat/completions': ASKS_USAGE } },
    'wait',
  ],
  [
    'a complete body that may be cached is sent',
    {},
    { routes: { '/chat/completions': ASKS_USAGE }, mayCache: true },
    'proxy asks usage -',
  ],
  ['the relay answers a list of models of its own', MODEL_LIST, { models: { data: [] } }, 'local 200'],
  [
    'HEAD of a list of models is answered like GET',
    { ...MODEL_LIST, method: 'HEAD' },
    { models: {} },
    'local 200',
  ],
  ['a key asks what limits it', { ...GET_KEY, key: KEY }, {}, 'key k_0123456789'],
  ['HEAD of it is answered like GET', { ...GET_KEY, method: 'HEAD', key: KEY }, {}, 'key k_0123456789'],
  [
    'with another method it goes to the upstream',
    { ...GET_KEY, method: 'POST', key: KEY },
    ANY_KEY_ROUTE,
    'proxy plain -',
  ],
  ['without keys of the relay, too', GET_KEY, ANY_KEY_ROUTE, 'proxy plain -'],
  [
    'a list of models that is still being collected is pending',
    MODEL_LIST,
    { models: Promise.resolve({}) },
    'pending',
  ],
  ['a list of models of the upstream is sent on', MODEL_LIST, { modelRoute: PLAIN }, 'proxy plain -'],
  ['a list of models without a route is refused', MODEL_LIST, {}, 'refuse no_route -'],
  [
    'a POST to /models is routed by its path',
    { path: '/models', body: null },
    { models: {}, routes: { '/models': PLAIN } },
    'proxy plain -',
  ],
  [
    'an incomplete Cursor body waits for its end',
    { isCursor: true, body: PARTIAL },
    { routes: CHAT_ROUTE },
    'wait',
  ],
  ['a chat body from Cursor without a route is refused', { isCursor: true }, {}, 'refuse no_route chat'],
  [
    'a chat body from Cursor goes where its model goes',
    { isCursor: true },
    { conversations: { m: PLAIN } },
    'proxy plain chat chat',
  ],
  [
    'a Responses body from Cursor goes where its model goes, and is read as a chat',
    { isCursor: true, body: RESPONSES },
    { conversations: { m: CHAT_ONLY } },
    'proxy chat only responses chat',
  ],
  [
    'a Responses body without any route is refused',
    { isCursor: true, body: RESPONSES },
    { conversations: { other: PLAIN } },
    'refuse no_route responses',
  ],
  [
    'a Messages body from Cursor goes where its model goes, and is read as a chat',
    { isCursor: true, body: MESSAGES },
    { conversations: { m: CHAT_ONLY } },
    'proxy chat only messages chat',
  ],
  [
    'a Messages body without any route is refused',
    { isCursor: true, body: MESSAGES },
    {},
    'refuse no_route messages',
  ],
  [
    'a variant of a model goes where the model goes, by its name',
    { isCursor: true, model: 'm-thinking-high' },
    { conversations: { m: CHAT_ONLY } },
    'proxy chat only chat chat m',
  ],
  [
    'a variant is not looked for at other paths than /cursor',
    { model: 'm-high' },
    { conversations: { m: CLAUDE }, routes: CHAT_ROUTE },
    'proxy plain -',
  ],
  [
    'a field that a target cannot be sent leaves that target out',
    { isCursor: true, body: TWO_ANSWERS },
    { conversations: { m: MIXED } },
    'proxy mixed chat chat 1',
  ],
  [
    'a field that no target can be sent is refused by name',
    { isCursor: true, body: TWO_ANSWERS },
    { conversations: { m: CLAUDE } },
    'refuse unsupported_field n',
  ],
  [
    'a chat on a route that translates is fitted to its targets, and is read as a chat',
    {},
    { conversations: { m: CLAUDE }, routes: CHAT_ROUTE },
    'proxy claude chat chat',
  ],
  [
    'a Messages request on a route that translates is read as Messages',
    { path: '/messages', body: MESSAGES },
    { conversations: { m: MIXED } },
    'proxy mixed messages messages',
  ],
  [
    'a Responses request on a route that translates is read as Responses',
    { path: '/responses', body: RESPONSES },
    { conversations: { m: MIXED } },
    'proxy mixed responses responses',
  ],
  [
    'an incomplete body on a route that translates waits for its end',
    { body: PARTIAL },
    { conversations: { m: CLAUDE }, routes: CHAT_ROUTE },
    'wait',
  ],
  [
    'stored objects are never translated',
    { path: '/messages/count_tokens', body: MESSAGES },
    { conversations: { m: CLAUDE }, routes: { '/messages/count_tokens': PLAIN } },
    'proxy plain -',
  ],
  [
    'a route that does not translate sends a request as it came',
    {},
    { conversations: { m: CHAT_ONLY, other: CLAUDE }, routes: CHAT_ROUTE },
    'proxy plain -',
  ],
  [
    'a key check from Cursor is answered locally if the config says so',
    { isCursor: true, body: KEY_CHECK },
    { routes: CHAT_ROUTE, answerKeyCheck: true },
    'local 200',
  ],
  [
    'a stored object is asked for at the target that made it',
    { ...READ, body: null },
    { routes: READ_ROUTE, location: at('up2') },
    'proxy mixed 2',
  ],
  [
    'a stored object is asked for at its upstream, if no target of the route is',
    { ...READ, body: null },
    { routes: READ_ROUTE, location: at('elsewhere') },
    'proxy to elsewhere -',
  ],
  [
    'a stored object is asked for at its upstream without any route',
    { ...READ, body: null },
    { location: at('elsewhere') },
    'proxy to elsewhere -',
  ],
  [
    'a stored object of an upstream that is gone is asked for by the route',
    { ...READ, body: null },
    { routes: READ_ROUTE, location: at('gone') },
    'proxy mixed -',
  ],
  [
    'a request that goes on from a stored object goes to the target that has it',
    { path: '/responses', body: RESPONSES },
    { routes: { '/responses': MIXED }, location: at('up1', false) },
    'proxy mixed 1',
  ],
  [
    'a request that goes on from a stored object goes by its route if that has another upstream',
    { path: '/responses', body: RESPONSES },
    { routes: { '/responses': PLAIN }, location: at('elsewhere', false) },
    'proxy plain -',
  ],
  [
    'a stored object of another team is refused before its body is complete',
    { ...READ, method: 'POST', body: PARTIAL },
    { routes: READ_ROUTE, location: MISSING },
    'refuse object_not_found id',
  ],
  [
    'a request for an object that may be known in a moment is planned later',
    { ...READ, body: null },
    { routes: READ_ROUTE, location: { kind: 'behind', ids: ['file-1'], otherwise: null } },
    'later',
  ],
  [
    'its body is read to the end before',
    { ...READ, method: 'POST', body: PARTIAL },
    { routes: READ_ROUTE, location: { kind: 'behind', ids: ['file-1'], otherwise: null } },
    'wait',
  ],
  [
    'a chat from Cursor that names an object of another team is refused',
    { isCursor: true },
    { conversations: { m: PLAIN }, location: MISSING },
    'refuse object_not_found id',
  ],
  [
    'a key check from Cursor is sent on if the config says so',
    { isCursor: true, body: KEY_CHECK },
    { conversations: { m: PLAIN } },
    'proxy plain chat chat',
  ],
  [
    'a key check that does not come by /cursor is sent on',
    { body: KEY_CHECK },
    { routes: CHAT_ROUTE, answerKeyCheck: true },
    'proxy plain -',
  ],
]

for (const [title, request, fakes, expected] of CASES) {
  test(title, () => {
    assert.is(describePlan(plan(request, fakes)), expected)
  })
}

test('a request is planned later only once', () => {
  const { body, ...request } = { ...CHAT, ...READ, body: null }
  const rules = fakeRules({
    routes: READ_ROUTE,
    location: { kind: 'behind', ids: ['file-1'], otherwise: null },
  })
  assert.is(describePlan(planRequest(request, body, rules, true)), 'proxy mixed -')
})

test('a pending plan has the promise of the list', async () => {
  const pending = plan(MODEL_LIST, { models: Promise.resolve('the list') })
  assert.is(pending.kind === 'pending' ? await pending.body : null, 'the list')
})

test('the local answer to a key check names the model of the request', () => {
  const request = { isCursor: true, body: KEY_CHECK, model: 'gpt-x' }
  const local = plan(request, { answerKeyCheck: true })
  assert.is(local.kind === 'local' ? (local.body as { model: string }).model : null, 'gpt-x')
})

test.run()
