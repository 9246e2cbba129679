import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fc } from '../support/property.js'
import { load, problems } from './load.js'

const ENV = { HOOK: 'https://hooks.example.com/secret', SECRET: 's' }

type Entry = Readonly<Record<string, unknown>>

const RATE = { requestsPerMinute: 60 }

function rulesOf(...rules: unknown[]): Record<string, unknown> {
  return { limits: { rules } }
}

function problemsOf(rule: Entry): string[] {
  return problems(rulesOf({ name: 'a', ...rule }), ENV)
}

const test = suite('settings of limit rules')

/** A mistake in a rule, and what is said of it, after `limits.rules[0]`. */
const MISTAKES: ReadonlyArray<[Entry, string]> = [
  [{ ...RATE, timezone: 'Europe/Berln' }, '.timezone: is not a time zone; did you mean "Europe/Berlin"?'],
  [{ ...RATE, timezone: 'Europe/berlim' }, '.timezone: is not a time zone; did you mean "Europe/Berlin"?'],
  [{ ...RATE, timezone: 'Berlin' }, '.timezone: is not a time zone; did you mean "Europe/Berlin"?'],
  [{ ...RATE, timezone: 'New York' }, '.timezone: is not a time zone; did you mean "America/New_York"?'],
  [
    { ...RATE, timezone: 'America/New York ' },
    '.timezone: is not a time zone; did you mean "America/New_York"?',
  ],
  [{ ...RATE, timezone: 'XYZ' }, '.timezone: is not a time zone; use a name such as "Europe/Berlin"'],
  [
    { ...RATE, timezone: 'lc_prod_team1_alice_secretsecretsecretsecret' },
    '.timezone: is not a time zone; use a name such as "Europe/Berlin"',
  ],
  ...['+02:00', '-3', 'UTC+2', 'GMT-5', '2'].map((timezone): [Entry, string] => [
    { ...RATE, timezone },
    '.timezone: is an offset, which has no summer time; use a name such as "Europe/Berlin"',
  ]),
  [{ usd: 5 }, '.usd: must be an object { } with hour, day, week, month'],
  [{ tokens: '5' }, '.tokens: must be an object { } with hour, day, week, month'],
  [{ models: ['gpt-*'] }, '.models: must be an object { } with allow, deny'],
  [{ ...RATE, match: 'alice' }, '.match: must be an object { } with key, user, team, env, model, path, tag'],
  [{ usd: { day: '5' } }, '.usd.day: must be a number, without quotes'],
  [{ usd: { day: '5 dollars' } }, '.usd.day: must be a number'],
  [{ concurrent: '5' }, '.concurrent: must be a number, without quotes'],
  [{ tokens: { day: 1e16 } }, '.tokens.day: must be at most 9007199254740991'],
  [{ usd: { day: 1e-10 } }, '.usd.day: is less than a billionth of a dollar'],
  [{ rpm: 60 }, '.rpm: unknown setting; did you mean requestsPerMinute?'],
  [{ TPM: 60 }, '.TPM: unknown setting; did you mean tokensPerMinute?'],
  [{ tpm_limit: 60 }, '.tpm_limit: unknown setting; did you mean tokensPerMinute?'],
  [{ max_parallel_requests: 6 }, '.max_parallel_requests: unknown setting; did you mean concurrent?'],
  [{ max_budget: 60 }, '.max_budget: unknown setting; did you mean usd?'],
  [{ models: { denied: 'x' } }, '.models.denied: unknown setting; did you mean deny?'],
  [{ ...RATE, message: 'x'.repeat(501) }, '.message: must be at most 500 characters long'],
  ...['a\nb', 'a\u2028b', 'a\u2029b', '\u202etxt', '\u2066x', '\ud800'].map((message): [Entry, string] => [
    { ...RATE, message },
    '.message: must be one line of text, without characters that turn its direction',
  ]),
  [
    { ...RATE, match: { path: '/v1/messages?beta=true' } },
    '.match.path: matches no request: a path has no query and no spaces here',
  ],
]

for (const [rule, problem] of MISTAKES)
  test(`${JSON.stringify(rule).slice(0, 80)} is a mistake`, () => {
    assert.equal(problemsOf(rule), [`limits.rules[0]${problem}`])
  })

