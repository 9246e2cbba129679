import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { look } from '../support/ward.js'

interface Context {
  folder: string
}

const test = suite<Context>('doctor --offline')

test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'thinwire-offline-'))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true, force: true }))

interface ModelJson {
  readonly model: string
  readonly works: boolean
  readonly ask: { readonly outcome: string }
  readonly agent: ReadonlyArray<{
    readonly outcome: string
    readonly seen: string
    readonly change: readonly string[]
  }>
}

async function rehearse({ folder }: Context, config: object | null, ...args: readonly string[]) {
  if (config !== null) writeFileSync(join(folder, 'thinwire.json'), JSON.stringify(config))
  const { code, out, err } = await look(['--offline', '--json', ...args], { cwd: folder })
  const models = code === 2 ? [] : (JSON.parse(out) as { models: readonly ModelJson[] }).models
  return { code, err, models }
}

const describe = ({ model, ask, agent }: ModelJson): string =>
  `${model}: ${ask.outcome} ${agent.map(({ outcome, seen, change }) => `${outcome} (${seen}) ${change.join(' | ')}`).join(', ')}`

/** Models of each family, by neutral names; no key is set. */
const FAMILIES = {
  upstreams: {
    openai: { preset: 'openai' },
    azure: { preset: 'azure-deployments', baseUrl: 'https://x.openai.azure.com' },
    anthropic: { preset: 'anthropic' },
    google: { preset: 'gemini-native' },
    compatible: { preset: 'gemini' },
    deepseek: { preset: 'deepseek' },
    moonshot: { preset: 'moonshot' },
    mistral: { preset: 'mistral' },
    xai: { preset: 'xai' },
    groq: { preset: 'groq' },
    home: { preset: 'ollama' },
    aws: { preset: 'bedrock', aws: { region: 'eu-west-1' } },
    cloud: { preset: 'vertex', google: { location: 'europe-west1' } },
  },
  models: {
    four: { upstream: 'openai', model: 'gpt-4o-mini' },
    five: { upstream: 'openai', model: 'gpt-5.2' },
    pro: { upstream: 'openai', model: 'gpt-5-pro' },
    codex: { upstream: 'openai', model: 'gpt-5.1-codex' },
    three: { upstream: 'openai', model: 'o3' },
    deployment: { upstream: 'azure', model: 'gpt-4o-prod' },
    opus: { upstream: 'anthropic', model: 'claude-opus-4-8' },
    haiku: { upstream: 'anthropic', model: 'claude-haiku-4-5' },
    gemini: { upstream: 'google', model: 'gemini-3-pro-preview' },
    gemini2: { upstream: 'compatible', model: 'gemini-3-pro-preview' },
    reasoner: { upstream: 'deepseek', model: 'deepseek-reasoner' },
    kimi: { upstream: 'moonshot', model: 'kimi-k2.5' },
    devstral: { upstream: 'mistral', model: 'devstral-latest' },
    grok: { upstream: 'xai', model: 'grok-4' },
    oss: { upstream: 'groq', model: 'openai/gpt-oss-120b' },
    qwen: { upstream: 'home', model: 'qwen3' },
    opus2: { upstream: 'aws', model: 'eu.anthropic.claude-opus-4-8-v1:0' },
    haiku2: { upstream: 'cloud', model: 'claude-haiku-4-5@20251001' },
    gemini3: { upstream: 'cloud', model: 'gemini-3-pro-preview' },
    // For a team: it is tried all the same.
    team: { upstream: 'openai', model: 'gpt-5.2', team: 'core' },
  },
}

test('models of each family work in all shapes, without a key and without a network', async (context) => {
  const { code, err, models } = await rehearse(context, FAMILIES, '--all-shapes')
  assert.is(code, 0, err)
  assert.equal(models.map(({ model }) => model).sort(), Object.keys(FAMILIES.models).sort())
  for (const each of models) {
    assert.is(each.agent.length, 3)
    assert.ok(each.works && each.ask.outcome === 'ok', describe(each))
    for (const { outcome, change } of each.agent) {
      assert.is(outcome, 'ok', describe(each))
      assert.equal(change, [], describe(each))
    }
  }
})

test('without a config, the models of the built-in table work', async (context) => {
  const { code, models } = await rehearse(context, null)
  assert.is(code, 0)
  assert.ok(models.length > 20)
  for (const each of models) assert.ok(each.works, describe(each))
})

test('what the relay had to learn from a refusal is reported as an entry of the config', async (context) => {
  const { code, models } = await rehearse(context, {
    upstreams: { mine: { baseUrl: 'https://api.openai.com/v1', apiKey: { env: 'NOT_SET' } } },
    models: { smart: { upstream: 'mine', model: 'gpt-5.2' } },
  })
  assert.is(code, 0)
  const [smart] = models
  assert.match(
    smart === undefined ? '' : describe(smart),
    /modelTraits: \{"match":"gpt-5\.2", "upstream":"mine", .*"temperature"/,
  )
})

test('a model that a rule of the config spoils is reported with its cause', async (context) => {
  const config = {
    upstreams: { openai: { preset: 'openai' }, mistral: { preset: 'mistral' } },
    models: {
      good: { upstream: 'openai', model: 'gpt-4o-mini' },
      bad: { upstream: 'mistral', model: 'devstral-latest' },
    },
    modelTraits: [{ match: 'devstral*', callIds: 'any' }],
  }
  const listed = await rehearse(context, config)
  assert.is(listed.code, 0)
  const bad = listed.models.find(({ model }) => model === 'bad')
  assert.match(
    bad === undefined ? '' : describe(bad),
    /^bad: ok failed \(after the result of Read: 400: Tool call id .*\) put before the others in modelTraits: \{"match":"devstral-latest", "upstream":"mistral", "callIds":"nine"\}/,
  )
  assert.is((await rehearse(context, null, '--model', 'bad')).code, 1)
  assert.is((await rehearse(context, null, '--model', 'good')).code, 0)
})

test('a wrong config or a URL beside --offline is wrong usage', async (context) => {
  const wrong = await rehearse(context, { upstreams: { a: { preset: 'nobody' } } })
  assert.is(wrong.code, 2)
  assert.match(wrong.err, /thinwire\.json: upstreams\.a\.preset/)
  assert.is((await look(['--offline', 'https://a.example/v1'])).code, 2)
})

test.run()
