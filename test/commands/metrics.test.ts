import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { clear, open, type Place, run, started, type Thinwire } from '../support/thinwire.js'
import { until } from '../support/until.js'
import { head, ScriptedUpstream } from '../support/upstream.js'

const test = suite<Place>('metrics')

test.before.each(open)
test.after.each(clear)

const ANSWER = JSON.stringify({
  id: 'a',
  object: 'chat.completion',
  created: 1,
  model: 'm',
  choices: [{ index: 0, message: { role: 'assistant', content: 'Hi' }, finish_reason: 'stop' }],
  usage: {
    prompt_tokens: 7,
    completion_tokens: 2,
    total_tokens: 9,
    prompt_tokens_details: { cached_tokens: 4 },
  },
})

/** A relay with metrics before two upstreams, of which the first always answers 500. */
async function failing(place: Place): Promise<Thinwire> {
  const [bad, good] = await Promise.all(
    ['500 Internal Server Error', '200 OK'].map((status) =>
      ScriptedUpstream.start(async (request) => {
        const length = Buffer.byteLength(ANSWER)
        await request.write(
          head(status, 'content-type: application/json', `content-length: ${length}`) + ANSWER,
        )
      }),
    ),
  )
  place.upstreams.push(bad as ScriptedUpstream, good as ScriptedUpstream)
  const upstreams = {
    bad: { baseUrl: bad?.url, auth: 'none', warm: false },
    good: { baseUrl: good?.url, auth: 'none', warm: false },
  }
  const routes = [{ targets: [{ upstream: 'bad' }, { upstream: 'good' }] }]
  const settings = { upstreams, routes, metrics: { listen: '127.0.0.1:0' } }
  writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify(settings))
  return started(place)
}

async function ask(thinwire: Thinwire): Promise<void> {
  const answer = await fetch(`${thinwire.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${thinwire.key}`, 'content-type': 'application/json' },
    body: '{"model":"secret-model","messages":[{"role":"user","content":"Hello"}]}',
  })
  assert.is(answer.status, 200)
  await answer.text()
}

function metricsUrl(thinwire: Thinwire): string {
  return /Metrics {4}(http:\S+)/.exec(thinwire.err)?.[1] ?? ''
}

async function scrape(thinwire: Thinwire): Promise<string> {
  return (await fetch(metricsUrl(thinwire))).text()
}

test('metrics at their own address count each request, attempt, token and target once', async (place) => {
  const thinwire = await failing(place)
  for (let i = 0; i < 6; i++) await ask(thinwire)
  // Counted when the line in the log is written.
  await until(() => thinwire.out.split('"end":"done"').length > 6, 'six lines in the log')
  const text = await scrape(thinwire)
  const labels = 'team="default",upstream="good",dialect="openai",end="done",cache="",status="200"'
  for (const line of [
    `thinwire_requests_total{${labels}} 6`,
    'thinwire_request_phases_total{phase="respond"} 6',
    'thinwire_failed_attempts_total{target="bad",cause="500"} 5',
    'thinwire_tokens_total{team="default",upstream="good",kind="prompt",source="upstream"} 42',
    'thinwire_tokens_total{team="default",upstream="good",kind="cached",source="upstream"} 24',
    'thinwire_tokens_total{team="default",upstream="good",kind="completion",source="upstream"} 12',
    'thinwire_target_state{target="bad",state="open"} 1',
    'thinwire_target_state{target="good",state="closed"} 1',
    'thinwire_target_opened_total{target="bad"} 1',
    'thinwire_requests_in_flight 0',
    'thinwire_request_duration_seconds_count{upstream="good"} 6',
    'thinwire_overhead_seconds_count 6',
    'thinwire_ledger_records_total{outcome="dropped"} 0',
  ])
    assert.ok(text.includes(`${line}\n`), `no ${line} in\n${text}`)
  const phases = [...text.matchAll(/^thinwire_phase_seconds_total\{phase="(\w+)"\} ([\d.e-]+)$/gm)]
  assert.equal(
    phases.map(([, phase]) => phase),
    ['admit', 'read', 'plan', 'cache', 'attempt', 'respond'],
  )
  // The parts of each request add up to its overhead, and so do the sums.
  const overhead = Number(/^thinwire_overhead_seconds_sum (\S+)$/m.exec(text)?.[1])
  assert.ok(Math.abs(phases.reduce((sum, [, , seconds]) => sum + Number(seconds), 0) - overhead) < 1e-9)
  assert.match(text, /^nodejs_eventloop_lag_p99_seconds \d/m)
  // What a client can make up is no label.
  assert.not.match(text, /secret-model|lc_/)
})

test('metrics are served at their own address alone, and nothing else is served there', async (place) => {
  const thinwire = await failing(place)
  const url = metricsUrl(thinwire)
  assert.is((await fetch(url.replace('/metrics', '/v1/models'))).status, 404)
  assert.is((await fetch(url, { method: 'POST' })).status, 404)
  const answer = await fetch(url)
  assert.match(answer.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  await answer.text()
  assert.is((await fetch(`${thinwire.url}/metrics`)).status, 401)
})

test('an address for metrics that cannot be used is reported with its setting', async (place) => {
  const other = createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => other.once('listening', resolve))
  const { port } = other.address() as { port: number }
  const attempt = async (listen: string): Promise<string> => {
    writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify({ metrics: { listen } }))
    const { code, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
    assert.is.not(code, 0)
    return err
  }
  assert.match(
    await attempt(`127.0.0.1:${port}`),
    /is taken by another program; stop it, or choose another with metrics\.listen/,
  )
  assert.match(await attempt('9464'), /metrics\.listen: must be HOST:PORT/)
  other.close()
})

test.run()
