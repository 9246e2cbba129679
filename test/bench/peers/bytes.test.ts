import { once } from 'node:events'
import { request as ask, createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ProbeUpstream, probeBytes } from '../../../bench/peers/bytes.js'
import { describeChange } from '../../../bench/peers/changes.js'

/** What a fake gateway does to the bytes. */
interface Ways {
  prompt(text: string): string
  /** @returns what can be sent of what has come so far, and what has to wait */
  stream(text: string): readonly [send: string, wait: string]
  json(text: string): string
}

const AS_THEY_ARE: Ways = { prompt: (text) => text, stream: (text) => [text, ''], json: (text) => text }

/** Parses everything and writes it again, as most gateways do. */
const REBUILT: Ways = {
  prompt: (text) => JSON.stringify({ ...JSON.parse(text), user: 'anybody' }),
  stream: (text) => {
    const end = text.search(/\r?\n\r?\n/)
    if (end === -1) return ['', text]
    const rest = text.slice(end).replace(/^(\r?\n){2}/, '')
    const data = /^data: ?(.*)$/m.exec(text.slice(0, end))?.[1]
    const [more, wait] = REBUILT.stream(rest)
    if (data === undefined) return [more, wait]
    if (!data.startsWith('{')) return [`data: ${data}\n\n${more}`, wait]
    const { odd: _, ...known } = JSON.parse(data)
    return [`data: ${JSON.stringify({ ...known, model: 'another' })}\n\n${more}`, wait]
  },
  json: (text) => JSON.stringify({ ...JSON.parse(text), provider: 'openai' }),
}

async function gateway(upstreamPort: number, ways: Ways): Promise<Server> {
  const server = createServer(async (req, res) => {
    let prompt = ''
    for await (const piece of req.setEncoding('utf8')) prompt += piece
    const up = ask(
      { port: upstreamPort, host: '127.0.0.1', method: 'POST', path: req.url ?? '/' },
      (answer) => {
        const isStream = answer.headers['content-type'] === 'text/event-stream'
        res.writeHead(200, { 'content-type': answer.headers['content-type'] ?? '' })
        let text = ''
        answer.setEncoding('utf8').on('data', (piece: string) => {
          text += piece
          if (!isStream) return
          const [send, wait] = ways.stream(text)
          text = wait
          if (send !== '') res.write(send)
        })
        answer.on('end', () => res.end(isStream ? text : ways.json(text)))
      },
    )
    up.end(ways.prompt(prompt))
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

async function probe(ways: Ways): ReturnType<typeof probeBytes> {
  const upstream = new ProbeUpstream()
  const server = await gateway(await upstream.listen(), ways)
  try {
    const { port } = server.address() as AddressInfo
    return await probeBytes(upstream, { name: 'fake', port, headers: [] })
  } finally {
    server.close()
    server.closeAllConnections()
    upstream.close()
  }
}

test('a gateway that passes bytes on as they are is told as such', async () => {
  assert.equal(await probe(AS_THEY_ARE), { prompt: 'unchanged', stream: 'unchanged', json: 'unchanged' })
})

test('a gateway that rebuilds is told by what it adds, drops and changes', async () => {
  assert.equal(await probe(REBUILT), {
    prompt: 'rebuilt: adds user',
    stream: 'rebuilt: drops comments, odd, `id:`, `event:`; changes model, whole events only',
    json: 'rebuilt: adds provider',
  })
})

test('the same bytes in other pieces are told', async () => {
  const joined: Ways = {
    ...AS_THEY_ARE,
    stream: (text) => (text.includes('[DONE]') ? [text, ''] : ['', text]),
  }
  assert.is((await probe(joined)).stream, 'unchanged, in other chunks, whole events only')
})

test('a gateway that refuses is no response', async () => {
  const upstream = new ProbeUpstream()
  const server = createServer((_, res) => res.writeHead(429).end('slow down')).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  try {
    await probeBytes(upstream, { name: 'fake', port, headers: [] })
    assert.unreachable()
  } catch (error) {
    assert.match((error as Error).message, /answered HTTP\/1\.1 429/)
  } finally {
    server.close()
    upstream.close()
  }
})

test('a change is described by fields, the outermost only', () => {
  const sent = '{"id":"a","choices":[{"index":0,"text":"x"},{"index":1,"text":"y"}]}'
  assert.is(describeChange(sent, sent, 'json'), 'unchanged')
  assert.is(
    describeChange(sent, JSON.stringify(JSON.parse(sent), null, 1), 'json'),
    'rebuilt: other spacing or order',
  )
  assert.is(
    describeChange(sent, sent.replace('"id":"a"', '"id":"a","extra":{"deep":{"er":1}}'), 'json'),
    'rebuilt: adds extra',
  )
  assert.is(describeChange(sent, sent.replace('"y"', '"z"'), 'json'), 'rebuilt: changes choices.text')
  assert.is(describeChange(sent, '<html>', 'json'), 'rebuilt, and not to be read any more')
  const many = `{"id":"a",${'bcdefgh'.split('').map((name) => `"${name}":1`)}}`
  assert.is(describeChange(many, '{"id":"a"}', 'json'), 'rebuilt: drops b, c, d, e, f and 2 more')
})

test('a stream that repeats fewer events, or has other line ends, is described by what is in them', () => {
  const sent = 'data: {"id":"a","t":"x"}\n\ndata: {"id":"a","t":"y"}\n\ndata: [DONE]\n\n'
  assert.is(describeChange(sent, sent.replaceAll('\n', '\r\n'), 'stream'), 'rebuilt: other spacing or order')
  assert.is(describeChange(sent, sent.replace('data: [DONE]\n\n', ''), 'stream'), 'rebuilt: drops [DONE]')
})

test.run()
