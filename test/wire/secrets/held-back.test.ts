import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { event } from '../../support/failures.js'
import { post, startRelay } from '../../support/relay.js'
import { wait } from '../../support/until.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

const KEY = 'sk-upstream-secret'
/** Begins as the key does, so that the redactor holds the beginning back where a read ends within it. */
const ALIKE = 'sk-upstream-notit'

/** One chunk whose second read begins within a word; the answer of the upstream if `isError` is false. */
function divided(word: string, extension: string, isError: boolean): Script {
  const first = isError
    ? event({ error: { type: 'server_error', message: 'x' } })
    : event({ choices: [{ index: 0, delta: { content: 'Hello' } }] })
  const body = `${first}${event({ choices: [{ index: 0, delta: { content: word } }] })}data: [DONE]\n\n`
  const all = `${body.length.toString(16)}${extension}\r\n${body}\r\n0\r\n\r\n`
  const at = all.indexOf(word) + 14
  return async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED) + all.slice(0, at))
    await wait(10)
    await request.write(all.slice(at))
  }
}

/** Who reads the chunks, until undici does. */
const READERS: readonly (readonly [string, string, string, boolean])[] = [
  ['the chunks pass until one has an extension', '/v1/chat/completions', ';x=y', false],
  ['the response is translated', '/cursor/v1/chat/completions', '', false],
  ['the response is held, as it begins with an error', '/v1/chat/completions', '', true],
]

for (const [name, path, extension, isError] of READERS)
  for (const second of [false, true])
    for (const word of [ALIKE, KEY])
      test(`${word} in two reads reaches the client ${word === KEY ? 'in stars' : 'whole'}: ${name}${second ? ', before another target' : ''}`, async () => {
        const a = await ScriptedUpstream.start(divided(word, extension, isError))
        // The error of `a` is the better one of the two.
        const b = await ScriptedUpstream.start((request) =>
          request.write(whole('502 Bad Gateway', '<html>', 'content-type: text/html')),
        )
        const targets = [{ upstream: 'a' }, ...(second ? [{ upstream: 'b' }] : [])]
        const apiKey = { env: 'UPSTREAM_KEY' }
        const relay = await startRelay(
          { a: { baseUrl: a.url, apiKey }, b: { baseUrl: b.url } },
          { routes: [{ targets }] },
        )
        try {
          const messages = [{ role: 'user', content: 'hi' }]
          const { body, complete } = await post(
            relay,
            path,
            JSON.stringify({ model: 'm', stream: true, messages }),
          )
          if (isError && second) assert.is(b.requests.length, 1)
          else {
            assert.ok(complete)
            assert.is(body.includes('[DONE]'), true, body.toString())
          }
          assert.not(body.includes(KEY))
          if (!(isError && second)) assert.ok(body.includes(word === KEY ? '*'.repeat(KEY.length) : word))
        } finally {
          await relay.close()
          await a.close()
          await b.close()
        }
      })

test.run()
