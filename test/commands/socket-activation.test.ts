import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { Agent, request } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { SocketHolder } from '../support/socket-holder.js'
import { configure } from '../support/start.js'
import { clear, open, type Place } from '../support/thinwire.js'
import { until } from '../support/until.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, whole } from '../support/upstream.js'

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))

interface Here extends Place {
  holders: SocketHolder[]
}

const test = suite<Here>('sockets that were handed over')

test.before.each((here) => {
  open(here)
  here.holders = []
})

test.after.each(async (here) => {
  for (const holder of here.holders) holder.close()
  await clear(here)
})

type Options = Parameters<typeof SocketHolder.open>[1]

async function hold(here: Here, options?: Options): Promise<SocketHolder> {
  const holder = await SocketHolder.open(here, options)
  here.holders.push(holder)
  return holder
}

/** A relay without keys, in front of a scripted upstream. */
async function front(here: Here, script: Script, settings: object = {}): Promise<void> {
  const upstream = await ScriptedUpstream.start(script)
  here.upstreams.push(upstream)
  configure(here, {
    // Nobody listens there: the address of the socket counts.
    listen: '192.0.2.1:1',
    keys: { mode: 'off' },
    upstreams: { up: { baseUrl: upstream.url, warm: false } },
    ...settings,
  })
}

const short: Script = (exchange) => exchange.write(whole('200 OK', 'ok'))

/** @returns the status, or the code of the error */
function ask(port: number, agent: Agent | false = false, path = '/v1/x'): Promise<number | string> {
  return new Promise((resolve) => {
    const req = request({ port, host: '127.0.0.1', path, agent }, (res) => {
      res.resume()
      res.on('end', () => resolve(res.statusCode ?? 0))
      res.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    })
    req.on('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    req.end()
  })
}

/** Sends requests one after another until it is told to end. */
function keepAsking(port: number, agent: Agent | false) {
  const outcomes = new Map<number | string, number>()
  let isOver = false
  const done = (async () => {
    while (!isOver) {
      const outcome = await ask(port, agent)
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1)
    }
  })()
  return {
    outcomes,
    get count(): number {
      return [...outcomes.values()].reduce((sum, each) => sum + each, 0)
    },
    end(): Promise<void> {
      isOver = true
      return done
    },
  }
}

const isActivatorHere = spawnSync('systemd-socket-activate', ['--version']).status === 0
const withActivator = isActivatorHere ? test : test.skip

withActivator('systemd-socket-activate starts a relay with the first connection', async (here) => {
  await front(here, short)
  const free = createServer().listen(0, '127.0.0.1')
  await once(free, 'listening')
  const { port } = free.address() as AddressInfo
  free.close()
  const place = `127.0.0.1:${port}`
  const child = spawn('systemd-socket-activate', ['-l', place, process.execPath, CLI, 'start'], {
    cwd: here.folder,
    env: { PATH: process.env.PATH },
  })
  let text = ''
  child.stderr.on('data', (piece: Buffer) => {
    text += piece.toString()
  })
  try {
    await until(() => text.includes('Listening on'), 'the socket')
    assert.is(await ask(port), 200)
    await until(() => text.includes(`listens on http://${place}\n`), 'the banner')
    child.kill('SIGTERM')
    await until(() => child.exitCode !== null, 'the relay to end')
    assert.is(child.exitCode, 0)
  } finally {
    child.kill('SIGKILL')
  }
})

