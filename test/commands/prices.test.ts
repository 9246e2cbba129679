import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runPrices } from '../../src/commands/prices.js'
import { loadDestinations, locatePrices } from '../../src/config/config.js'
import { AS_OF } from '../../src/ledger/price-table.js'
import { clear, open, type Place, Thinwire } from '../support/thinwire.js'

interface Context {
  folder: string
}

const test = suite<Context>('thinwire prices')

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'prices-'))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

const LLAMA = {
  litellm_provider: 'groq',
  input_cost_per_token: 5.9e-7,
  output_cost_per_token: 7.9e-7,
  input_cost_per_token_flex: 3e-7,
  input_cost_per_token_above_128k_tokens: 6e-7,
  search_context_cost_per_query: 0.005,
}

const PRICES = {
  sample_spec: { input_cost_per_token: 'a number' },
  'groq/llama-9': LLAMA,
  old: { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 },
  picture: { output_cost_per_image: 0.04 },
}

const NEXT = {
  'groq/llama-9': { ...LLAMA, input_cost_per_token: 5e-7, cache_read_input_token_cost: 1e-7 },
  new: { input_cost_per_token: 1e-6, output_cost_per_token: 2e-6 },
}

const UPSTREAMS = { g: { preset: 'groq' }, gpu: { baseUrl: 'https://gpu.example/v1' } }

class Page extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

interface Ran {
  readonly code: number
  readonly out: string
  readonly err: string
}

/** Runs the command in a folder with these files; a text is written as it is. */
function runIn({ folder }: Context, files: Readonly<Record<string, unknown>>, ...args: string[]): Ran {
  const [out, err] = [new Page(), new Page()]
  for (const [name, content] of Object.entries(files))
    writeFileSync(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content))
  const source = (file: string | undefined) => ({ file, env: {}, cwd: folder })
  const code = runPrices(args, {
    ...{ out, err },
    setting: (file) => locatePrices(source(file)),
    load: (file) => loadDestinations(source(file)),
  })
  for (const line of `${out.text}${err.text}`.split('\n'))
    assert.ok(line.length <= 80 || /^\{|--help/.test(line) || line.includes(folder), line)
  return { code, out: out.text, err: err.text }
}

const WITH_FILE = {
  'thinwire.json': { upstreams: UPSTREAMS, ledger: { prices: 'prices.json' } },
  'prices.json': PRICES,
}

/** The text with single spaces. */
function flat(text: string): string {
  return text.replaceAll(/ +/g, ' ')
}

test('a model is explained with its entry, its tiers, and the rates of each size of prompt', (context) => {
  const { code, out } = runIn(context, WITH_FILE, 'explain', 'llama-9', '--upstream', 'g')
  assert.is(code, 0)
  assert.is(
    flat(out),
    `llama-9 at the upstream g
entry groq/llama-9 of prices.json
tier standard; it has others: flex

other prompts USD for
input 0.59 1M tokens
output 0.79 1M tokens
search 0.005 one

above 128,000 tokens USD for
input 0.6 1M tokens
output 0.79 1M tokens
search 0.005 one
`,
  )
})

test('a built-in price is reported with its date, also by a name with a version', (context) => {
  const { code, out } = runIn(context, {}, 'explain', 'claude-haiku-4-5-20251001')
  assert.is(code, 0)
  assert.is(
    flat(out),
    `claude-haiku-4-5-20251001
entry claude-haiku-4-5 of the built-in table (${AS_OF})
tier standard; it has others: none

prompts of any size USD for
input 1 1M tokens
cache read 0.1 1M tokens
cache write 1.25 1M tokens
cache write, 1 h 2 1M tokens
output 5 1M tokens
search 0.01 one
`,
  )
})

test('a usage is billed kind by kind, and the sum is that of the record', (context) => {
  const usage = {
    ...{ prompt_tokens: 1_234, cached_tokens: 1_000, completion_tokens: 100, searches: 2 },
    ...{ writer: 'a whole record may be given', cost_usd: 7 },
  }
  const args = ['explain', 'llama-9', '--upstream', 'g', '--usage', JSON.stringify(usage)]
  const { code, out } = runIn(context, WITH_FILE, ...args)
  assert.is(code, 0)
  assert.is(
    flat(out),
    `llama-9 at the upstream g
entry groq/llama-9 of prices.json
tier standard

 number USD USD
input 234 0.59 / 1M 0.00013806
cache read 1,000 0.59 / 1M 0.00059
output 100 0.79 / 1M 0.000079
search 2 0.005 / 1 0.01

sum 0.01080706
`,
  )
  const json = JSON.parse(runIn(context, WITH_FILE, ...args, '--json').out)
  assert.is(json.cost_usd, 0.01080706)
  assert.equal(json.bills, [
    { above: 0, counts: { input: 234, cacheRead: 1_000, output: 100, request: 1, search: 2 } },
  ])
  assert.is(json.rates[0].cacheRead, '0.00000059')
  assert.equal([json.entry, json.source, json.provider], ['groq/llama-9', 'prices.json', 'groq'])
})

