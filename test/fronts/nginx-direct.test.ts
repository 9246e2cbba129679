import { createHash } from 'node:crypto'
import { rmSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { directList, replaceList } from '../support/fronts/direct-list.js'
import {
  type FrontRequest,
  Http2Client,
  type Outcome,
  requestByHttp1,
} from '../support/fronts/front-client.js'
import { HAS_NGINX } from '../support/fronts/nginx.js'
import { chat, inNginxScene, type NginxScene } from '../support/fronts/nginx-scene.js'
import { DIRECT_CREDENTIAL } from '../support/fronts/provider.js'
import { until } from '../support/until.js'

if (!HAS_NGINX) process.stderr.write('nginx or njs is not there: its direct way is not tested\n')
const withNginx = HAS_NGINX ? test : test.skip

/** Without relays, so that each request goes direct. */
const inDirectScene = (run: (scene: NginxScene) => Promise<void>): Promise<void> =>
  inNginxScene({ relays: false }, run)

function assertRefused(outcome: Outcome, status: number, code: string, what: string): void {
  assert.equal(
    [outcome.status, outcome.code, outcome.isDirect],
    [status, code, true],
    `${what}: ${outcome.body}`,
  )
  const { error } = JSON.parse(outcome.body) as { error: Record<string, unknown> }
  assert.equal(Object.keys(error), ['message', 'type', 'param', 'code'])
  assert.is(outcome.headers['retry-after'], status === 503 ? '5' : undefined)
}

const withKey = (request: FrontRequest, headers: Readonly<Record<string, string>>): FrontRequest => ({
  ...request,
  headers,
})

withNginx('only a key of the list goes direct, wherever the client has put it', async () => {
  await inDirectScene(async (scene) => {
    const { key, set, nginx, provider } = scene
    const unlisted = set.issueKey('unlisted')
    const expired = set.issueKey('expired')
    const later = Math.floor(Date.now() / 1_000) + 3_600
    const list = [
      { key, until: later },
      { key: expired, until: later - 7_200 },
    ]
    replaceList(nginx.listFile, directList(list))
    const good = [
      { authorization: `Bearer ${key}` },
      { Authorization: `bearer  ${key}` },
      { 'x-api-key': key },
      { 'Api-Key': key },
      { authorization: 'Bearer sk-other', 'x-api-key': key },
    ]
    for (const headers of good) {
      const outcome = await requestByHttp1(withKey(chat(scene, 'good'), headers))
      assert.is(outcome.ended, 'whole', JSON.stringify(headers))
      assert.ok(outcome.isDirect)
    }
    const bad: Array<[string, Record<string, string>]> = [
      ['none', {}],
      ['wrong', { authorization: `Bearer ${key.slice(0, -1)}x` }],
      ['the hash', { authorization: `Bearer ${createHash('sha256').update(key).digest('hex')}` }],
      ['revoked or budgeted', { authorization: `Bearer ${unlisted}` }],
      ['expired', { authorization: `Bearer ${expired}` }],
      ['of the provider', { authorization: `Bearer ${DIRECT_CREDENTIAL}` }],
      ['in another header', { cookie: `key=${key}`, 'proxy-authorization': `Bearer ${key}` }],
    ]
    const before = provider.arrivals.length
    const messages = new Set<string>()
    for (const [what, headers] of bad) {
      const outcome = await requestByHttp1(withKey(chat(scene, 'bad'), headers))
      assertRefused(outcome, 401, 'invalid_api_key', what)
      messages.add(outcome.body)
    }
    assert.is(messages.size, 1, 'a refusal says which keys there are')
    assert.is(provider.arrivals.length, before)
  })
})

withNginx('a list that is gone, broken or out of date lets nobody through', async () => {
  await inDirectScene(async (scene) => {
    const { key, nginx } = scene
    const past = Math.floor(Date.now() / 1_000) - 1
    const lists = [
      '',
      '{',
      directList([{ key }], { v: 2 }),
      directList([{ key }], { stale_after: past }),
      null,
    ]
    for (const list of lists) {
      if (list === null) rmSync(nginx.listFile)
      else replaceList(nginx.listFile, list)
      assertRefused(await requestByHttp1(chat(scene, 'x')), 503, 'direct_not_possible', String(list))
    }
    replaceList(nginx.listFile, directList([{ key }], { stale_after: past + 3_600 }))
    assert.is((await requestByHttp1(chat(scene, 'x'))).ended, 'whole')
    replaceList(nginx.listFile, JSON.stringify(JSON.parse(directList([{ key }])), null, 2))
    assert.is((await requestByHttp1(chat(scene, 'x'))).ended, 'whole', 'a list with spaces')
    replaceList(nginx.listFile, directList([]))
    assertRefused(await requestByHttp1(chat(scene, 'x')), 401, 'invalid_api_key', 'an empty list')
  })
})

withNginx('a path that may lead to what others have stored is refused', async () => {
  await inDirectScene(async (scene) => {
    const before = scene.provider.arrivals.length
    const refused: Array<[string, string]> = [
      ['GET', '/v1/files'],
      ['GET', '/v1/responses/resp_1'],
      ['DELETE', '/v1/models/ft'],
      ['GET', '/v1/chat/completions'],
      ['POST', '/v1/fine_tuning/jobs'],
      ['POST', '/v1/batches'],
      ['POST', '/v1//chat/completions'],
      ['POST', '/v1/chat/completions/'],
      ['POST', '/v1/chat/completions/../../files'],
      ['POST', '/v1/x/../chat/completions'],
      ['POST', '/v1/chat/completions%2f..%2ffiles'],
      ['POST', '/v1/chat%2fcompletions'],
      ['POST', '/V1/chat/completions'],
      ['POST', '/v1/chat/completions;x'],
      ['GET', '/v1/organization/admin_api_keys'],
      ['GET', '/'],
    ]
    for (const [method, path] of refused) {
      const { body, ...rest } = chat(scene, 'x')
      const outcome = await requestByHttp1({
        ...rest,
        method,
        path,
        ...(method === 'POST' ? { body } : {}),
      } as FrontRequest)
      assertRefused(outcome, 503, 'direct_not_possible', `${method} ${path}`)
    }
    assert.is(scene.provider.arrivals.length, before)
    await requestByHttp1({ ...chat(scene, 'x'), path: '/v1/chat/completions?api_key=secret' })
    assert.is(scene.provider.arrivals.at(-1)?.path, '/v1/chat/completions')
  })
})

withNginx('the provider gets the operator’s key, and no other header that names the client', async () => {
  await inDirectScene(async (scene) => {
    const { key, provider } = scene
    await requestByHttp1({
      ...chat(scene, 'h'),
      headers: {
        authorization: `Bearer ${key}`,
        'x-api-key': key,
        'x-goog-api-key': key,
        cookie: `session=${key}`,
        'openai-organization': 'org-other',
        'openai-project': 'proj-other',
        'x-thinwire-direct': '1',
        'x-thinwire-tags': 'a=b',
        'x-forwarded-for': '8.8.8.8',
        forwarded: 'for=8.8.8.8',
        'x-real-ip': '8.8.8.8',
        'content-type': 'application/json',
        accept: 'text/event-stream',
      },
    })
    const arrival = provider.arrivals.at(-1)
    assert.equal(
      arrival?.rawHeaders
        .filter((_, i) => i % 2 === 0)
        .map((name) => name.toLowerCase())
        .sort(),
      ['accept', 'authorization', 'connection', 'content-length', 'content-type', 'host'],
    )
    assert.is(arrival?.headers.authorization, `Bearer ${DIRECT_CREDENTIAL}`)
    assert.is(arrival?.headers.host, 'api.openai.com')
    assert.not.match(arrival?.rawHeaders.join('\n') ?? '', /lc_/)
  })
})

withNginx('a body passes byte by byte, but for the alias of its model', async () => {
  await inDirectScene(async (scene) => {
    const send = async (body: string | Buffer): Promise<Outcome> =>
      requestByHttp1({ ...chat(scene, ''), body })
    const arrived = (): string => scene.provider.arrivals.at(-1)?.body.toString('latin1') ?? ''
    const same = [
      '{ "messages": [ {"content":"\\"model\\": \\"fast\\" \\\\"} ],\n "model" : "gpt-5" ,"x":{"model":"fast"}}',
      Buffer.from('{"model":"gpt-5","messages":["\xff\xfe é"]}', 'latin1'),
      '{}',
      '{"model":null,"previous_response_id":null,"background":false,"prompt":"text"}',
    ]
    for (const body of same) {
      assert.is((await send(body)).ended, 'whole', String(body))
      assert.is(arrived(), Buffer.from(body as string).toString('latin1'))
    }
    const mapped: Array<[string, string]> = [
      ['{"model":"fast","a":"fast"}', '{"model":"gpt-5-mini","a":"fast"}'],
      [
        '{"a":[1,{"b":"]}"}],"mo\\u0064el" : "f\\u0061st"\n}',
        '{"a":[1,{"b":"]}"}],"mo\\u0064el" : "gpt-5-mini"\n}',
      ],
    ]
    for (const [body, wanted] of mapped) {
      await send(body)
      assert.is(arrived(), wanted)
    }
    const refused: Array<[string, number, string]> = [
      ['{"model":"claude-opus-5"}', 503, 'direct_not_possible'],
      ['{"model":"team-claude"}', 503, 'direct_not_possible'],
      ['{"model":"gpt-5","model":"gpt-5"}', 400, 'ambiguous_request'],
      ['{"model":"gpt-5","mod\\u0065l":"x"}', 400, 'ambiguous_request'],
      ['{"model":"gpt-5","previous_response_id":"resp_1"}', 503, 'direct_not_possible'],
      ['{"model":"gpt-5","conversation":{"id":"conv_1"}}', 503, 'direct_not_possible'],
      ['{"model":"gpt-5","background":true}', 503, 'direct_not_possible'],
      ['{"model":"gpt-5","prompt":{"id":"pmpt_1"}}', 503, 'direct_not_possible'],
      ['[]', 400, 'unreadable_body'],
      ['', 400, 'unreadable_body'],
      ['{"model":"gpt-5"', 400, 'unreadable_body'],
      ['{"model":"gpt-5"} {}', 400, 'unreadable_body'],
      ['{"model":"gpt-5', 400, 'unreadable_body'],
    ]
    const before = scene.provider.arrivals.length
    for (const [body, status, code] of refused) assertRefused(await send(body), status, code, body)
    assert.is(scene.provider.arrivals.length, before)
    const zipped = {
      ...chat(scene, ''),
      headers: { authorization: `Bearer ${scene.key}`, 'content-encoding': 'gzip' },
    }
    assertRefused(await requestByHttp1(zipped), 503, 'direct_not_possible', 'gzip')
  })
})

withNginx('where only some models may go direct, a request that names none of them does not', async () => {
  const list = ({ key }: { key: string }): string => directList([{ key }], { models: ['gpt-5', 'o*'] })
  await inNginxScene({ relays: false, list }, async (scene) => {
    const send = (body: string): Promise<Outcome> => requestByHttp1({ ...chat(scene, ''), body })
    const allowed = ['{"model":"gpt-5"}', '{"model":"gpt\\u002d5"}', '{"model":"o9"}', '{"model":"fast"}']
    for (const body of allowed) assert.is((await send(body)).ended, 'whole', body)
    assert.is((await requestByHttp1({ ...chat(scene, ''), method: 'GET', path: '/v1/models' })).status, 200)
    const before = scene.provider.arrivals.length
    const refused = [
      '{}',
      '{"Model":"gpt-5"}',
      '{"model":null}',
      '{"model":["gpt-5"]}',
      '{"model":{"model":"gpt-5"}}',
      '{"model":""}',
      '{"model":"gpt-5 "}',
      '{"model":"gpt-5\\n"}',
      '{"x":{"model":"gpt-5"},"model":"gpt-6"}',
      '{"x":{"model":"gpt-5"}}',
    ]
    for (const body of refused) assertRefused(await send(body), 503, 'direct_not_possible', body)
    for (const body of ['\ufeff{"model":"gpt-5"}', 'model=gpt-5', '{"model":"gpt-5"}{"model":"gpt-6"}'])
      assertRefused(await send(body), 400, 'unreadable_body', body)
    assert.is(scene.provider.arrivals.length, before)
  })
})

withNginx('a chat of Cursor goes direct; what the relay would have to translate does not', async () => {
  await inDirectScene(async (scene) => {
    const path = '/cursor/v1/chat/completions'
    assert.is((await requestByHttp1({ ...chat(scene, 'c1', { model: 'fast' }), path })).ended, 'whole')
    const [arrival] = scene.provider.arrivalsOf('c1')
    assert.is(arrival?.path, '/v1/chat/completions')
    assert.match(String(arrival?.body), /"model":"gpt-5-mini"/)
    const body = '{"model":"fast","input":[],"user":"c2"}'
    assertRefused(
      await requestByHttp1({ ...chat(scene, 'c2'), path, body }),
      503,
      'direct_not_possible',
      body,
    )
    const other = { ...chat(scene, 'c3'), path: '/cursor/v1/responses' }
    assertRefused(await requestByHttp1(other), 503, 'direct_not_possible', other.path)
  })
})

withNginx('a body of 30 MB goes direct, by HTTP/1.1 and HTTP/2', async () => {
  await inDirectScene(async (scene) => {
    const text = 'line\\n\\"quoted\\" '.repeat(1_800_000)
    const body = (id: string): string => `{"messages":["${text}"],"user":"${id}","model":"fast"}`
    const client = new Http2Client()
    try {
      const outcomes = [
        await requestByHttp1({ ...chat(scene, 'big1'), body: body('big1') }),
        await client.request({ ...chat(scene, 'big2'), body: body('big2') }),
      ]
      for (const { ended, id } of outcomes) {
        assert.is(ended, 'whole')
        const [arrival] = scene.provider.arrivalsOf(id)
        assert.ok(arrival?.body.equals(Buffer.from(body(id).replace('"fast"}', '"gpt-5-mini"}'))))
      }
    } finally {
      client.close()
    }
  })
})

withNginx(
  'a stream goes direct piece by piece, a cut looks cut, and each request has a line in the log',
  async () => {
    await inDirectScene(async (scene) => {
      const { nginx, key } = scene
      const client = new Http2Client()
      const stream = { stream: true, metadata: { pieces: '5', gap_ms: '1' } }
      const cut = { stream: true, metadata: { pieces: '5', gap_ms: '1', cut_after: '3' } }
      try {
        for (const send of [requestByHttp1, (wanted: FrontRequest) => client.request(wanted)]) {
          assert.is((await send(chat(scene, 'whole', stream))).ended, 'whole')
          assert.is((await send(chat(scene, 'cut', cut))).ended, 'cut')
        }
        const refused = await requestByHttp1(chat(scene, 'no', { metadata: { refuse: '401' } }))
        assert.equal([refused.status, refused.code], [502, 'direct_refused'])
        const busy = await requestByHttp1(chat(scene, 'no', { metadata: { refuse: '429' } }))
        assert.equal([busy.status, busy.code], [429, 'refused_by_test'])
        await requestByHttp1({ ...chat(scene, 'no'), headers: {} })
      } finally {
        client.close()
      }
      await until(() => nginx.directLog.length >= 7, 'seven lines')
      const lines = nginx.directLog
      assert.equal(
        lines.map(({ status }) => status),
        ['200', '200', '200', '200', '502', '429', '401'],
      )
      assert.equal(
        lines.map(({ ended }) => ended),
        ['OK', '', 'OK', '', '', 'OK', 'OK'],
      )
      const [first] = lines
      assert.equal(
        [
          first?.thinwire,
          first?.v,
          first?.env,
          first?.team,
          first?.user,
          first?.model,
          first?.method,
          first?.path,
        ],
        ['direct', 1, 'prod', 'core', 'first', 'gpt-5-mini', 'POST', '/v1/chat/completions'],
      )
      assert.is(new Set(lines.map(({ request_id }) => request_id)).size, 7)
      assert.is(lines.at(-1)?.key_id, '')
      assert.not.match(JSON.stringify(lines), new RegExp(`${key}|${DIRECT_CREDENTIAL}`))
    })
  },
)

withNginx('a provider with the certificate of another name gets nothing', async () => {
  await inNginxScene({ relays: false, providerHost: 'other.example' }, async (scene) => {
    const outcome = await requestByHttp1(chat(scene, 'x'))
    assert.equal([outcome.status, outcome.code, outcome.isDirect], [502, 'direct_failed', true])
    assert.is(scene.provider.arrivals.length, 0)
  })
})

test.run()