test('a number beyond all limits is no missing number', () => {
  const text = '{"limits":{"rules":[{"name":"a","usd":{"day":1e400},"concurrent":-1e400}]}}'
  assert.equal(problems(text, ENV), [
    'limits.rules[0].concurrent: is a number beyond all limits',
    'limits.rules[0].usd.day: is a number beyond all limits',
  ])
})

test('a list that is too long is said to have too many entries', () => {
  const rules = Array.from({ length: 1_001 }, (_, i) => ({ name: `r${i}`, ...RATE }))
  assert.equal(problems(rulesOf(...rules), ENV), ['limits.rules: must have at most 1000 entries'])
})

test('an unknown setting of one of several forms gets the settings of these forms', () => {
  assert.equal(problems({ limits: { unpriced: { input: 1, output: 2, cached: 1 } } }, ENV), [
    'limits.unpriced.cached: unknown setting; settings here: input, output',
  ])
})

test('a file in UTF-16, and one with comments, are said to be that', () => {
  const rules = JSON.stringify(rulesOf({ name: 'a', ...RATE }))
  assert.equal(problems(`// mine\n${rules}`, ENV), [': is not JSON, which has no comments; remove them'])
  assert.equal(problems(`\ufeff${rules}`.split('').join('\0'), ENV), [
    ': is not UTF-8; save it with that encoding',
  ])
  assert.equal(problems(`\ufeff${rules.replaceAll('{', '{\r\n')}`, ENV), [])
})

test('each time zone that Node lists is one, and a letter too few is found again', () => {
  fc.assert(
    fc.property(fc.constantFrom(...Intl.supportedValuesOf('timeZone')), fc.nat(), (timezone, n) => {
      assert.equal(problemsOf({ ...RATE, timezone }), [])
      const at = timezone.indexOf('/') + 1 + (n % (timezone.length - timezone.indexOf('/') - 1))
      const mistyped = timezone.slice(0, at) + timezone.slice(at + 1)
      for (const problem of problemsOf({ ...RATE, timezone: mistyped }))
        assert.match(problem, /^limits\.rules\[0\]\.timezone: is not a time zone; did you mean "[\w/+-]+"\?$/)
    }),
    { numRuns: 40 },
  )
})

const DOUBTS: ReadonlyArray<[string, Record<string, unknown>, string[]]> = [
  [
    'patterns of models in the language of others',
    {
      rules: [
        { name: 'a', ...RATE, match: { model: ['gpt-?', 'gpt-5'] } },
        { name: 'b', models: { deny: 'claude-opus-*,o3' } },
        { name: 'c', models: { allow: ['/gpt.*$/', ' gpt-5'] } },
        { name: 'd', models: { deny: ['!gpt-5'] } },
      ],
    },
    [
      'limits.rules[0].match.model[0]: matches no usual name of a model; only * stands for other characters',
      'limits.rules[1].models.deny: is one pattern; several are a list: ["gpt-*", "o3"]',
      'limits.rules[2].models.allow[0]: matches no usual name of a model; only * stands for other characters',
      'limits.rules[2].models.allow[1]: matches no usual name of a model, as these have no spaces',
      'limits.rules[3].models.deny: matches no usual name of a model; only * stands for other characters',
    ],
  ],
  [
    'a webhook without shares',
    { alerts: { url: { env: 'HOOK' }, secret: { env: 'SECRET' }, at: [] } },
    ['limits.alerts.at: has no share, so that the webhook is never called'],
  ],
  [
    'models without a price that cost nothing',
    { unpriced: { input: 0, output: 0 } },
    ['limits.unpriced: makes models without a price free for all budgets of money'],
  ],
  [
    'names that models really have',
    {
      rules: [
        {
          name: 'a',
          ...RATE,
          match: {
            model: [
              'gpt-4o-2024-08-06',
              'ft:gpt-4o-mini:org::id',
              'anthropic.claude-3-5-sonnet-20240620-v1:0',
              'meta-llama/Llama-3.3-70B-Instruct',
              'publishers/google/models/gemini-2.0-flash@001',
              'cohere/command-r+',
              'qwen2.5:7b_q4',
              '~x',
            ],
          },
        },
      ],
    },
    [],
  ],
]

for (const [what, limits, warnings] of DOUBTS)
  test(`warnings: ${what}`, () => {
    assert.equal([...load({ limits }, ENV).warnings], warnings)
  })

test.run()
