import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MERGE_RULES } from '../../src/workers/metric-rules.js'
import { clear, open, type Place, started, type Thinwire } from '../support/thinwire.js'
import { wait } from '../support/until.js'
import { head, type Received, ScriptedUpstream } from '../support/upstream.js'

const ROOT = fileURLToPath(new URL('../../../', import.meta.url))
const ALERTS = `${ROOT}scripts/deploy/prometheus-alerts.yml`

/** Series that Prometheus makes by itself. */
const OWN_SERIES = ['up']

const test = suite<Place>('monitoring')

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0
const withPromtool = has('promtool') ? test : test.skip
const withPrometheus = has('prometheus') ? test : test.skip

test.before.each(open)
test.after.each(clear)

interface Dashboard {
  readonly panels: readonly {
    readonly title: string
    readonly targets?: readonly { readonly expr: string; readonly refId: string }[]
    readonly gridPos: { readonly h: number; readonly w: number; readonly x: number; readonly y: number }
  }[]
}

const dashboard = JSON.parse(readFileSync(`${ROOT}scripts/deploy/grafana.json`, 'utf8')) as Dashboard

/** A query as Grafana sends it, with all jobs, instances and teams. */
const queries = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr, refId }) => ({
    title: `${title} (${refId})`,
    query: expr.replaceAll('$__rate_interval', '10s').replaceAll('[24h]', '[10s]').replaceAll(/\$\w+/g, '.*'),
  })),
)

function run(args: readonly string[]): string {
  const { status, stdout, stderr } = spawnSync('promtool', args, { encoding: 'utf8' })
  assert.is(status, 0, stdout + stderr)
  return stdout + stderr
}

test('alerts and dashboard name metrics that the relay has', () => {
  const texts = [readFileSync(ALERTS, 'utf8'), ...queries.map(({ query }) => query)]
  const named = texts.flatMap((text) => text.match(/\b(?:thinwire|process|nodejs)_[a-z0-9_]+/g) ?? [])
  assert.ok(named.length > 50)
  for (const name of named) {
    const metric = name.replace(/_(?:bucket|sum|count)$/, '')
    assert.ok(name in MERGE_RULES || metric in MERGE_RULES, name)
  }
  assert.ok(OWN_SERIES.every((name) => texts.join().includes(name)))
})

test('no panel of the dashboard lies over another', () => {
  const taken = new Set<string>()
  for (const { gridPos, title } of dashboard.panels) {
    assert.ok(gridPos.x + gridPos.w <= 24, title)
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.not.ok(taken.has(`${x} ${y}`), title)
        taken.add(`${x} ${y}`)
      }
  }
})

withPromtool(
  'promtool takes the alerts, and each of them fires for its fault and for nothing else',
  ({ folder }) => {
    assert.match(run(['check', 'rules', ALERTS]), /SUCCESS: \d+ rules found/)
    const cases = readFileSync(`${ROOT}test/scripts/prometheus-alerts.yml`, 'utf8')
    for (const [, name] of readFileSync(ALERTS, 'utf8').matchAll(/- alert: (\w+)/g))
      assert.is(
        cases.split(`alertname: ${name}`).length,
        3,
        `${name} is tested twice: with its fault and without`,
      )
    const file = join(folder, 'cases.yml')
    writeFileSync(file, cases.replace('[RULES]', JSON.stringify([ALERTS])))
    assert.match(run(['test', 'rules', file]), /SUCCESS/)
  },
)

/** Answers with the model that was asked for. */
function answer({ body }: Received): string {
  const { model } = JSON.parse(body.toString()) as { model: string }
  const usage = {
    prompt_tokens: 7,
    completion_tokens: 2,
    total_tokens: 9,
    prompt_tokens_details: { cached_tokens: 4 },
  }
  const choices = [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }]
  return JSON.stringify({ id: 'a', object: 'chat.completion', created: 1, model, choices, usage })
}

/** A relay whose first upstream always fails, with a budget, a rule that refuses, and one that observes. */
async function startRelay(place: Place): Promise<Thinwire> {
  const statuses = ['500 Internal Server Error', '200 OK']
  const [bad, good] = await Promise.all(
    statuses.map((status) =>
      ScriptedUpstream.start((request) => {
        const text = answer(request)
        return request.write(
          head(status, 'content-type: application/json', `content-length: ${Buffer.byteLength(text)}`) + text,
        )
      }),
    ),
  )
  place.upstreams.push(bad as ScriptedUpstream, good as ScriptedUpstream)
  const settings = {
    upstreams: {
      bad: { baseUrl: bad?.url, auth: 'none', warm: false },
      good: { baseUrl: good?.url, auth: 'none', warm: false },
    },
    routes: [{ targets: [{ upstream: 'bad' }, { upstream: 'good' }] }],
    metrics: { listen: '127.0.0.1:0' },
    limits: {
      rules: [
        { name: 'month', per: 'team', usd: { month: 50 } },
        { name: 'watch', per: 'key', requestsPerMinute: 1, observe: true },
        { name: 'few', per: 'key', match: { model: 'gpt-3.5-*' }, requestsPerMinute: 1 },
      ],
    },
  }
  writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify(settings))
  return started(place)
}

