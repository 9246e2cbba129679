import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { load, problems } from './load.js'

type Entry = Readonly<Record<string, unknown>>

const ENV = { UP_KEY: 'k', SECRET: 's' }

/** Rules of these entries, each with a name of its own. */
function settingsOf(rules: readonly Entry[], more: Record<string, unknown> = {}): Record<string, unknown> {
  const named = rules.map((rule, i) => ({ name: `r${i}`, ...rule }))
  return {
    upstreams: { up: { baseUrl: 'https://api.example.com/v1', apiKey: { env: 'UP_KEY' } } },
    limits: { rules: named },
    ...more,
  }
}

function warningsOf(rules: readonly Entry[], more: Record<string, unknown> = {}): string[] {
  return [...load(settingsOf(rules, more), ENV).warnings]
}

const test = suite('doubts about limit rules')

const SENSIBLE: ReadonlyArray<[string, Entry[]]> = [
  [
    'the example of the documentation',
    [
      {
        match: { team: 'team1' },
        per: 'pool',
        usd: { month: 500, day: 60 },
        timezone: 'Europe/Berlin',
        message: 'Ask platform@ for more.',
      },
      { match: {}, per: 'user', requestsPerMinute: 120, tokensPerMinute: 400_000, concurrent: 20 },
      {
        match: { user: 'intern-*', model: ['gpt-*-mini', 'claude-haiku-*'] },
        per: 'key',
        usd: { week: 5 },
        observe: true,
      },
      { match: { env: 'dev' }, models: { deny: ['claude-opus-*'] } },
    ],
  ],
  [
    'budgets that become smaller from all to a user',
    [
      { usd: { month: 5_000 } },
      { per: 'team', usd: { month: 500 } },
      { per: 'user', usd: { month: 50, week: 20, day: 10, hour: 5 } },
      { per: 'key', usd: { month: 20 } },
    ],
  ],
  [
    'a smaller amount that is tried out beside one that is in force',
    [
      { per: 'user', requestsPerMinute: 120 },
      { per: 'user', requestsPerMinute: 60, observe: true },
    ],
  ],
  [
    'a rule that only observes and is wider and smaller than one that is in force',
    [
      { usd: { day: 5 }, observe: true },
      { per: 'user', usd: { day: 10 } },
    ],
  ],
  [
    'the same amount for each user, and for each env: a user may have keys in two',
    [
      { per: 'user', usd: { day: 10 } },
      { per: 'env', usd: { day: 10 } },
    ],
  ],
  [
    'the same amounts in zones whose days begin at other times',
    [
      { usd: { day: 10 }, timezone: 'Europe/Berlin' },
      { usd: { day: 10 }, timezone: 'America/Sao_Paulo' },
    ],
  ],
  [
    'the same amounts for other requests',
    [
      { match: { team: 'a' }, usd: { day: 10 } },
      { match: { team: 'b' }, usd: { day: 10 } },
      { match: { user: 'a/x' }, usd: { day: 10 } },
      { match: { user: 'b/*' }, usd: { day: 20 } },
      { match: { model: 'gpt-*' }, usd: { day: 10 } },
      { match: { path: '/v1/chat/*', tag: 'project=*' }, usd: { day: 10 } },
    ],
  ],
  ['a week with more than a month, which may lie in two', [{ usd: { week: 60, month: 50 } }]],
  ['the same amount for a day and a month', [{ usd: { day: 50, month: 50 } }]],
  [
    'a rate with a smaller burst beside a larger rate',
    [
      { requestsPerMinute: 60, requestBurst: 10 },
      { per: 'user', requestsPerMinute: 50 },
    ],
  ],
  ['tokens and money', [{ usd: { day: 1 }, tokens: { hour: 1_000_000 } }]],
  [
    'a model that is allowed where the others are not',
    [
      { match: { model: 'claude-*' }, models: { allow: 'claude-haiku-*' }, usd: { day: 1 } },
      { match: { model: 'claude-opus-*' }, models: { deny: '*' } },
    ],
  ],
  [
    'all forms of patterns',
    [
      {
        match: {
          key: ['k_0123456789', 'k_01*', '*', 'k*', '*9', 'k_*89'],
          user: ['alice', 'team1/*', '*-bot', '*/alice', 'a*/b*'],
          team: ['t-1', '*'],
          env: 'prod',
          path: ['/v1/*', '*/chat/completions', '*completions'],
          tag: ['project=a*', 'project*', '*=a'],
        },
        concurrent: 5,
      },
    ],
  ],
]

for (const [what, rules] of SENSIBLE)
  test(`no doubt: ${what}`, () => {
    assert.equal(warningsOf(rules), [])
  })