for (const [provider, usage, cost] of [
  [
    'OpenAI',
    { prompt_tokens: 100, completion_tokens: 10, prompt_tokens_details: { cached_tokens: 40 } },
    0.00031,
  ],
  ['Anthropic', { input_tokens: 60, cache_read_input_tokens: 40, output_tokens: 10 }, 0.00031],
  ['Gemini', { promptTokenCount: 100, cachedContentTokenCount: 40, candidatesTokenCount: 10 }, 0.00031],
  [
    'a whole response',
    { id: 'r', usage: { input_tokens: 100, output_tokens: 10, input_tokens_details: { cached_tokens: 40 } } },
    0.00031,
  ],
] as const)
  test(`the usage of ${provider} is taken as it is`, (context) => {
    const args = ['explain', 'gpt-5.4', '--json', '--usage', JSON.stringify(usage)]
    const { code, out } = runIn(context, WITH_FILE, ...args)
    assert.equal([code, JSON.parse(out).cost_usd], [0, cost])
  })

test('a tier and the passes of a usage are billed by their own rates', (context) => {
  const bill = (usage: object) =>
    runIn(context, WITH_FILE, 'explain', 'old', '--upstream', 'g', '--usage', JSON.stringify(usage))
  const flex = runIn(
    context,
    WITH_FILE,
    ...['explain', 'groq/llama-9', '--usage'],
    JSON.stringify({ prompt_tokens: 200_000, completion_tokens: 0, service_tier: 'flex' }),
  )
  assert.match(
    flat(flex.out),
    /tier flex\n\nabove 128,000 tokens number USD USD\ninput 200,000 0\.6 \/ 1M 0\.12\n/,
  )
  const passes = bill({
    ...{ prompt_tokens: 30, completion_tokens: 3 },
    passes: [
      { prompt_tokens: 10, completion_tokens: 1 },
      { model: 'llama-9', prompt_tokens: 20, completion_tokens: 2 },
    ],
  })
  assert.match(flat(passes.out), /\npass 1, old\n[\s\S]*\npass 2, llama-9\n[\s\S]*\nsum 0\.00002538\n$/)
  assert.is(passes.code, 0)
})

test('a price or a cost that is not known is reported with the reason, and exit code 1', (context) => {
  const explain = (...args: string[]) => runIn(context, WITH_FILE, 'explain', ...args)
  const missing = explain('llama-9-latest', '--upstream', 'gpu')
  assert.is(missing.code, 1)
  assert.is(
    missing.out,
    'llama-9-latest has no price: its records have no cost.\nlooked for llama-9-latest, llama-9\n',
  )
  assert.match(explain('x', '--upstream', 'g').out, /\nlooked for x, groq\/x\n$/)
  const json = JSON.parse(explain('x', '--upstream', 'g', '--json').out)
  assert.equal(json, { model: 'x', upstream: 'g', entry: null, tried: ['x', 'groq/x'] })
  for (const [usage, told] of [
    [
      { prompt_tokens: 1, completion_tokens: 1, service_tier: 'priority' },
      /priority, for which the entry has no rates/,
    ],
    [{ prompt_tokens: 1 }, /sum +unknown\nNot known: /],
    [
      { prompt_tokens: 1, completion_tokens: 1, searches: 1 },
      /search +1 +unknown +unknown\n\nsum +unknown\nNot/,
    ],
    [
      { prompt_tokens: 1, completion_tokens: 1, passes: [{ model: 'x', prompt_tokens: 1 }] },
      /sum +unknown\n/,
    ],
  ] as const) {
    const { code, out } = explain('old', '--usage', JSON.stringify(usage))
    assert.is(code, 1)
    assert.match(out, told)
  }
})

