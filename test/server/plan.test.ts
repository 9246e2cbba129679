import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Route } from '../../src/routing/route.js'
import { type Plan, type PlanRequest, type PlanRules, planRequest } from '../../src/server/plan.js'
import type { Upstream } from '../../src/upstream/upstream.js'

/** A route to one upstream. @param asksUsage the relay adds a usage option to requests of the upstream */
function fakeRoute(id: string, asksUsage = false): Route<Upstream> {
  return { id, targets: [{ upstream: { asksUsage: () => asksUsage } }] } as unknown as Route<Upstream>
}

const PLAIN = fakeRoute('plain')
const ASKS_USAGE = fakeRoute('asks usage', true)

interface Fakes {
  /** Routes by path. */
  readonly routes?: Readonly<Record<string, Route<Upstream>>>
  /** What the relay itself answers to `/models`. */
  readonly models?: unknown
  readonly modelRoute?: Route<Upstream> | null
  readonly answerKeyCheck?: boolean
  readonly mayCache?: boolean
}

function fakeRules({ routes = {}, models = null, modelRoute = null, ...rest }: Fakes): PlanRules {
  return {
    router: { findRoute: (path) => routes[path] ?? null },
    models: { answer: () => models, routeFor: () => modelRoute },
    answerKeyCheck: rest.answerKeyCheck ?? false,
    mayCache: () => rest.mayCache ?? false,
  }
}

const CHAT: PlanRequest = {
  method: 'POST',
  path: '/chat/completions',
  isCursor: false,
  model: 'm',
  team: null,
  body: completeBody({ model: 'm', messages: [{ role: 'user', content: 'hi' }] }),
}

function completeBody(value: unknown): PlanRequest['body'] {
  return { isComplete: true, join: () => Buffer.from(JSON.stringify(value)) }
}

const PARTIAL: PlanRequest['body'] = {
  isComplete: false,
  join: () => {
    throw new Error('an incomplete body was joined')
  },
}

/** The parts of a plan that a table can name. */
function describePlan(plan: Plan): string {
  switch (plan.kind) {
    case 'wait':
    case 'pending':
      return plan.kind
    case 'local':
      return `local ${plan.status}`
    case 'refuse':
      return `refuse ${plan.code} ${plan.bodyApi ?? '-'}`
    case 'proxy':
      return `proxy ${plan.route.id} ${plan.outbound === null ? '-' : `${plan.outbound.api} ${plan.outbound.path}`}`
  }
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
const MODEL_LIST = { method: 'GET', path: '/models', body: null } as const
const CHAT_ROUTE = { '/chat/completions': PLAIN }

const CASES: readonly (readonly [string, Partial<PlanRequest>, Fakes, string])[] = [
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
  [
    'a chat body from Cursor goes to chat',
    { isCursor: true },
    { routes: CHAT_ROUTE },
    'proxy plain chat /chat/completions',
  ],
  ['a chat body from Cursor without a route is refused', { isCursor: true }, {}, 'refuse no_route chat'],
  [
    'a Responses body from Cursor goes to the Responses API',
    { isCursor: true, body: RESPONSES },
    { routes: { '/responses': PLAIN } },
    'proxy plain responses /responses',
  ],
  [
    'a Responses body from Cursor becomes a chat where only chat has a route',
    { isCursor: true, body: RESPONSES },
    { routes: CHAT_ROUTE },
    'proxy plain responses /chat/completions',
  ],
  [
    'a Responses body without any route is refused',
    { isCursor: true, body: RESPONSES },
    {},
    'refuse no_route responses',
  ],
  [
    'a Messages body from Cursor goes to the Messages API',
    { isCursor: true, body: MESSAGES },
    { routes: { '/messages': PLAIN } },
    'proxy plain messages /messages',
  ],
  [
    'a Messages body from Cursor becomes a chat where only chat has a route',
    { isCursor: true, body: MESSAGES },
    { routes: CHAT_ROUTE },
    'proxy plain messages /chat/completions',
  ],
  [
    'a Messages body without any route is refused',
    { isCursor: true, body: MESSAGES },
    {},
    'refuse no_route messages',
  ],
  [
    'a key check from Cursor is answered locally if the config says so',
    { isCursor: true, body: KEY_CHECK },
    { routes: CHAT_ROUTE, answerKeyCheck: true },
    'local 200',
  ],
  [
    'a key check from Cursor is sent on if the config says so',
    { isCursor: true, body: KEY_CHECK },
    { routes: CHAT_ROUTE },
    'proxy plain chat /chat/completions',
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
    assert.is(describePlan(planRequest({ ...CHAT, ...request }, fakeRules(fakes))), expected)
  })
}

test('a pending plan has the promise of the list', async () => {
  const plan = planRequest({ ...CHAT, ...MODEL_LIST }, fakeRules({ models: Promise.resolve('the list') }))
  assert.is(plan.kind === 'pending' ? await plan.body : null, 'the list')
})

test('the local answer to a key check names the model of the request', () => {
  const request = { ...CHAT, isCursor: true, body: KEY_CHECK, model: 'gpt-x' }
  const plan = planRequest(request, fakeRules({ answerKeyCheck: true }))
  assert.is(plan.kind === 'local' ? (plan.body as { model: string }).model : null, 'gpt-x')
})

test.run()
