import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { selfSigned } from '../../scripts/certificate.js'
import { SocketHolder } from '../support/socket-holder.js'
import { configure } from '../support/start.js'
import { clear, open, type Place, run } from '../support/thinwire.js'
import { until } from '../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../support/upstream.js'
import { isAlive } from '../wire/workers/scene.js'

interface Here extends Place {
  holder: SocketHolder | null
}

const test = suite<Here>('restart of a service of systemd')

test.before.each((here) => {
  open(here)
  here.holder = null
})

test.after.each(async (here) => {
  for (const pid of takenPids(here)) if (isAlive(pid)) process.kill(pid, 'SIGKILL')
  here.holder?.close()
  await clear(here)
})

const own = selfSigned('localhost')

/** A program in the place of systemd-notify, which writes down what it is to send. */
function replaceNotify(here: Place): Record<string, string> {
  const folder = join(here.folder, 'bin')
  mkdirSync(folder)
  const file = join(folder, 'systemd-notify')
  writeFileSync(file, `#!/bin/sh\nIFS='|'\necho "$*" >> ${join(here.folder, 'told')}\n`)
  chmodSync(file, 0o755)
  return { PATH: `${folder}:${process.env.PATH}`, NOTIFY_SOCKET: '@the-socket', WATCHDOG_USEC: '200000' }
}

function told(here: Place): string[] {
  const file = join(here.folder, 'told')
  return existsSync(file) ? readFileSync(file, 'utf8').trimEnd().split('\n') : []
}

function takenPids({ holder }: Here): number[] {
  return [...(holder?.out ?? '').matchAll(/"msg":"restart: process (\d+) has taken over/g)].map(([, pid]) =>
    Number(pid),
  )
}

/** @returns the body; empty unless the status is 200 */
function ask(port: number, path: string, onFirst = (): void => {}): Promise<string> {
  const options = { host: '::1', port, path, ca: own.cert, servername: 'localhost', agent: false }
  return new Promise((resolve, reject) => {
    const sent = get(options, (res) => {
      let text = ''
      res.on('data', (piece: Buffer) => {
        text += piece.toString()
        onFirst()
      })
      res.once('error', reject)
      res.once('end', () => resolve(res.statusCode === 200 ? text : ''))
    })
    sent.once('error', reject)
  })
}

if (process.platform === 'linux')
  test('the new process is the main one, and has the sockets of systemd, with TLS and IPv6', async (here) => {
    let finish = (): void => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    const upstream = await ScriptedUpstream.start(async (exchange) => {
      if (exchange.target !== '/v1/stream') return exchange.write(whole('200 OK', 'ok'))
      await exchange.write(head('200 OK', SSE, CHUNKED))
      await exchange.chunk('data: 1\n\n')
      await finished
      await exchange.chunk('data: 2\n\n')
      await exchange.lastChunk()
    })
    here.upstreams.push(upstream)
    writeFileSync(join(here.folder, 'cert.pem'), own.cert)
    writeFileSync(join(here.folder, 'key.pem'), own.key)
    configure(here, {
      listen: { address: '192.0.2.1:1', tls: { cert: 'cert.pem', key: 'key.pem' } },
      keys: { mode: 'off' },
      upstreams: { up: { baseUrl: upstream.url, warm: false } },
    })
    const listen = [
      { host: '127.0.0.1', port: 0 },
      { host: '::1', port: 0 },
    ]
    const holder = await SocketHolder.open(here, { listen, env: replaceNotify(here) })
    here.holder = holder
    const first = await holder.run('metrics:http')
    const [metrics = 0, port = 0] = holder.ports
    const hasBegun = { is: false }
    const stream = ask(port, '/v1/stream', () => {
      hasBegun.is = true
    })
    await until(() => hasBegun.is, 'the first event')
    process.kill(first, 'SIGUSR2')
    await until(() => takenPids(here).length === 1, 'a process to take over', 120_000)
    const [second = 0] = takenPids(here)
    await until(() => told(here).includes(`MAINPID=${second}`), 'the main process')
    assert.is(await ask(port, '/v1/x'), 'ok')
    assert.is((await fetch(`http://127.0.0.1:${metrics}/metrics`)).status, 200)
    // The old one has no guardian to be: it ends when its stream has ended.
    assert.ok(isAlive(first))
    finish()
    assert.is(await stream, 'data: 1\n\ndata: 2\n\n')
    await holder.ended(first)
    const lines = told(here).length
    await until(() => told(here).slice(lines).includes('WATCHDOG=1'), 'a sign of life')
    assert.is(told(here).filter((line) => line.startsWith('READY=1')).length, 2)
    // The command finds the new one, and sees its end as a success.
    const { code, out, err } = await run(here, ['restart'])
    assert.is(code, 0, err)
    assert.match(out, `(process ${second})`)
    await until(() => takenPids(here).length === 2, 'the log')
    const third = takenPids(here)[1] as number
    await holder.ended(second)
    assert.is(await ask(port, '/v1/x'), 'ok')
    process.kill(third, 'SIGTERM')
    await holder.ended(third)
    await until(() => told(here).some((line) => line.startsWith('STOPPING=1')), 'STOPPING')
    assert.not.ok(holder.err.includes('thinwire:'), holder.err)
    // systemd has the sockets all the time: the next start goes on with them.
    const fourth = await holder.run('metrics:http')
    assert.is(await ask(port, '/v1/x'), 'ok')
    await holder.stop(fourth)
  })

if (process.platform === 'linux')
  test('of two restarts in a row, the last process is the main one', async (here) => {
    const upstream = await ScriptedUpstream.start((exchange) => exchange.write(whole('200 OK', 'ok')))
    here.upstreams.push(upstream)
    configure(here, {
      listen: '192.0.2.1:1',
      keys: { mode: 'off' },
      upstreams: { up: { baseUrl: upstream.url, warm: false } },
    })
    const holder = await SocketHolder.open(here, { env: replaceNotify(here) })
    here.holder = holder
    const first = await holder.run()
    process.kill(first, 'SIGUSR2')
    await until(
      () => holder.out.includes('starts, and takes over when it is ready'),
      'a new process',
      120_000,
    )
    process.kill(first, 'SIGUSR2')
    await until(() => takenPids(here).length === 2, 'two processes to take over', 120_000)
    const [second = 0, third = 0] = takenPids(here)
    for (const pid of [first, second]) await holder.ended(pid)
    const mains = told(here).filter((line) => line.startsWith('MAINPID='))
    assert.equal(mains, [`MAINPID=${second}`, `MAINPID=${third}`])
    const answer = await fetch(`http://127.0.0.1:${holder.port}/v1/x`)
    assert.is(await answer.text(), 'ok')
    process.kill(third, 'SIGTERM')
    await holder.ended(third)
  })

test.run()