async function ask({ url, key }: Thinwire, path: string, model: string): Promise<void> {
  const answer = await fetch(`${url}/v1/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify(
      path === 'completions'
        ? { model, prompt: 'def add(', max_tokens: 5 }
        : { model, messages: [{ role: 'user', content: 'Hello' }] },
    ),
  })
  await answer.arrayBuffer()
}

/** A Prometheus that scrapes a relay each 200 ms. */
class Prometheus {
  private readonly child: ChildProcess
  private readonly folder: string
  private readonly url: string
  private output: string

  private constructor(target: string, port: number) {
    this.folder = mkdtempSync(join(tmpdir(), 'thinwire-prometheus-'))
    this.url = `http://127.0.0.1:${port}`
    this.output = ''
    const file = join(this.folder, 'prometheus.yml')
    writeFileSync(
      file,
      `global: {scrape_interval: 200ms, scrape_timeout: 200ms, evaluation_interval: 1s}\nrule_files: [${JSON.stringify(ALERTS)}]\nscrape_configs: [{job_name: thinwire, static_configs: [{targets: ["${target}"]}]}]\n`,
    )
    this.child = spawn(
      'prometheus',
      [
        `--config.file=${file}`,
        `--storage.tsdb.path=${join(this.folder, 'data')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    this.child.stderr?.on('data', (data) => {
      this.output += data
    })
  }

  static async start(target: string): Promise<Prometheus> {
    const started = new Prometheus(target, await findPort())
    for (let isReady = false; !isReady && started.child.exitCode === null; )
      isReady = await started.get('/-/ready').then(
        () => true,
        () => wait(50).then(() => false),
      )
    assert.is(started.child.exitCode, null, started.output)
    return started
  }

  async query(query: string): Promise<readonly { readonly value: readonly [number, string] }[]> {
    const { status, data, error } = (await (
      await this.get(`/api/v1/query?query=${encodeURIComponent(query)}`)
    ).json()) as { status: string; data: { result: [] }; error?: string }
    assert.is(status, 'success', `${query}: ${error}`)
    return data.result
  }

  async get(path: string): Promise<Response> {
    const answer = await fetch(this.url + path)
    if (!answer.ok && answer.status !== 400) throw new Error(`status ${answer.status}`)
    return answer
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.child.once('exit', resolve))
    if (this.child.exitCode === null) {
      this.child.kill('SIGKILL')
      await ended
    }
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** Prometheus does not say which port it has chosen. */
function findPort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number }
      server.close(() => resolve(port))
    })
  })
}

withPrometheus('each panel of the dashboard shows something of a relay at work', async (place) => {
  const thinwire = await startRelay(place)
  const target = /Metrics {4}http:\/\/([\d.:]+)/.exec(thinwire.err)?.[1] ?? ''
  const prometheus = await Prometheus.start(target)
  try {
    const works = async (): Promise<void> => {
      for (const model of ['gpt-4o-mini', 'gpt-3.5-turbo', 'no-such-price'])
        await ask(thinwire, 'chat/completions', model)
      await ask(thinwire, 'completions', 'gpt-4o-mini')
    }
    const missing = new Map(queries.map(({ title, query }) => [title, query]))
    // Rates need two scrapes with a change between them.
    const end = Date.now() + 30_000
    while (![...missing.keys()].every((title) => EMPTY.includes(title))) {
      assert.ok(Date.now() < end, `nothing is shown by ${[...missing.keys()].join(', ')}`)
      await works()
      await wait(200)
      for (const [title, query] of missing) {
        const found = await prometheus.query(query)
        if (found.some(({ value }) => Number.isFinite(Number(value[1])))) missing.delete(title)
      }
    }
    const { data } = (await (await prometheus.get('/api/v1/rules')).json()) as {
      data: { groups: { rules: { name: string; health: string; lastError?: string }[] }[] }
    }
    for (const { name, health, lastError } of data.groups.flatMap(({ rules }) => rules))
      assert.ok(health === 'ok' || health === 'unknown', `${name}: ${lastError}`)
  } finally {
    await prometheus.stop()
  }
})

/** Panels that a relay without these faults leaves empty. */
const EMPTY = ['Does not serve the relay (A)', 'Bounds of the config that were hit (A)']

test.run()