const DOUBTFUL: ReadonlyArray<[string, Entry[], string[]]> = [
  [
    'a day above a month',
    [{ usd: { day: 600, month: 500 } }],
    ['limits.rules[0].usd.day: is never reached, as the month has less: usd.month'],
  ],
  [
    'an hour above a day, in tokens',
    [{ tokens: { hour: 20_000, day: 10_000 } }],
    ['limits.rules[0].tokens.hour: is never reached, as the day has less: tokens.day'],
  ],
  [
    'a week above two months',
    [{ usd: { week: 101, month: 50 } }],
    ['limits.rules[0].usd.week: is never reached, as the month has less: usd.month'],
  ],
  [
    'two rules with the same match, and another amount',
    [
      { match: { team: 'a' }, per: 'user', usd: { month: 100 } },
      { match: { team: ['a'] }, per: 'user', usd: { month: 50 } },
    ],
    [
      'limits.rules[0].usd.month: is never reached first: limits.rules[1].usd.month (r1) counts the same requests and allows less',
    ],
  ],
  [
    'two rules that are the same',
    [
      { per: 'user', concurrent: 5 },
      { per: 'user', concurrent: 5 },
    ],
    [
      'limits.rules[1].concurrent: is never reached first: limits.rules[0].concurrent (r0) counts the same requests and has the same amount',
    ],
  ],
  [
    'an exception that is none, as all rules have to pass',
    [
      { per: 'user', requestsPerMinute: 60 },
      { match: { user: 'ci-bot' }, per: 'user', requestsPerMinute: 600 },
    ],
    [
      'limits.rules[1].requestsPerMinute: is never reached first: limits.rules[0].requestsPerMinute (r0) counts these requests, too, and allows less',
    ],
  ],
  [
    'a pool that is smaller than what each of its users has',
    [
      { match: { team: 'a' }, tokensPerMinute: 10_000, tokens: { month: 1_000_000 } },
      { match: { user: 'x', team: 'a' }, per: 'key', tokensPerMinute: 20_000, tokens: { day: 2_000_000 } },
    ],
    [
      'limits.rules[1].tokensPerMinute: is never reached first: limits.rules[0].tokensPerMinute (r0) counts these requests, too, and allows less',
      'limits.rules[1].tokens.day: is never reached first: limits.rules[0].tokens.month (r0) counts these requests, too, and allows less',
    ],
  ],
  [
    'a user of any team, and one of a team',
    [
      { match: { user: 'alice' }, usd: { day: 1 } },
      { match: { user: 'team1/alice' }, usd: { day: 2 } },
    ],
    [
      'limits.rules[1].usd.day: is never reached first: limits.rules[0].usd.day (r0) counts these requests, too, and allows less',
    ],
  ],
  [
    'three rules that are the same, each named once',
    [{ concurrent: 5 }, { concurrent: 5 }, { concurrent: 5 }],
    [
      'limits.rules[1].concurrent: is never reached first: limits.rules[0].concurrent (r0) counts the same requests and has the same amount',
      'limits.rules[2].concurrent: is never reached first: limits.rules[0].concurrent (r0) counts the same requests and has the same amount',
    ],
  ],
  [
    'a rule that only observes what is in force',
    [
      { per: 'user', usd: { day: 1 }, observe: true },
      { per: 'user', usd: { day: 1 } },
    ],
    [
      'limits.rules[0].usd.day: is never reached first: limits.rules[1].usd.day (r1) counts the same requests and has the same amount',
    ],
  ],
  [
    'bursts',
    [{ requestsPerMinute: 1, requestBurst: 61, tokensPerMinute: 5_000, tokenBurst: 999 }],
    [
      'limits.rules[0].requestBurst: takes more than 60 minutes to come back; a budget for an hour or a day may be meant',
      'limits.rules[0].tokenBurst: is less than most requests use; each of them waits until all 999 tokens are back',
    ],
  ],
  [
    'a rate of tokens that is smaller than a request',
    [{ tokensPerMinute: 500 }],
    [
      'limits.rules[0].tokensPerMinute: is less than most requests use; each of them waits until all 500 tokens are back',
    ],
  ],
  [
    'more requests in flight than a key may have at all',
    [{ per: 'key', concurrent: 1_001 }, { concurrent: 10_001 }],
    [
      'limits.rules[0].concurrent: is never reached: limits.maxConcurrentRequestsPerKey is 1000',
      'limits.rules[1].concurrent: is never reached: limits.maxConcurrentRequests is 10000',
    ],
  ],
  [
    'a model that is allowed and denied by another pattern',
    [{ models: { allow: ['claude-*', 'gpt-5'], deny: ['gpt-*'] } }],
    ['limits.rules[0].models.allow[1]: is never allowed, as models.deny covers it'],
  ],
  [
    'amounts for models that the rule denies',
    [{ match: { model: 'claude-opus-*' }, models: { deny: ['claude-*'] }, usd: { day: 1 } }],
    [
      'limits.rules[0].match.model: models.deny refuses all of these models, so that the amounts of the rule count nothing',
    ],
  ],
  [
    'amounts for models that another rule denies',
    [
      { match: { model: 'claude-opus-*', env: 'dev' }, usd: { day: 1 } },
      { match: { env: 'd*' }, models: { deny: ['claude-opus-*'] } },
    ],
    [
      'limits.rules[0].match.model: limits.rules[1].models.deny (r1) refuses all of these models, so that the rule counts nothing',
    ],
  ],
]

