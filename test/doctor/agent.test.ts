import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { startDemo } from '../../src/demo/server.js'
import type { AgentShape } from '../../src/doctor/agent-bodies.js'
import { startDouble } from '../../src/doctor/doubles/double.js'
import { examineModels } from '../../src/doctor/model-check.js'
import { createVisit } from '../support/visit.js'
import {
  answerPage,
  behind,
  clearWard,
  closeWard,
  faulty,
  look,
  openWard,
  type Ward,
} from '../support/ward.js'

const test = suite<Ward>('doctor: agent')

test.before(openWard)
test.after.each(clearWard)
test.after(closeWard)

interface SeenJson {
  readonly outcome: string
  readonly seen: string
  readonly change: readonly string[]
}

interface ModelJson {
  readonly model: string
  readonly ask: SeenJson
  readonly agent: ReadonlyArray<SeenJson & { readonly shape: AgentShape }>
  readonly works: boolean
}

const readModels = (out: string): readonly ModelJson[] => (JSON.parse(out) as { models: ModelJson[] }).models
const show = ({ outcome, seen, change }: SeenJson): string => `${outcome}: ${seen} > ${change.join(' | ')}`

type Body = Readonly<Record<string, unknown>>
type Respond = (body: Body, res: ServerResponse) => void

const servers: Server[] = []

test.after.each(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    await new Promise<void>((resolve) => void server.close(() => resolve()))
  }
})

