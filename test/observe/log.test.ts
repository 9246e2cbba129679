import { execFileSync } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import pino from 'pino'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Log } from '../../src/observe/log.js'
import { auth, startRelay } from '../support/relay.js'
import { wait } from '../support/until.js'
import { ScriptedUpstream, whole } from '../support/upstream.js'

test('a request has one line with its key, model and times, and nothing of its content', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(whole('200 OK', 'the answer', 'x-request-id: req_up')),
  )
  const relay = await startRelay(upstream.url)
  const body = JSON.stringify({ model: 'gpt-x', stream: false, prompt: 'the prompt' })
  const client = await relay.client()
  client.send(
    `POST /v1/completions?key=in-the-query HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`,
  )
  await client.response()
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'done')
  assert.is(line?.status, 200)
  assert.is(line?.level, 30)
  assert.is(new Date(String(line?.time)).toISOString(), line?.time)
  assert.is(line?.path, '/v1/completions')
  assert.is(line?.team, 'team1')
  assert.is(line?.user, 'user1')
  assert.is(line?.model, 'gpt-x')
  assert.is(line?.stream, false)
  assert.is(line?.upstream, 'up')
  assert.is(line?.upstream_request_id, 'req_up')
  assert.is(line?.bytes_in, body.length)
  assert.is(line?.bytes_out, 'the answer'.length)
  assert.match(String(line?.msg), /^POST \/v1\/completions 200 [\d.]+m?s team1\/user1 gpt-x via up$/)
  assert.not.match(JSON.stringify(relay.lines), /the prompt|the answer|in-the-query|sk-upstream/)
  await relay.close()
  await upstream.close()
})

test('names cannot inject lines or colours into the log, nor fill it', async () => {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', 'ok')))
  const relay = await startRelay(upstream.url)
  const model = `a\nb\u001b[31mc\u009b1md${'x'.repeat(600)}`
  const body = JSON.stringify({ model })
  const client = await relay.client()
  client.send(`POST /v1/x HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`)
  await client.response()
  const [line] = await relay.requests(1)
  assert.match(String(line?.model), /^a\?b\?\[31mc\?1mdx+\.\.\.$/)
  assert.ok(String(line?.msg).length < 400)
  await relay.close()
  await upstream.close()
})

test('draining waits for unwritten lines, but not for a reader that has stopped', async () => {
  const sink = { queued: 1, write(): void {} }
  const log = new Log(pino({ level: 'silent' }), null, sink)
  let over = false
  const drained = log.drain(60_000).then(() => {
    over = true
  })
  await wait(20)
  assert.is(over, false)
  sink.queued = 0
  await drained
  sink.queued = 1
  await log.drain(10)
})

const DIST = new URL('../../', import.meta.url)
const MODULE = new URL('../../src/observe/log.js', import.meta.url)

/** What a program on this module of the log writes in lines for people. */
function writeReadable(module: URL): string {
  const script = `
    import { openLog } from '${module.href}'
    const log = await openLog({ level: 'info', format: 'pretty' }, false)
    log.info({ hidden: 'field' }, 'hello')
    log.debug({}, 'not this')
    log.error({ err: new Error('told in full') }, 'oh')
  `
  return execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
}

function checkReadable(output: string): void {
  assert.match(output, /^\[\d\d:\d\d:\d\d\] INFO: hello\n/)
  assert.not.match(output, /hidden|not this/)
  assert.match(output, /ERROR: oh[\s\S]*told in full/)
}

test('a line in a terminal is readable for people', () => {
  checkReadable(writeReadable(MODULE))
})

test('a line in a terminal is readable where packages are symbolic links (npm link, pnpm)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-test-'))
  try {
    cpSync(new URL('src', DIST), join(folder, 'dist', 'src'), { recursive: true })
    cpSync(new URL('../package.json', DIST), join(folder, 'package.json'))
    symlinkSync(new URL('../node_modules', DIST), join(folder, 'node_modules'))
    checkReadable(
      writeReadable(new URL(MODULE.href.slice(DIST.href.length), pathToFileURL(`${folder}/dist/`))),
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('what a terminal obeys or hides is in no line, wherever it comes from', () => {
  const lines: string[] = []
  const sink = { write: (line: string) => void lines.push(line) }
  const log = new Log(pino({ level: 'debug', base: null }, sink), sink)
  const odd = 'a\u202eb\u2066c\u200bd\u2028e\u001bf\u009bg'
  for (const level of ['debug', 'info', 'warn', 'error'] as const) log[level]({ model: odd, count: 1 }, odd)
  for (const line of lines) {
    const { model, msg, count } = JSON.parse(line)
    assert.equal([model, msg, count], ['a?b?c?d?e?f?g', 'a?b?c?d?e?f?g', 1])
  }
  assert.is(lines.length, 4)
})

test.run()
