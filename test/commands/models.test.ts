import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { listVariants } from '../../src/api/model-variants.js'
import { runModels } from '../../src/commands/models.js'
import { loadDestinations } from '../../src/config/config.js'

const folder = mkdtempSync(join(tmpdir(), 'models-'))
test.after(() => rmSync(folder, { recursive: true }))

const SETTINGS = {
  upstreams: {
    openai: { preset: 'openai', apiKey: { env: 'NOT_SET' } },
    older: { preset: 'azure-deployments', baseUrl: 'https://r.openai.azure.com' },
    claude: { preset: 'anthropic', apiKey: { file: 'not-there' } },
    gpu: { baseUrl: 'https://gpu.example/v1', proxy: { env: 'NOT_SET' } },
  },
  models: {
    'team-deep': {
      targets: [
        { upstream: 'openai', model: 'gpt-5.2' },
        { upstream: 'older', model: 'our-gpt-5' },
      ],
      translate: true,
    },
    'team-deep-high': { upstream: 'gpu' },
    'for-some': { upstream: 'gpu', team: 'team1' },
  },
  routes: [
    { model: 'claude-*', path: '/messages*', upstream: 'claude' },
    { model: 'claude-*', team: 'team1', upstream: 'openai' },
    { model: ['claude-*', 'for-*', 'gpt-*'], upstream: 'gpu', strategy: 'latency' },
  ],
  modelTraits: [{ match: 'our-*', upstream: 'older', refuses: ['temperature'], maxOutputTokens: 1000 }],
}

class Page extends Writable {
  text = ''

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

function run(...args: string[]) {
  const [out, err] = [new Page(), new Page()]
  writeFileSync(join(folder, 'thinwire.json'), JSON.stringify(SETTINGS))
  const load = (file: string | undefined) => loadDestinations({ file, env: {}, cwd: folder })
  return { code: runModels(args, { out, err, load }), out: out.text, err: err.text }
}

/** The text without line breaks and columns. */
function flat(text: string): string {
  return text.replaceAll(/\s+/g, ' ')
}

test('a model of the config is reported with its targets in their order, and each trait with its source', () => {
  const { code, out, err } = run('explain', 'team-deep')
  assert.is(code, 0)
  assert.is(err, '')
  const text = flat(out)
  for (const part of [
    'team-deep is a model of the config (models).',
    'It has 2 targets. Tried first: the first in the list; the next one is tried when it fails.',
    'It is translated on /v1 and on /cursor.',
    '1. gpt-5.2 at the upstream openai (preset openai) API Responses (built-in row gpt-5.*)',
    'efforts none, low, medium, high, xhigh (built-in row gpt-5.*)',
    'reasoning in chat, as reasoning_effort (preset openai)',
    'call ids any (default)',
    '2. our-gpt-5 at the upstream older (preset azure-deployments)',
    'API Responses, which the upstream does not have: one that it has (built-in row *gpt-5*)',
    'left out temperature (config, modelTraits[0])',
    'longest output 1000 tokens (config, modelTraits[0])',
  ])
    assert.ok(text.includes(part), part)
})

test('every line fits 80 columns', () => {
  for (const name of ['team-deep', 'team-deep-low', 'claude-opus-4-7', 'gpt-5']) {
    for (const line of run('explain', name).out.split('\n')) assert.ok(line.length <= 80, line)
  }
})

test('a variant is shown as one, with its effort, and a name in full wins', () => {
  assert.match(
    flat(run('explain', 'team-deep-thinking-low').out),
    /^team-deep-thinking-low is a model of the config, a variant of team-deep with the effort low \(models\)/,
  )
  assert.match(run('explain', 'team-deep-high').out, /^team-deep-high is a model of the config \(models\)\./)
})

test('other models are reported with each route that may take them, up to the one that takes all', () => {
  const text = flat(run('explain', 'claude-opus-4-7').out)
  assert.match(text, /^claude-opus-4-7 goes by routes\[0\], for paths \/messages\*\./)
  assert.match(text, /claude-opus-4-7 goes by routes\[1\], for keys of team1\./)
  assert.match(text, /claude-opus-4-7 goes by routes\[2\]\./)
  assert.match(text, /translated on \/cursor alone/)
})

test('for keys of other teams, the routes come after a model of some teams', () => {
  const text = flat(run('explain', 'for-some').out)
  assert.match(text, /^for-some is a model of the config \(models\), for keys of team1\./)
  assert.match(text, /for-some goes by routes\[2\]\./)
})

test('a model that nothing takes goes nowhere, with exit code 1', () => {
  const { code, out } = run('explain', 'llama')
  assert.is(code, 1)
  assert.is(out, 'llama goes nowhere: it is no name in models, and no route takes it.\n')
})

test('--upstream asks for the model at one upstream', () => {
  const { code, out } = run('explain', 'gpt-5', '--upstream', 'openai')
  assert.is(code, 0)
  assert.match(
    out,
    /^gpt-5 at the upstream openai \(preset openai\)\n {3}API +Responses \(built-in row gpt-5\)\n/,
  )
})

const WRONG: Array<[args: string[], told: RegExp]> = [
  [[], /^What is known of a model/],
  [['list'], /^thinwire models: there is only: thinwire models explain NAME/],
  [['explain'], /^thinwire models: explain takes the name of one model/],
  [['explain', 'a', 'b'], /^thinwire models: explain takes the name of one model/],
  [['explain', 'a', '--at', 'b'], /^thinwire models: explain takes --upstream U/],
  [['explain', 'a', '--upstream', 'b'], /^thinwire models: no such upstream; the config has openai, older/],
]

for (const [args, told] of WRONG) {
  test(`"thinwire models ${args.join(' ')}" is wrong usage`, () => {
    const { code, out, err } = run(...args)
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, told)
  })
}

test('--help is no mistake', () => {
  for (const args of [['--help'], ['-h'], ['help'], ['explain', '--help']]) {
    const { code, out } = run(...args)
    assert.is(code, 0)
    assert.match(out, /thinwire models explain NAME/)
  }
})

test('the command needs no key and no config, and tells of a config that cannot be used', () => {
  const cli = fileURLToPath(new URL('../../src/cli.js', import.meta.url))
  const file = join(folder, 'other.json')
  const start = (settings: unknown) => {
    writeFileSync(file, JSON.stringify(settings))
    const args = [cli, 'models', 'explain', 'gpt-5', '--config', file]
    return spawnSync(process.execPath, args, { encoding: 'utf8', env: {} })
  }
  const { status, stdout } = start({ upstreams: { o: { preset: 'openai' } } })
  assert.is(status, 0)
  assert.match(stdout, /^gpt-5 goes by routes\[0\]\./)
  const wrong = start({ upstreams: { o: { preset: 'nope' } } })
  assert.is(wrong.status, 2)
  assert.match(wrong.stderr, /upstreams\.o\.preset: must be one of/)
})

test('the models that a name may be a variant of are listed, the longest name first', () => {
  assert.equal(listVariants('a'), [])
  assert.equal(listVariants('a-fast'), [{ base: 'a', effort: null }])
  assert.equal(listVariants('a-thinking-high'), [
    { base: 'a-thinking', effort: 'high' },
    { base: 'a', effort: 'high' },
  ])
  assert.equal(listVariants('a-low-fast'), [
    { base: 'a-low', effort: null },
    { base: 'a', effort: 'low' },
  ])
  assert.equal(listVariants('-high'), [])
  assert.equal(listVariants('highest'), [])
  assert.is(listVariants('a-low-low-low-low-low').length, 3)
})

test.run()