/** A server that lists these models, and answers chats as told: what a relay or a provider may be. */
async function serve(models: readonly string[], respond: Respond): Promise<string> {
  const server = createServer((req, res) => {
    let text = ''
    req.on('data', (piece) => {
      text += piece
    })
    req.on('end', () => {
      res.setHeader('access-control-allow-origin', '*')
      res.setHeader('access-control-allow-headers', 'authorization, content-type')
      if (req.method === 'OPTIONS') res.writeHead(204).end()
      else if (req.method === 'GET') sendJson(res, 200, { data: models.map((id) => ({ id })) })
      else answer(req.headers.authorization, JSON.parse(text) as Body, res, respond)
    })
  })
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/cursor/v1`
}

function answer(key: string | undefined, body: Body, res: ServerResponse, respond: Respond): void {
  if (key === undefined) sendJson(res, 401, { error: { message: 'No key.' } })
  else if (body.stream === true) respond(body, res)
  // Cursor's test of a key, and the blank prompts.
  else sendJson(res, 200, { object: 'chat.completion', choices: [] })
}

function sendJson(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'content-type': 'application/json' })
  res.end(JSON.stringify(body))
}

function sendChunks(res: ServerResponse, ...events: readonly unknown[]): void {
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  for (const event of events)
    res.write(`data: ${typeof event === 'string' ? event : JSON.stringify(event)}\n\n`)
  res.end()
}

const chunk = (delta: unknown, reason: string | null = null): unknown => ({
  object: 'chat.completion.chunk',
  choices: [{ index: 0, delta, finish_reason: reason }],
})
const TEXT = [chunk({ role: 'assistant', content: '42.' }), chunk({}, 'stop'), '[DONE]']
const callOf = (name: string, written: string, more: object = { index: 0, type: 'function' }): unknown =>
  chunk({ tool_calls: [{ id: 'call_1', function: { name, arguments: written }, ...more }] })
const CALL = [callOf('Read', '{"path":"a.ts"}'), chunk({}, 'tool_calls'), '[DONE]']

const hasTools = (body: Body): boolean => Array.isArray(body.tools)
const hasResult = (body: Body): boolean =>
  /"tool_call_id"|_call_output"|"tool_result"/.test(JSON.stringify(body))

/** Answers an agent's first turn in one way, and everything else well. */
const firstTurn =
  (...events: readonly unknown[]): Respond =>
  (body, res) => {
    if (!hasTools(body) || hasResult(body)) sendChunks(res, ...TEXT)
    else sendChunks(res, ...events)
  }

async function examine(url: string, ...args: readonly string[]) {
  const { code, out } = await look([url, '--json', '--key', 'key-of-a-test', ...args])
  return { code, out, models: readModels(out) }
}

/** Plays Cursor alone, without the other checks. */
function play(url: string, ...models: readonly string[]): Promise<readonly ModelJson[]> {
  const visit = createVisit(url, { key: 'key-of-a-test', models, cursor: true })
  return examineModels(visit, models, () => {})
}

test('a relay completes turns of Cursor in all shapes of bodies, with each model that it lists', async (ward) => {
  const { code, out } = await behind(ward, {}, { path: '/cursor/v1', args: ['--all-shapes'] })
  assert.is(code, 0, out)
  assert.equal(faulty(out), [])
  const models = readModels(out)
  assert.equal(
    models.map(({ model }) => model),
    ['thinwire-demo', 'thinwire-demo-tools'],
  )
  for (const { ask, agent, works } of models) {
    assert.is(show(ask), 'ok: answered > ')
    assert.equal(
      agent.map(({ shape }) => shape),
      ['chat', 'responses', 'messages'],
    )
    for (const each of agent) assert.is(show(each), 'ok: called Read, then answered > ')
    assert.is(works, true)
  }
})

test('the agent sends the shape that Cursor chooses by the name, with tools, and then their result', async () => {
  const bodies: Body[] = []
  const url = await serve([], (body, res) => {
    bodies.push(body)
    sendChunks(res, ...(hasTools(body) && !hasResult(body) ? CALL : TEXT))
  })
  const names = ['team-fast', 'my-gpt', 'my-claude']
  const { code, models } = await examine(url, ...names.flatMap((name) => ['--model', name]))
  assert.is(code, 0)
  assert.equal(
    models.map(({ agent }) => agent.map(({ shape }) => shape)),
    [['chat'], ['responses'], ['messages']],
  )
  const turns = bodies.filter((body) => hasTools(body) && body.temperature === 0)
  for (const name of names) assert.is(turns.filter(({ model }) => model === name).length, 2, name)
  for (const turn of turns) {
    assert.is(turn.stream, true)
    assert.match(JSON.stringify(turn.tools), /ApplyPatch/)
  }
  const isCustom = (turn: Body): boolean => /"type":"custom"/.test(JSON.stringify(turn.tools))
  assert.equal(
    turns
      .filter(isCustom)
      .map(({ model }) => model)
      .sort(),
    ['my-gpt', 'my-gpt', 'team-fast', 'team-fast'],
  )
  for (const [name, result] of [
    ['team-fast', '"tool_call_id":"call_1"'],
    ['my-gpt', '"type":"function_call_output","call_id":"call_1"'],
    ['my-claude', '"type":"tool_result","tool_use_id":"call_1"'],
  ] as const)
    assert.ok(
      turns.some((turn) => turn.model === name && JSON.stringify(turn).includes(result)),
      name,
    )
})

test('a call that Cursor cannot read fails with the reason', async () => {
  const late = chunk({ tool_calls: [{ index: 0, id: 'call_2', function: { arguments: '' } }] })
  const end = [chunk({}, 'tool_calls'), '[DONE]']
  const cases: ReadonlyArray<readonly [readonly unknown[], RegExp]> = [
    [[callOf('Read', '{}', {}), ...end], /without index/],
    [
      [chunk({ tool_calls: [{ index: 0, function: { name: 'Read', arguments: '{}' } }] }), ...end],
      /without id/,
    ],
    [[callOf('', '{}'), ...end], /without a name/],
    [[callOf('ApplyPatch', 'x', { index: 0, type: 'custom' }), ...end], /of the type "custom"/],
    [[callOf('Read', '{"path":'), ...end], /arguments of Read are no JSON object/],
    [[callOf('Read', '[1]'), ...end], /arguments of Read are no JSON object/],
    [[callOf('Nothing', '{}'), ...end], /"Nothing", which is none of the tools/],
    [[callOf('Read', '{}'), late, ...end], /two tool calls with the same index/],
    [[callOf('Read', '{}'), chunk({}, 'stop'), '[DONE]'], /finish_reason is stop, not tool_calls/],
    [[callOf('Read', '{}'), chunk({}, 'tool_calls')], /the stream has no \[DONE\]/],
    [[{ error: { message: 'Overloaded' } }], /an error within the answer: Overloaded/],
    [[{ type: 'response.created' }], /no chat completion chunk \(response\.created\)/],
  ]
  for (const [events, expected] of cases) {
    const models = await play(await serve([], firstTurn(...events)), 'm')
    assert.is(models[0]?.works, false)
    const [agent] = models[0]?.agent ?? []
    assert.match(agent === undefined ? '' : show(agent), expected, agent === undefined ? '' : show(agent))
    assert.is(agent?.outcome, 'failed')
    assert.is(models[0]?.ask.outcome, 'ok')
  }
})

test('a free-text call of the patch tool is read as it is', async () => {
  const call = [callOf('ApplyPatch', '*** Begin Patch'), chunk({}, 'tool_calls'), '[DONE]']
  for (const model of ['m', 'my-gpt']) {
    const { code, models } = await examine(await serve([model], firstTurn(...call)))
    assert.is(code, 0)
    assert.match(models[0]?.agent[0]?.seen ?? '', /^called ApplyPatch, then answered/)
  }
})

test('a model that answers without a call is asked once more, and then it is a warning', async () => {
  const urged = await serve(['m', 'm-gpt', 'm-claude'], (body, res) => {
    const choice = JSON.stringify(body.tool_choice)
    sendChunks(res, ...(/required|any/.test(choice) && !hasResult(body) ? CALL : TEXT))
  })
  const willing = await examine(urged)
  assert.is(willing.code, 0)
  for (const { agent } of willing.models) assert.match(agent[0]?.seen ?? '', /^called Read/)

  const stubborn = await examine(await serve(['m'], firstTurn(...TEXT)))
  assert.is(stubborn.code, 1)
  assert.match(show(stubborn.models[0]?.agent[0] as SeenJson), /^warning: it did not call a tool/)
  // A model that thinks may refuse to be urged.
  const refusing = await serve(['m'], (body, res) =>
    body.tool_choice === 'required'
      ? sendJson(res, 400, { error: { message: 'tool_choice is not supported in thinking mode' } })
      : sendChunks(res, ...TEXT),
  )
  assert.match(show((await examine(refusing)).models[0]?.agent[0] as SeenJson), /^warning: it did not call/)
})

test('a turn that fails after the result of a tool is reported as that', async () => {
  const url = await serve(['m'], (body, res) => {
    if (!hasTools(body)) sendChunks(res, ...TEXT)
    else if (!hasResult(body)) sendChunks(res, ...CALL)
    else
      sendJson(res, 400, {
        error: { message: 'Missing `reasoning_content` field in the assistant message.' },
      })
  })
  const { code, models } = await examine(url)
  assert.is(code, 1)
  assert.match(
    show(models[0]?.agent[0] as SeenJson),
    /^failed: after the result of Read: 400: Missing .*wants its earlier thinking.*modelTraits: \{"match":"m", "chatThinking":"reasoning_content"\}/,
  )
  const silent = await serve(['m'], (body, res) =>
    sendChunks(res, ...(!hasTools(body) ? TEXT : hasResult(body) ? [chunk({}, 'stop'), '[DONE]'] : CALL)),
  )
  assert.match((await examine(silent)).models[0]?.agent[0]?.seen ?? '', /an answer without text/)
})

test('the exit code is 0 if each model that was named works, or one of those that are listed', async () => {
  const url = await serve(['bad', 'good', 'text-embedding-3'], (body, res) =>
    body.model === 'bad'
      ? sendJson(res, 400, { error: { message: 'bad does not support tools' } })
      : firstTurn(...CALL)(body, res),
  )
  const listed = await look([url, '--json', '--key', 'key-of-a-test'])
  // The other checks use the first model, and that is a failure of its own.
  assert.is(listed.code, 1)
  assert.equal(
    readModels(listed.out).map(({ model, works }) => [model, works]),
    [
      ['bad', false],
      ['good', true],
    ],
  )
  assert.is((await examine(url, '--model', 'good')).code, 0)
  assert.is((await examine(url, '--model', 'good', '--model', 'bad')).code, 1)
  assert.is((await examine(await serve([], firstTurn(...CALL)))).code, 1)
})

test('the table of models has lines of at most 80 columns', async () => {
  const message = `Unsupported parameter: 'temperature' is not supported with this model, ${'and so on '.repeat(12)}`
  const names = ['m', 'a-name-that-is-much-longer-than-the-column-for-it']
  const url = await serve(names, (body, res) =>
    hasTools(body)
      ? sendJson(res, 400, { error: { message, param: 'temperature', code: 'unsupported_parameter' } })
      : sendChunks(res, ...TEXT),
  )
  const { out } = await look([url, '--key', 'key-of-a-test'])
  assert.match(out, /^ Model {22,} Ask {4}Agent {2}Result, or the first cause$/m)
  assert.match(out, /^ m {10,} ok {5}FAIL {3}400: Unsupported parameter/m)
  assert.match(out, /^ {3}> add to modelTraits: \{"match":"m", "refuses":\["temperature"\]\}$/m)
  assert.ok(
    out.split('\n').every((line) => line.length <= 80),
    out,
  )
})

test('models of providers that are asked without a relay fail with the true cause and its cure', async () => {
  const demo = await startDemo({ paceMs: 0 })
  try {
    for (const [preset, model, cause, cure] of [
      ['openai', 'gpt-5.2', /use \/v1\/responses .*has to be asked by another API/, '"api":"responses"'],
      ['openai', 'o3', /'temperature' is not supported/, '"refuses":["temperature"]'],
      ['openai', 'gpt-4o', /takes no custom tools/, '"customTools":false'],
      ['anthropic', 'opus', /takes no custom tools/, '"customTools":false'],
    ] as const) {
      const double = await startDouble(preset, demo.origin)
      try {
        const { code, models } = await examine(`${double.origin}/cursor/v1`, '--model', model)
        assert.is(code, 1)
        const [agent] = models[0]?.agent ?? []
        assert.is(agent?.outcome, 'failed', model)
        assert.match(agent?.seen ?? '', cause)
        assert.is(agent?.change[0], `add to modelTraits: {"match":"${model}", ${cure}}`)
      } finally {
        await double.close()
      }
    }
  } finally {
    await demo.close()
  }
})

test('with the config of the relay the cure names the upstream and its model', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-doctor-'))
  const file = join(folder, 'relay.json')
  const models = { team: { upstream: 'mine', model: 'some-model' } }
  writeFileSync(file, JSON.stringify({ upstreams: { mine: { preset: 'openai' } }, models }))
  try {
    const url = await serve(['team'], (body, res) =>
      hasTools(body)
        ? sendJson(res, 400, {
            error: { message: "Unsupported parameter: 'temperature'", param: 'temperature' },
          })
        : sendChunks(res, ...TEXT),
    )
    const found = await examine(url, '--config', file)
    assert.equal(found.models[0]?.agent[0]?.change, [
      'add to modelTraits: {"match":"some-model", "upstream":"mine", "refuses":["temperature"]}',
    ])
    const missing = await look([url, '--key', 'key-of-a-test', '--config', join(folder, 'none.json')])
    assert.is(missing.code, 2)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('neither the key nor a control character of a list or an answer is in the table of models', async () => {
  const names = ['good', 'bad\u001b[2Jname', 'ev\u202eil', 'long'.repeat(40)]
  const url = await serve(names, (body, res) => {
    const message = `Key key-of-a-test is \u001b[2J\u009b not\nwelcome for ${String(body.model)}`
    sendChunks(res, { error: { message } })
  })
  for (const args of [['--json'], []]) {
    const { code, out } = await look([url, '--key', 'key-of-a-test', ...args])
    assert.is(code, 1)
    assert.not.ok(/[\p{Cc}\p{Cf}]/u.test(out.replaceAll('\n', '')))
    assert.not.match(out, /key-of-a-test/)
    assert.match(out, /good/)
    assert.not.match(out, /il"|badname/)
  }
})

test('a limit of a proxy that comes between turns is reported as that', async (ward) => {
  let left = 12
  const { code, out } = await behind(
    ward,
    {
      respond: (req, res) =>
        req.method === 'POST' &&
        req.headers.authorization !== undefined &&
        left-- <= 0 &&
        answerPage(res, 503, '503 Service Temporarily Unavailable'),
    },
    { path: '/cursor/v1', args: ['--all-shapes'] },
  )
  assert.is(code, 1)
  const told = readModels(out).flatMap(({ ask, agent }) => [ask, ...agent].map(show))
  assert.ok(
    told.some((text) => /^failed: .*a proxy in front limits the number of requests.*limit_req/.test(text)),
  )
  assert.ok(told.some((text) => /^skipped: a proxy limits requests/.test(text)))
})

test.run()
