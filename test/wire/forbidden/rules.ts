import * as assert from 'uvu/assert'
import { limitKeys } from '../../support/limit-keys.js'
import { post, startRelay, type TestRelay } from '../../support/relay.js'
import { type Received, ScriptedUpstream, whole } from '../../support/upstream.js'
import { readModels, readPaths } from './readings.js'

export const OPEN = 'open-1'
export const SECRET = 'secret-1'

/** A rule that forbids a model or a path to the relay's own key. */
export interface RuleKind {
  readonly name: string
  readonly settings: Record<string, unknown>
  /** Patterns of the key's models; null for all. */
  readonly models: readonly string[] | null
  /** A plain request for the secret model comes first. */
  readonly spends?: boolean
  /** Names of doors that the rule leaves open for the allowed model. */
  readonly opens: readonly string[]
  /** Whether a request must not have come to the upstream `up`. */
  forbids(request: Received): boolean
}

const MODEL_DOORS = [
  ...[
    'chat',
    'completions',
    'responses',
    'messages',
    'embeddings',
    'moderations',
    'images',
    'gemini',
    'azure',
  ],
  ...['audio', 'edits', 'cursor', 'runs', 'claude batches', 'client secrets'],
]

const runsSecret = (request: Received): boolean => {
  const models = readModels(request)
  return models.has(SECRET) || models.has('real-secret')
}

/** No API has a model in requests of these paths, so that what is called so there means nothing. */
const hasNoModel = (request: Received): boolean =>
  [...readPaths(request.target)].some((path) => /^\/v1\/(?:files|batches)$/.test(path))

/** `/v1/files` may be read by none of these rules, and other paths with a model may run it. */
const isElsewhere = (request: Received): boolean =>
  /\/(?:files|batches|unheard\/of)$/.test([...readPaths(request.target)].join(' '))

const forbidsUnknown = (request: Received): boolean =>
  (runsSecret(request) && !hasNoModel(request)) ||
  /\/(?:batches|unheard\/of)$/.test([...readPaths(request.target)].join(' '))

export const RULES: readonly RuleKind[] = [
  {
    name: 'a route for a model',
    settings: { routes: [{ model: 'open-*', upstream: 'up' }] },
    models: null,
    opens: MODEL_DOORS,
    forbids: (request) => runsSecret(request) || isElsewhere(request),
  },
  {
    name: 'a route for another team',
    settings: {
      routes: [
        { team: 'other', model: 'secret-*', upstream: 'private' },
        { model: 'open-*', upstream: 'up' },
      ],
    },
    models: null,
    opens: MODEL_DOORS,
    forbids: (request) => runsSecret(request) || isElsewhere(request),
  },
  {
    name: 'a private model before any other',
    settings: {
      routes: [{ model: 'secret-*', team: 'team1', upstream: 'private' }, { upstream: 'up' }],
    },
    models: null,
    opens: [...MODEL_DOORS, 'batches', 'files'],
    forbids: (request) => runsSecret(request) && !hasNoModel(request),
  },
  {
    name: 'a route for a path',
    settings: { routes: [{ path: ['/embeddings', '/embeddings/*'], upstream: 'up' }] },
    models: null,
    opens: ['embeddings'],
    forbids: (request) => [...readPaths(request.target)].some((path) => !path.startsWith('/v1/embeddings')),
  },
  {
    name: 'an alias of another team',
    settings: {
      routes: [{ path: '/never', upstream: 'up' }],
      models: {
        [OPEN]: { upstream: 'up', model: 'real-open' },
        [SECRET]: { upstream: 'up', model: 'real-secret', team: 'other' },
      },
    },
    models: null,
    opens: MODEL_DOORS,
    forbids: (request) => runsSecret(request) || isElsewhere(request),
  },
  {
    name: 'the models of the key',
    settings: { routes: [{ upstream: 'up' }] },
    models: ['open-*'],
    opens: [...MODEL_DOORS, 'files'],
    forbids: forbidsUnknown,
  },
  ...[
    { name: 'a limit rule that allows some models', rule: { models: { allow: 'open-*' } } },
    { name: 'a limit rule that denies some models', rule: { models: { deny: 'secret-*' } } },
    {
      name: 'a limit rule that denies some models of a team and a path',
      rule: { match: { team: 'team1', path: '*' }, models: { deny: ['never', 'secret-*'] } },
    },
  ].map(({ name, rule }) => ({
    name,
    settings: { routes: [{ upstream: 'up' }], limits: { rules: [{ name: 'models', ...rule }] } },
    models: null,
    opens: [...MODEL_DOORS, 'files'],
    forbids: forbidsUnknown,
  })),
  {
    name: 'a limit rule whose budget for a model is used up',
    settings: {
      routes: [{ upstream: 'up' }],
      limits: { rules: [{ name: 'spent', match: { model: 'secret-*' }, tokens: { month: 1 } }] },
    },
    models: null,
    spends: true,
    opens: [...MODEL_DOORS, 'files'],
    forbids: (request) =>
      (runsSecret(request) && !hasNoModel(request)) ||
      [...readPaths(request.target)].some((path) => path === '/v1/batches'),
  },
  {
    name: 'a limit rule that denies the model of a target',
    settings: {
      routes: [{ path: '/never', upstream: 'up' }],
      models: {
        [OPEN]: { upstream: 'up', model: 'real-open' },
        [SECRET]: { upstream: 'up', model: 'real-secret' },
      },
      limits: { rules: [{ name: 'models', models: { deny: 'real-secret' } }] },
    },
    models: null,
    opens: MODEL_DOORS,
    // What names models below its top level is sent as it came: the name of an alias is none of the upstream's there.
    forbids: (request) =>
      readModels(request).has('real-secret') ||
      (!/messages\/batches|client_secrets/.test(request.target) &&
        (runsSecret(request) || isElsewhere(request))),
  },
]

export interface Scene {
  readonly relay: TestRelay
  readonly up: ScriptedUpstream
  readonly private: ScriptedUpstream
}

/** Runs a relay with two upstreams, of which the second is for others. */
export async function withRule(
  { settings, models, spends = false }: Pick<RuleKind, 'settings' | 'models' | 'spends'>,
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const used = '{"usage":{"prompt_tokens":5,"completion_tokens":5,"total_tokens":10}}'
  const answer = (request: Received): Promise<void> =>
    request.write(whole('200 OK', spends ? used : '{}', 'content-type: application/json'))
  const up = await ScriptedUpstream.start(answer)
  const secret = await ScriptedUpstream.start(answer)
  const relay = await startRelay({ up: { baseUrl: up.url }, private: { baseUrl: secret.url } }, settings)
  try {
    limitKeys(relay, models)
    if (spends) {
      const asked = await post(
        relay,
        '/v1/chat/completions',
        `{"model":"${SECRET}","messages":[{"role":"user","content":"hi"}]}`,
      )
      assert.is(asked.status, 200)
      await relay.records(1)
      up.requests.length = 0
    }
    await act({ relay, up, private: secret })
  } finally {
    await relay.close()
    await up.close()
    await secret.close()
  }
}
