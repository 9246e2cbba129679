import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RawClient } from '../../support/client.js'
import { randomFrom, SEED } from '../../support/random.js'
import { auth, startRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

test('a thousand requests cancelled at random moments leave no socket, timer or memory behind', async () => {
  const random = randomFrom(SEED)
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.target === '/v1/after') return request.write(whole('200 OK', 'ok'))
    await wait(random() * 8)
    await request.write(head('200 OK', SSE, CHUNKED))
    for (let i = 0; i < 6 && !request.closed; i++) {
      await request.chunk(`data: {"choices":[{"delta":{"content":"${i}"}}]}\n\n`)
      await wait(random() * 4)
    }
    await request.chunk('data: [DONE]\n\n')
    return request.lastChunk()
  })
  const relay = await startRelay(upstream.url, {
    timeouts: { upstreamKeepAliveMs: 200 },
    cache: { enabled: false },
  })
  const body = JSON.stringify({ model: 'm', stream: true, prompt: 'x'.repeat(2000) })
  const message = `POST /v1/completions HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`

  const seen = new Map<string, WeakRef<object>>()
  const one = async (): Promise<void> => {
    const client = await RawClient.connect(relay.port)
    // The client leaves within its request, while it waits, within the stream or at the end of it.
    client.send(random() < 0.2 ? message.slice(0, Math.floor(random() * message.length)) : message)
    await wait(random() * 40)
    for (const { id, record } of relay.inspect().exchanges) seen.set(id, record)
    if (random() < 0.5) client.destroy()
    else client.reset()
  }
  const storm = async (count: number): Promise<void> => {
    for (let done = 0; done < count; done += 50) await Promise.all(Array.from({ length: 50 }, one))
    await until(() => relay.inspect().openCount === 0, 'every exchange to be settled')
    await until(() => upstream.sockets.size === 0, 'every upstream connection to close', 20_000)
  }

  await storm(200)
  // The first storm fills caches and compiles code, so that only leaks of the second one count.
  const before = resources()
  await storm(1000)
  const settled = relay.lines.filter((line) => 'end' in line)
  for (const line of settled) assert.ok(['client_gone', 'done'].includes(String(line.end)), String(line.end))

  const client = await relay.client()
  client.send(`GET /v1/after HTTP/1.1\r\n${auth(relay)}\r\n`)
  assert.is((await client.response()).status, 200)
  client.destroy()
  await until(() => relay.inspect().openCount === 0, 'the last exchange to be settled')
  await until(() => upstream.sockets.size === 0, 'the last upstream connection to close', 20_000)
  // Timers and sockets may take a moment to be released.
  await until(() => resources().length <= before.length, `${before} again, not ${resources()}`)
  // A timer, a listener or a pool that held on to its exchange would keep it from being collected.
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const held = (): number => [...seen.values()].filter((ref) => ref.deref() !== undefined).length
  assert.ok(seen.size > 20, `${seen.size} exchanges were looked at`)
  await until(() => {
    collect()
    return held() <= 2
  }, `the exchanges to be collected; ${held()} of ${seen.size} are held`)
  const ready = await fetch(`http://127.0.0.1:${relay.port}/readyz`)
  assert.is(((await ready.json()) as { buffered_bytes: number }).buffered_bytes, 0)
  await relay.close()
  await upstream.close()
})

/** Open sockets, servers and timers of this process. */
function resources(): string[] {
  return process.getActiveResourcesInfo().filter((name) => name !== 'Immediate' && name !== 'TickObject')
}

test.run()