test('an alias without a price of its own is reported with its targets', (context) => {
  const models = {
    fast: { targets: [{ upstream: 'g', model: 'llama-9' }, { upstream: 'gpu' }] },
    own: { upstream: 'g' },
  }
  const config = { upstreams: UPSTREAMS, models, ledger: { prices: 'prices.json' } }
  const files = { 'thinwire.json': config, 'prices.json': { ...PRICES, own: PRICES.old } }
  const { code, out } = runIn(context, files, 'explain', 'fast')
  assert.is(code, 1)
  assert.is(
    out,
    `fast is a model of the config, without a price of its own: the model that
answers decides.
thinwire prices explain llama-9 --upstream g
thinwire prices explain fast --upstream gpu
`,
  )
  assert.match(runIn(context, files, 'explain', 'own').out, /\nentry +own of prices\.json\n/)
})

test('a changed file is compared model by model and rate by rate, and nothing is written', (context) => {
  const { code, out, err } = runIn(context, { ...WITH_FILE, 'next.json': NEXT }, ...withNext(context))
  const { folder } = context
  assert.is(code, 0)
  assert.is(
    out.replaceAll('\n', ' ').replaceAll(/ +/g, ' '),
    `${folder}/next.json, compared with ${folder}/prices.json: 1 added, 1 removed, 1 changed, 0 the same ` +
      'USD for 1M tokens, or for one request or search ' +
      'added new input 1; output 2 ' +
      'changed groq/llama-9 input: 0.59 -> 0.5 cache read: none -> 0.1 ' +
      'removed old ',
  )
  assert.match(err, /^Nothing was written\. --write puts it in the place of/)
  assert.equal(JSON.parse(readFileSync(join(folder, 'prices.json'), 'utf8')), PRICES)
  const json = JSON.parse(runIn(context, {}, ...withNext(context), '--json').out)
  assert.equal(json, {
    ...{ in_use: join(folder, 'prices.json'), file: join(folder, 'next.json') },
    added: [{ model: 'new', rates: { input: '1', output: '2' } }],
    removed: ['old'],
    changed: [
      {
        model: 'groq/llama-9',
        rates: [
          { rate: 'input', old: '0.59', new: '0.5' },
          { rate: 'cache read', old: null, new: '0.1' },
        ],
      },
    ],
    ...{ same: 0, written: null },
  })
})

function withNext({ folder }: Context): string[] {
  return ['update', '--file', join(folder, 'next.json')]
}

test('--write puts the file in the place of the configured one, byte by byte, and leaves nothing else', (context) => {
  const { folder } = context
  const text = `${JSON.stringify(NEXT, null, 3)}\n\n`
  runIn(context, WITH_FILE, 'explain', 'old')
  chmodSync(join(folder, 'prices.json'), 0o600)
  const { code, err } = runIn(context, { 'next.json': text }, ...withNext(context), '--write')
  assert.is(code, 0)
  assert.match(err, /^Written: .*prices\.json/)
  assert.is(readFileSync(join(folder, 'prices.json'), 'utf8'), text)
  assert.is(statSync(join(folder, 'prices.json')).mode & 0o777, 0o600)
  assert.equal(readdirSync(folder).sort(), ['next.json', 'prices.json', 'thinwire.json'])
  const again = runIn(context, {}, ...withNext(context))
  assert.match(again.out.replaceAll('\n', ' '), /0 added, 0 removed, 0 changed, 2 the same $/)
})

test('a byte order mark is no part of a file, and no name in it writes to the terminal', (context) => {
  const rates = { input_cost_per_token: 1e-6, output_cost_per_token: 1e-6 }
  const text = `\ufeff${JSON.stringify({ 'm\u001b[2J\n\u202e': rates })}`
  const { code, out } = runIn(context, { 'next.json': text }, ...withNext(context))
  assert.is(code, 0)
  assert.match(out, '\n  m?[2J??\n')
  const { code: written } = runIn(
    context,
    { ...WITH_FILE, 'next.json': text },
    ...withNext(context),
    '--write',
  )
  assert.is(written, 0)
  const explained = runIn(context, {}, 'explain', 'm\u001b[2J\n\u202e')
  assert.is(explained.code, 0)
  assert.not.match(explained.out, /[^\n\x20-\x7e]/)
})

