import { spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { OpenFiles } from '../../../src/server/open-files.js'
import { configure } from '../../support/start.js'
import { clear, open, type Place } from '../../support/thinwire.js'
import { until, wait } from '../../support/until.js'

const test = suite<Place>('open files')

test.before.each(open)
test.after.each(clear)

const CLI = fileURLToPath(new URL('../../../src/cli.js', import.meta.url))

/** Starts a relay that may have only so many files open. */
async function startLimited(place: Place, limit: number) {
  configure(place, { listen: '127.0.0.1:0', ledger: { folder: join(place.folder, 'data') } })
  const child = spawn(
    '/bin/sh',
    ['-c', `ulimit -n ${limit}; exec "$0" "$@"`, process.execPath, CLI, 'start'],
    {
      cwd: place.folder,
      env: { PATH: process.env.PATH, THINWIRE_WARM_UP: 'off' },
    },
  )
  const output = { out: '', err: '' }
  child.stdout.on('data', (piece: Buffer) => {
    output.out += piece.toString()
  })
  child.stderr.on('data', (piece: Buffer) => {
    output.err += piece.toString()
  })
  await until(() => output.err.includes('see README') || child.exitCode !== null, 'the banner')
  const port = Number(/listens on http:\/\/[^:]+:(\d+)/.exec(output.err)?.[1])
  return { child, output, port }
}

/** Connects, and tells what became of it. */
function dial(port: number): Socket & { failed?: boolean } {
  const socket: Socket & { failed?: boolean } = connect(port, '127.0.0.1')
  socket.on('error', () => {
    socket.failed = true
  })
  return socket
}

async function ask(socket: Socket, path: string): Promise<string> {
  let text = ''
  socket.on('data', (piece: Buffer) => {
    text += piece.toString()
  })
  socket.write(`GET ${path} HTTP/1.1\r\nhost: relay\r\n\r\n`)
  await until(() => text.endsWith('}\n'), 'the answer')
  return text
}

if (process.platform === 'linux')
  test('a relay that runs out of file descriptors says so, is not ready, accepts nothing, and recovers', async (place) => {
    const { child, output, port } = await startLimited(place, 160)
    try {
      // The limit is too low for the connections of the config.
      const warning = 'this process may have 160 files open, and limits.connections of 20000 need 40000'
      await until(() => output.out.includes(warning), 'the warning')
      const probe = dial(port)
      for (let ready = ''; !ready.includes('"status":"ready"'); ) ready = await ask(probe, '/readyz')
      const sockets = Array.from({ length: 300 }, () => dial(port))
      await until(() => output.out.includes('no connections are accepted until some have ended'), 'the line')
      // The connections that there are go on.
      const busy = await ask(probe, '/readyz')
      assert.match(busy, / 503 /)
      assert.match(busy, /"status":"out_of_files"/)
      assert.match(busy, /"openFiles":1/)
      const late = dial(port)
      await until(() => late.failed === true, 'a connection to be refused')

      for (const socket of sockets) socket.destroy()
      await until(() => output.out.includes('connections are accepted again'), 'the line of the recovery')
      let ready = ''
      while (!ready.includes('"status":"ready"')) {
        const next = dial(port)
        ready = await Promise.race([ask(next, '/readyz'), wait(1_000).then(() => '')])
        next.destroy()
      }
      probe.destroy()
      assert.is(output.out.split('no connections are accepted').length, 2, 'it was logged more than once')
    } finally {
      child.kill('SIGKILL')
    }
  })

test('a limit that is high enough, or not known, is not warned of', () => {
  const lines: string[] = []
  const note = (_: object, line: string): unknown => lines.push(line)
  const listener = { pause() {}, resume() {}, count() {} }
  const log = { warn: note, info: note }
  for (const limit of [null, 40_000, 1_000_000]) new OpenFiles(limit, log, listener).check(20_000)
  assert.equal(lines, [])
  new OpenFiles(39_999, log, listener).check(20_000)
  assert.is(lines.length, 1)
})

test.run()
