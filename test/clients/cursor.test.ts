import { type IncomingMessage, request as send } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { whole } from '../support/upstream.js'
import { type Both, withDemo, withScript } from './both.js'

/** The window from which Cursor checks a key: a page, as far as CORS is concerned. */
const ORIGIN = 'vscode-file://vscode-app'

interface Answer {
  readonly status: number
  readonly headers: IncomingMessage['headers']
  readonly body: string
}

/** One HTTP request with just these headers; `fetch` of Node knows no CORS and adds headers of its own. */
function exchange(method: string, url: string, headers: Record<string, string>, body = ''): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const length = body === '' ? {} : { 'content-length': String(Buffer.byteLength(body)) }
    const req = send(url, { method, headers: { ...headers, ...length }, agent: false }, (res) => {
      let text = ''
      res.setEncoding('utf8')
      res.on('data', (piece: string) => {
        text += piece
      })
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, body: text }))
      res.on('error', reject)
    })
    req.on('error', reject)
    req.end(body)
  })
}

function list(value: string | undefined): string[] {
  return (value ?? '').split(',').map((item) => item.trim().toLowerCase())
}

/** Whether a page of this origin may read the answer (Fetch standard, CORS check). */
function readable(answer: Answer): boolean {
  const allowed = answer.headers['access-control-allow-origin']
  return allowed === '*' || allowed === ORIGIN
}

/**
 * What the `fetch` of a page does with a request that has an `Authorization` header: it asks first, without it, and
 * sends the request only if each header and the method are allowed by name (Fetch standard, CORS-preflight fetch;
 * a `*` never covers `Authorization`).
 */
async function pageFetch(
  method: 'GET' | 'POST',
  url: string,
  key: string,
  body?: unknown,
  more: Record<string, string> = {},
): Promise<Answer> {
  const headers: Record<string, string> = { authorization: `Bearer ${key}`, ...more }
  if (body !== undefined) headers['content-type'] = 'application/json'
  const preflight = await exchange('OPTIONS', url, {
    origin: ORIGIN,
    'access-control-request-method': method,
    'access-control-request-headers': Object.keys(headers).sort().join(','),
    'access-control-request-private-network': 'true',
  })
  assert.ok(preflight.status >= 200 && preflight.status < 300, `the preflight got ${preflight.status}`)
  assert.ok(readable(preflight), 'the preflight does not allow the origin')
  assert.is(preflight.headers['access-control-allow-private-network'], 'true')
  const methods = list(preflight.headers['access-control-allow-methods'])
  assert.ok(methods.includes(method.toLowerCase()), `${method} is not allowed`)
  const allowed = list(preflight.headers['access-control-allow-headers'])
  for (const name of Object.keys(headers)) assert.ok(allowed.includes(name), `${name} is not allowed`)
  const answer = await exchange(
    method,
    url,
    { ...headers, origin: ORIGIN, accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-site': 'cross-site' },
    body === undefined ? '' : JSON.stringify(body),
  )
  assert.ok(readable(answer), 'the page cannot read the answer')
  return answer
}

/** Cursor's probe of a key: status 200 is success, whatever the body. */
function probe(model: string): unknown {
  return {
    model,
    messages: [
      { role: 'system', content: 'You are a helpful assistant.' },
      { role: 'user', content: 'Test prompt using gpt-3.5-turbo' },
    ],
    temperature: 1,
    max_tokens: 10,
    stream: false,
  }
}

/** What a person may type into "Override OpenAI Base URL". */
const TYPED = ['/v1', '/v1/', '', '/', '//v1', '/v1//']

for (const typed of TYPED) {
  test(`Cursor's check of a key succeeds with the base URL https://host${typed}`, async () => {
    await withDemo(async ({ relayed, relay }) => {
      const base = relayed.origin + typed
      for (const model of ['gpt-4o-mini', 'my-model', 'please-enable-some-models']) {
        const answer = await pageFetch('POST', `${base}/chat/completions`, relayed.key, probe(model))
        assert.is(answer.status, 200, answer.body)
        assert.is(JSON.parse(answer.body).object, 'chat.completion')
      }
      const models = await pageFetch('GET', `${base}/models`, relayed.key)
      assert.is(models.status, 200)
      assert.is(JSON.parse(models.body).object, 'list')
      const lines = await relay.requests(4)
      assert.equal(
        lines.map((line) => `${line.method} ${line.path} ${line.end}`),
        [...Array(3).fill('POST /v1/chat/completions done'), 'GET /v1/models done'],
      )
    })
  })
}

test('any header that Cursor may come to send is allowed in a preflight', async () => {
  await withDemo(async ({ relayed }) => {
    const more = { 'x-cursor-request-id': 'r', 'x-client-request-id': 'c', traceparent: '00-1-2-01' }
    const answer = await pageFetch('GET', `${relayed.origin}/v1/models`, relayed.key, undefined, more)
    assert.is(answer.status, 200)
  })
})

test('the older probe, which people paste from the settings page, succeeds as well', async () => {
  await withDemo(async ({ relayed }) => {
    const answer = await pageFetch('POST', `${relayed.origin}/v1/chat/completions`, relayed.key, {
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content: 'You are a test assistant.' },
        { role: 'user', content: 'Testing. Just say hi and nothing else.' },
      ],
    })
    assert.is(answer.status, 200)
  })
})