test('--write follows a symbolic link, and makes a file that does not exist yet', (context) => {
  const { folder } = context
  mkdirSync(join(folder, 'shared'))
  writeFileSync(join(folder, 'shared', 'p.json'), JSON.stringify(PRICES))
  symlinkSync(join('shared', 'p.json'), join(folder, 'prices.json'))
  const files = { 'thinwire.json': WITH_FILE['thinwire.json'], 'next.json': NEXT }
  assert.is(runIn(context, files, ...withNext(context), '--write').code, 0)
  assert.ok(lstatSync(join(folder, 'prices.json')).isSymbolicLink())
  assert.equal(JSON.parse(readFileSync(join(folder, 'shared', 'p.json'), 'utf8')), NEXT)
  rmSync(join(folder, 'prices.json'))
  const { code, err } = runIn(context, {}, ...withNext(context), '--write')
  assert.is(code, 0)
  assert.match(
    err.replaceAll('\n', ' '),
    /cannot be read \(ENOENT\); compared with the built-in prices Written/,
  )
  assert.equal(JSON.parse(readFileSync(join(folder, 'prices.json'), 'utf8')), NEXT)
})

test('a file that is not in the format is refused, and the one in use stays', (context) => {
  const before = JSON.stringify(PRICES)
  for (const [content, fault] of [
    ['{', /next\.json is not JSON\n$/],
    [[], /next\.json must be an object with an entry for each model\n$/],
    [
      { picture: PRICES.picture },
      /next\.json has no model with input_cost_per_token and output_cost_per_token\n$/,
    ],
    [
      { m: { ...LLAMA, output_cost_per_token: 'dear' } },
      /next\.json: m\.output_cost_per_token must be a number of US dollars for one token\n$/,
    ],
    [
      { m: { tiered_pricing: [{ range: [0, 1] }] } },
      /m\.tiered_pricing\[0\] must have input_cost_per_token\n$/,
    ],
    [{ m: { tiered_pricing: [7] } }, /m\.tiered_pricing\[0\]\.range must be two numbers of tokens\n$/],
    [
      { m: { ...LLAMA, search_context_cost_per_query: { search_context_size_low: -1 } } },
      /m\.search_context_cost_per_query\.search_context_size_low must be a number of US dollars for one search\n$/,
    ],
    [
      { m: { ...LLAMA, regional_processing_uplift_multiplier_eu: 'more' } },
      /m\.regional_processing_uplift_multiplier_eu must be a number\n$/,
    ],
  ] as const) {
    const { code, out, err } = runIn(
      context,
      { ...WITH_FILE, 'next.json': content },
      ...withNext(context),
      '--write',
    )
    assert.is(code, 1)
    assert.is(out, '')
    assert.match(err, fault)
    assert.is(readFileSync(join(context.folder, 'prices.json'), 'utf8'), before)
  }
  assert.match(
    runIn(context, {}, 'update', '--file', '/nonexistent').err,
    /\/nonexistent cannot be read \(ENOENT\)/,
  )
})

test('without a price file the built-in prices are compared, and there is no place to write to', (context) => {
  const next = { ...NEXT, 'gpt-4o': { input_cost_per_token: 2.5e-6, output_cost_per_token: 9e-6 } }
  const files = { 'thinwire.json': { upstreams: UPSTREAMS }, 'next.json': next }
  const { code, out, err } = runIn(context, files, ...withNext(context))
  assert.is(code, 0)
  assert.is(err, '')
  assert.match(
    out.replaceAll(/\s+/g, ' '),
    /compared with the built-in prices: 2 added, 0 removed, 1 changed, 0 the same .* gpt-4o cache read: 1\.25 -> none output: 10 -> 9 $/,
  )
  const written = runIn(context, {}, ...withNext(context), '--write')
  assert.is(written.code, 2)
  assert.match(written.err, /--write needs a place: set ledger\.prices to the name of a file/)
})

test('a long list is cut, and --json has all of it', (context) => {
  const many = Object.fromEntries(Array.from({ length: 1_050 }, (_, i) => [`m-${i}`, PRICES.old]))
  const { out } = runIn(context, { ...WITH_FILE, 'next.json': many }, ...withNext(context))
  assert.match(out, /\n {2}m-19\n {4}input 1; output 2\n {2}and 1,030 more; --json has all\n/)
  assert.is(JSON.parse(runIn(context, {}, ...withNext(context), '--json').out).added.length, 1_050)
})

test('a file that cannot be written is reported, with exit code 1', (context) => {
  const config = { upstreams: UPSTREAMS, ledger: { prices: 'missing/prices.json' } }
  const { code, err } = runIn(
    context,
    { 'thinwire.json': config, 'next.json': NEXT },
    ...withNext(context),
    '--write',
  )
  assert.is(code, 1)
  assert.match(err, /missing\/prices\.json cannot be written \(ENOENT\)\n$/)
})

