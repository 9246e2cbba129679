import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { type AddressInfo, connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RawClient } from '../support/client.js'
import { auth, startRelay } from '../support/relay.js'
import { until } from '../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../support/upstream.js'

const NGINX = ['nginx', '/usr/sbin/nginx'].find((name) => spawnSync(name, ['-v']).status === 0)
if (NGINX === undefined) process.stderr.write('nginx is not there: its recipe is not tested\n')
const withNginx = NGINX === undefined ? test.skip : test

async function findPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

/** The recipe with the numbered places filled in, without TLS. */
function recipe(relayPort: number, port: number, folder: string): string {
  const text = readFileSync('scripts/deploy/nginx.conf', 'utf8')
    .replace('127.0.0.1:4000', `127.0.0.1:${relayPort}`)
    .replace('listen 443 ssl;', `listen 127.0.0.1:${port};`)
    .replace(/^ *ssl_certificate.*$/gm, '')
  assert.not.match(text, /ssl/)
  const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `${name}_temp_path ${folder}/${name};`)
    .join('\n')
  return `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/errors;
events {}
http { access_log off; ${temp}\n${text}\n}`
}

async function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

withNginx('the recipe for nginx passes response heads of 60 KB, and streams', async () => {
  const fields = Array.from({ length: 30 }, (_, i) => `x-long-${i}: ${'y'.repeat(2_000)}`)
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.target === '/v1/whole') return request.write(whole('200 OK', 'fine', ...fields))
    await request.write(head('200 OK', SSE, CHUNKED, ...fields))
    await request.chunk('data: 1\n\n')
  })
  const relay = await startRelay(upstream.url)
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
  const port = await findPort()
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, recipe(relay.port, port, folder))
  const nginx: ChildProcess = spawn(NGINX as string, ['-p', folder, '-c', file], { stdio: 'inherit' })
  try {
    let isUp = false
    await until(() => {
      void accepts(port).then((up) => {
        isUp ||= up
      })
      return isUp || nginx.exitCode !== null
    }, 'nginx')
    assert.ok(isUp, 'nginx does not take the recipe')
    const client = await RawClient.connect(port)
    client.send(`GET /v1/whole HTTP/1.1\r\n${auth(relay)}\r\n`)
    const response = await client.response()
    assert.is(response.status, 200, response.body.toString())
    assert.is(response.header('x-long-29'), 'y'.repeat(2_000))
    assert.is(response.body.toString(), 'fine')
    client.send(`GET /v1/stream HTTP/1.1\r\n${auth(relay)}\r\n`)
    await client.sees('data: 1\n\n')
    client.destroy()
  } finally {
    nginx.kill('SIGKILL')
    await relay.close()
    await upstream.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