if (process.platform === 'linux') {
  test('a relay listens on fd 3, and says its real address', async (here) => {
    await front(here, short)
    const holder = await hold(here)
    const pid = await holder.run()
    assert.match(holder.err, `listens on http://127.0.0.1:${holder.port}\n`)
    // The log comes by another pipe than the banner.
    const line = `"fd":3,"host":"127.0.0.1","port":${holder.port},`
    await until(() => holder.out.includes(line), 'the line of the log')
    assert.is(await ask(holder.port), 200)
    await holder.stop(pid)
  })

  test('restarts under a steady stream of requests refuse nobody', async (here) => {
    await front(here, short)
    const holder = await hold(here)
    const kept = new Agent({ keepAlive: true, maxSockets: 1 })
    const loops = [false, false, kept, false].map((agent) => keepAsking(holder.port, agent as Agent | false))
    let pid = await holder.run()
    for (let i = 0; i < 3; i++) {
      const before = loops.map(({ count }) => count)
      await until(
        () => loops.every(({ count }, at) => count > (before[at] ?? 0) + 5),
        'requests to be served',
      )
      await holder.stop(pid)
      pid = await holder.run()
    }
    await Promise.all(loops.map((loop) => loop.end()))
    kept.destroy()
    for (const { outcomes } of loops) assert.equal([...outcomes.keys()], [200])
  })

  test('an open stream reaches its end, while a new client waits for the next relay', async (here) => {
    let finish = (): void => {}
    const finished = new Promise<void>((resolve) => {
      finish = resolve
    })
    await front(here, async (exchange) => {
      if (exchange.target !== '/v1/stream') return exchange.write(whole('200 OK', 'ok'))
      await exchange.write(head('200 OK', SSE, CHUNKED))
      await exchange.chunk('data: 1\n\n')
      await finished
      await exchange.chunk('data: 2\n\n')
      await exchange.lastChunk()
    })
    const holder = await hold(here)
    const pid = await holder.run()
    let text = ''
    const stream = connect(holder.port, '127.0.0.1')
    stream.on('data', (piece: Buffer) => {
      text += piece.toString()
    })
    stream.write('GET /v1/stream HTTP/1.1\r\nhost: localhost\r\n\r\n')
    await until(() => text.includes('data: 1'), 'the first event')
    process.kill(pid, 'SIGTERM')
    await until(() => holder.out.includes('"in_flight":1'), 'the drain')
    const during = ask(holder.port)
    finish()
    await until(() => text.includes('data: 2'), 'the last event')
    await holder.ended(pid)
    const after = ask(holder.port)
    await holder.run()
    assert.equal([await during, await after], [200, 200])
    stream.destroy()
  })

  test('metrics have a socket of their own, and need no setting', async (here) => {
    await front(here, short)
    const loopback = { host: '127.0.0.1', port: 0 }
    const holder = await hold(here, { listen: [loopback, loopback] })
    await holder.run('metrics:http')
    const [metrics = 0, relay = 0] = holder.ports
    assert.match(holder.err, `Metrics    http://127.0.0.1:${metrics}/metrics`)
    assert.equal([await ask(metrics, false, '/metrics'), await ask(relay)], [200, 200])
  })

  test('without keys, a socket that is not on loopback is refused by its real address', async (here) => {
    await front(here, short, { listen: '127.0.0.1:0' })
    const holder = await hold(here, { listen: [{ host: '0.0.0.0', port: 0 }] })
    await holder.ended(await holder.start())
    assert.match(
      holder.err,
      `thinwire: keys.mode: off would let anyone who reaches 0.0.0.0 use your upstreams`,
    )
    assert.match(holder.err, `is at 0.0.0.0:${holder.port}:`)
  })

  test('a Unix socket and too many sockets are refused in one line', async (here) => {
    await front(here, short)
    const unix = await hold(here, { listen: [{ path: join(here.folder, 'relay.sock') }] })
    await unix.ended(await unix.start())
    assert.match(unix.err, /^thinwire: fd 3, which was handed over \(LISTEN_FDS\), is a Unix socket, .*\n$/)
    const loopback = { host: '127.0.0.1', port: 0 }
    const two = await hold(here, { listen: [loopback, loopback] })
    await two.ended(await two.start('a:b'))
    assert.match(two.err, /thinwire: 2 sockets were handed over for the relay: fd 3 \(a\), fd 4 \(b\); .*\n$/)
  })

  test('a descriptor that is no listening socket is refused by name', async (here) => {
    await front(here, short)
    const holder = await hold(here, { listen: [], prepare: 'exec 3< thinwire.json' })
    // The holder has no sockets, and says that it has one.
    holder.ports.push(0)
    await holder.ended(await holder.start('http'))
    assert.match(
      holder.err,
      /^thinwire: fd 3, .* is not a listening stream socket \(\w+\): use ListenStream=/,
    )
  })

  test('workers that all die end the relay, as their socket is closed, and the next one serves who waits', async (here) => {
    await front(here, short, { workers: 2 })
    const holder = await hold(here)
    const first = await holder.run()
    const readyPids = (): number[] =>
      [...holder.out.matchAll(/"pid":(\d+),"msg":"worker \d+ is ready"/g)].map(([, pid]) => Number(pid))
    await until(() => readyPids().length === 2, 'the log')
    for (const pid of readyPids()) process.kill(pid, 'SIGKILL')
    await holder.ended(first)
    assert.match(holder.err, 'all workers have died, and the socket that was handed over')
    assert.not.match(holder.err, 'is not a listening stream socket')
    const waiting = ask(holder.port)
    const second = await holder.run()
    assert.is(await waiting, 200)
    await holder.stop(second)
  })

  test('a relay that runs out of files closes what such a socket brings, and recovers', async (here) => {
    await front(here, short)
    const holder = await hold(here, { prepare: 'ulimit -n 160' })
    await holder.run()
    const dial = (): Socket & { ended?: boolean } => {
      const socket: Socket & { ended?: boolean } = connect(holder.port, '127.0.0.1')
      socket
        .on('error', () => {})
        .on('close', () => {
          socket.ended = true
        })
      return socket
    }
    const sockets = Array.from({ length: 300 }, dial)
    await until(() => holder.out.includes('no connections are accepted until some'), 'the line')
    const late = dial()
    await until(() => late.ended === true, 'a connection to be closed')
    for (const socket of sockets) socket.destroy()
    await until(() => holder.out.includes('connections are accepted again'), 'the recovery')
    assert.is(await ask(holder.port), 200)
    assert.is(holder.out.split('no connections are accepted').length, 2, 'it was logged more than once')
  })
}

test.run()