test('a wrong key fails the check with a body that Cursor can show', async () => {
  await withDemo(async ({ relayed }) => {
    for (const [method, path] of [
      ['POST', '/v1/chat/completions'],
      ['GET', '/v1/models'],
    ] as const) {
      const body = method === 'POST' ? probe('gpt-4o-mini') : undefined
      const answer = await pageFetch(method, relayed.origin + path, 'sk-wrong', body)
      assert.is(answer.status, 401)
      assert.match(answer.headers['content-type'] ?? '', 'application/json')
      const { error } = JSON.parse(answer.body)
      assert.equal(Object.keys(error).sort(), ['code', 'message', 'param', 'type'])
      assert.is(error.code, 'malformed_api_key')
      assert.not.match(answer.body, 'sk-wrong')
    }
  })
})

test("an upstream's refusal of the probe comes through, readable, with the headers a page may see", async () => {
  const body = '{"error":{"message":"Use max_completion_tokens.","type":"t","param":"max_tokens","code":"u"}}'
  await withScript(
    (request) =>
      request.write(
        whole(
          '400 Bad Request',
          body,
          'content-type: application/json',
          'x-request-id: req_1',
          // What an upstream says of CORS is for pages of its own.
          'access-control-allow-origin: https://elsewhere.example',
        ),
      ),
    async ({ relayed, upstream }) => {
      const url = `${relayed.origin}/v1/chat/completions`
      const answer = await pageFetch('POST', url, relayed.key, probe('o1'))
      assert.is(answer.status, 400)
      assert.is(answer.body, body)
      assert.is(answer.headers['access-control-allow-origin'], '*')
      assert.ok(list(answer.headers['access-control-expose-headers']).includes('x-request-id'))
      // The preflight ends at the relay, and that it was a page that asked is not told.
      assert.is(upstream.requests.length, 1)
      const request = await upstream.request(0)
      assert.equal(
        request.headers.filter(([name]) => /^(origin|sec-fetch|access-control)/i.test(name)),
        [],
      )
    },
  )
})

test('an upstream that cannot be reached fails the check with an answer that the page can read', async () => {
  await withScript(
    () => {},
    async ({ relayed, upstream }: Both & { upstream: { close(): Promise<void> } }) => {
      await upstream.close()
      const answer = await pageFetch(
        'POST',
        `${relayed.origin}/v1/chat/completions`,
        relayed.key,
        probe('gpt-4o-mini'),
      )
      assert.is(answer.status, 502)
      assert.is(JSON.parse(answer.body).error.code, 'upstream_unreachable')
    },
  )
})

test("a chat from Cursor's servers streams, with whatever its body holds beside the messages", async () => {
  await withDemo(async ({ relayed, relay }) => {
    const answer = await exchange(
      'POST',
      `${relayed.origin}/v1//chat/completions`,
      { authorization: `Bearer ${relayed.key}`, 'content-type': 'application/json' },
      JSON.stringify({
        model: 'relay:test',
        temperature: 0,
        user: 'u_hash_01',
        messages: [
          { role: 'system', content: 'S' },
          { role: 'user', content: 'ctx' },
          { role: 'user', content: 'do it' },
          {
            role: 'assistant',
            content: '',
            tool_calls: [
              {
                type: 'function',
                id: 'call_B1',
                index: 0,
                function: { name: 'read_file', arguments: '{"target_file":"a"}' },
              },
            ],
          },
          { role: 'tool', name: 'read_file', tool_call_id: 'call_B1', content: 'text' },
        ],
        tools: [
          { type: 'function', function: { name: 'read_file', parameters: { type: 'object' } } },
          {
            type: 'custom',
            name: 'ApplyPatch',
            format: { type: 'grammar', syntax: 'lark', definition: 'start: X' },
          },
        ],
        tool_choice: { type: 'auto' },
        stream: true,
        reasoning: { effort: 'low' },
      }),
    )
    assert.is(answer.status, 200)
    assert.match(answer.headers['content-type'] ?? '', /^text\/event-stream/)
    assert.is(answer.headers['x-accel-buffering'], 'no')
    const events = answer.body.split('\n\n').filter((event) => event !== '')
    assert.is(events.at(-1), 'data: [DONE]')
    const chunks = events.slice(0, -1).map((event) => JSON.parse(event.slice('data: '.length)))
    assert.is(chunks[0].choices[0].delta.role, 'assistant')
    assert.equal(
      chunks.filter((chunk) => chunk.choices[0].finish_reason !== null).length,
      1,
      'only the last chunk may have a finish_reason',
    )
    const [line] = await relay.requests(1)
    assert.is(line?.model, 'relay:test')
    assert.is(line?.stream, true)
  })
})

test('the Azure setting of Cursor sends its key as api-key, and is served as well', async () => {
  await withScript(
    (request) => request.write(whole('200 OK', '{}', 'content-type: application/json')),
    async ({ relayed, upstream }) => {
      const answer = await exchange(
        'POST',
        `${relayed.origin}/openai/deployments/my%20model/chat/completions?api-version=2023-03-15-preview`,
        { 'api-key': relayed.key, 'content-type': 'application/json' },
        JSON.stringify({ messages: [] }),
      )
      assert.is(answer.status, 200)
      const request = await upstream.request(0)
      // As an upstream has it that knows nothing of deployments.
      assert.is(request.target, '/v1/chat/completions')
      assert.equal(JSON.parse(request.body.toString()), { model: 'my model', messages: [] })
      assert.is(request.header('api-key'), undefined)
    },
  )
})

test.run()