for (const [args, why] of [
  [[], /^Prices: what a model costs/],
  [['show'], /^thinwire prices: the commands are explain and update/],
  [['explain'], /^thinwire prices: explain takes the name of one model/],
  [['explain', 'a', 'b'], /^thinwire prices: explain takes the name of one model/],
  [['explain', 'a', '--at', 'b'], /^thinwire prices: explain takes --upstream, --usage/],
  [['explain', 'a', '--upstream', 'b'], /^thinwire prices: no such upstream; the config has g, gpu/],
  [['explain', 'a', '--usage', '{'], /^thinwire prices: --usage is not JSON/],
  [['explain', 'a', '--usage', '[]'], /^thinwire prices: --usage must be an object/],
  [['explain', 'a', '--usage', '{"prompt_tokens":-1}'], /--usage\.prompt_tokens must be a whole number/],
  [['explain', 'a', '--usage', '{"tokens":5}'], /--usage has no number of prompt tokens/],
  [['explain', 'a', '--usage', '{"searches":"1"}'], /--usage\.searches must be a whole number/],
  [['explain', 'a', '--usage', '{"service_tier":1}'], /--usage\.service_tier must be a text/],
  [['explain', 'a', '--usage', '{"passes":"1+2"}'], /--usage\.passes must be a list of usages/],
  [
    ['explain', 'a', '--usage', '{"passes":[{"cached_tokens":1.5}]}'],
    /--usage\.passes\[0\]\.cached_tokens must be/,
  ],
  [['update'], /^thinwire prices: update needs --file F/],
  [['update', 'x', '--file', 'y'], /^thinwire prices: update needs --file F/],
] as const)
  test(`"thinwire prices ${args.join(' ')}" is wrong usage`, (context) => {
    const { code, out, err } = runIn(context, WITH_FILE, ...args)
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, why)
  })

test('prices that are switched off explain nothing', (context) => {
  const off = { upstreams: UPSTREAMS, ledger: { prices: false } }
  const { code, err } = runIn(context, { 'thinwire.json': off }, 'explain', 'gpt-4o')
  assert.is(code, 2)
  assert.match(err, /ledger\.prices is false: records have no cost/)
})

test('help is printed on request, and fits 80 columns', (context) => {
  for (const args of [['--help'], ['help'], ['explain', '--help'], ['update', '-h']]) {
    const { code, out } = runIn(context, {}, ...args)
    assert.is(code, 0)
    assert.match(out, /thinwire prices explain MODEL/)
    for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  }
})

const whole = suite<Place>('thinwire prices as a user runs it', {
  ...{ folder: '', running: [], upstreams: [], clients: [] },
})
whole.before.each(open)
whole.after.each(clear)

whole('a price is explained, compared and replaced', async (place) => {
  writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify(WITH_FILE['thinwire.json']))
  writeFileSync(join(place.folder, 'prices.json'), JSON.stringify(PRICES))
  writeFileSync(join(place.folder, 'next.json'), JSON.stringify(NEXT))
  const run = async (...args: string[]): Promise<Ran> => {
    const thinwire = new Thinwire(place, ['prices', ...args])
    const code = (await thinwire.ended()) ?? -1
    for (const line of thinwire.out.split('\n'))
      assert.ok(line.length <= 80 || line.includes(place.folder), line)
    return { code, out: thinwire.out, err: thinwire.err }
  }
  const usage = '{"prompt_tokens":1000,"completion_tokens":100}'
  const explain = ['explain', 'llama-9', '--upstream', 'g', '--usage', usage]
  assert.match((await run(...explain)).out, /\nsum +0\.000669\n$/)
  assert.match((await run('update', '--file', 'next.json')).out, /1\s+added,\s+1\s+removed,\s+1\s+changed/)
  assert.is((await run('update', '--file', 'next.json', '--write')).code, 0)
  assert.match((await run(...explain)).out, /\nsum +0\.000579\n$/)
  const bad = await run('explain', 'x')
  assert.equal([bad.code, bad.err], [1, ''])
  writeFileSync(join(place.folder, 'thinwire.json'), '{')
  const broken = await run('explain', 'x')
  assert.is(broken.code, 2)
  assert.match(broken.err, /thinwire\.json/)
})

test.run()
whole.run()