for (const [what, rules, expected] of DOUBTFUL)
  test(`a warning: ${what}`, () => {
    assert.equal(warningsOf(rules), expected)
  })

const WRONG: ReadonlyArray<[Entry, string[]]> = [
  [
    { models: { allow: ['claude-*', 'gpt-*'], deny: ['gpt-*'] } },
    ['limits.rules[0].models.deny: is in models.allow, too; remove it from one of them'],
  ],
  ...(['team', 'env'] as const).flatMap(
    (field): Array<[Entry, string[]]> => [
      [
        { match: { [field]: 'Team1' } },
        [`limits.rules[0].match.${field}: matches no key: they have only a to z, 0 to 9 and "-" there`],
      ],
      [
        { match: { [field]: ['ok', 'team_1'] } },
        [`limits.rules[0].match.${field}[1]: matches no key: they have only a to z, 0 to 9 and "-" there`],
      ],
      [
        { match: { [field]: `${'x'.repeat(33)}*` } },
        [`limits.rules[0].match.${field}: matches no key: they have at most 32 characters there`],
      ],
    ],
  ),
  [
    { match: { user: 'alice@example.com' } },
    ['limits.rules[0].match.user: matches no key: they have only a to z, 0 to 9 and "-" there'],
  ],
  [
    { match: { user: ['a/b/c', '/b', 'a/'] } },
    ['a/b/c', '/b', 'a/'].map(
      (_, i) => `limits.rules[0].match.user[${i}]: matches no key: a user is NAME or TEAM/NAME`,
    ),
  ],
  [
    { match: { key: ['alice', 'k_0123', 'k_01234567890*', 'K_*', 'x*', 'k_g*', '*x'] } },
    ['alice', 'k_0123', 'k_01234567890*', 'K_*', 'x*', 'k_g*', '*x'].map(
      (_, i) =>
        `limits.rules[0].match.key[${i}]: matches no key: give an id such as k_0123456789 (thinwire keys list)`,
    ),
  ],
  [
    { match: { key: 'lc_prod_team1_user1_7QfT2aXw9Lk4ZrB3vNcE1u04i5bl' } },
    ['limits.rules[0].match.key: matches no key: give an id such as k_0123456789 (thinwire keys list)'],
  ],
  [
    { match: { path: ['v1/chat/completions', 'chat*'] } },
    ['v1/chat/completions', 'chat*'].map(
      (_, i) =>
        `limits.rules[0].match.path[${i}]: matches no request: paths begin with "/", such as /v1/chat/completions`,
    ),
  ],
  [
    { match: { tag: 'project' } },
    ['limits.rules[0].match.tag: matches no tag: write NAME=VALUE, such as project=*'],
  ],
]

for (const [rule, expected] of WRONG)
  test(`a mistake: ${JSON.stringify(rule)}`, () => {
    const found = problems(settingsOf([{ concurrent: 5, ...rule }]), ENV)
    assert.equal(found, expected)
  })

for (const mode of ['off', 'passthrough'])
  test(`rules by keys with keys.mode ${mode} are warned of`, () => {
    const rules = [
      { match: { team: 'a', env: 'b' }, concurrent: 5 },
      { per: 'user', concurrent: 6 },
      { match: { model: 'm' }, concurrent: 7 },
    ]
    assert.equal(warningsOf(rules, { keys: { mode } }), [
      `limits.rules[0].match.team: no request matches: with keys.mode ${mode} there are no keys`,
      `limits.rules[0].match.env: no request matches: with keys.mode ${mode} there are no keys`,
      `limits.rules[1].per: all requests share one counter: with keys.mode ${mode} there are no keys`,
    ])
  })

test('a webhook without a secret is warned of', () => {
  const alerts = { url: 'https://hooks.example.com/a' }
  const settings = settingsOf([])
  assert.equal(load({ ...settings, limits: { alerts } }, ENV).warnings, [
    'limits.alerts.secret: is not set; the webhook cannot tell who calls it',
  ])
  assert.equal(
    load({ ...settings, limits: { alerts: { ...alerts, secret: { env: 'SECRET' } } } }, ENV).warnings,
    [],
  )
})

test('two hundred rules that are the same have one warning each', () => {
  const rules = Array.from({ length: 200 }, () => ({ per: 'user', usd: { day: 1 }, requestsPerMinute: 60 }))
  assert.is(warningsOf(rules).length, 2 * 199)
})

test.run()
