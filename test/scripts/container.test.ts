import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { makeAppFolder } from '../../scripts/release/app-folder.js'
import { RawClient } from '../support/client.js'
import { configure } from '../support/start.js'
import { clear, KEY, open, type Place, run } from '../support/thinwire.js'
import { until } from '../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE } from '../support/upstream.js'

// What the image runs, as its platform runs it: number 1 of its own processes, as nobody without a name, on a root that
// cannot be written to, without a home. The root has Node, its libraries and the app, and nothing else.

const ROOT = new URL('../../../', import.meta.url).pathname
const RECIPE = readFileSync(join(ROOT, 'scripts/deploy/Containerfile'), 'utf8')

const NOBODY = [
  '--unshare-user',
  '--unshare-pid',
  '--as-pid-1',
  '--uid',
  '65534',
  '--gid',
  '65534',
  '--cap-drop',
  'ALL',
]
const CAN_RUN = spawnSync('bwrap', [...NOBODY, '--ro-bind', '/', '/', '--proc', '/proc', 'true']).status === 0
if (!CAN_RUN) process.stderr.write('bubblewrap is not there, or may not be used: the image is not tried\n')
const test = suite<Place>('container')
const withBubblewrap = CAN_RUN ? test : test.skip

let shared = ''
let containers: Container[] = []
test.before(() => {
  shared = mkdtempSync(join(tmpdir(), 'thinwire-image-'))
  makeAppFolder(ROOT, join(shared, 'app'))
})
test.after(() => rmSync(shared, { recursive: true, force: true }))
test.before.each((place) => {
  open(place)
  containers = []
})
test.after.each(async (place) => {
  for (const container of containers) await container.kill()
  await clear(place)
})

/** The libraries that Node is linked with, where it is. */
function nodeAndLibraries(): string[] {
  const libraries = execFileSync('ldd', [process.execPath], { encoding: 'utf8' }).match(/\/\S+(?= \()/g) ?? []
  return [...libraries, ...['/etc/hosts', '/etc/nsswitch.conf', '/etc/ssl'].filter((path) => exists(path))]
}

const exists = (path: string): boolean => statSync(path, { throwIfNoEntry: false }) !== undefined

/** The image's command in a sandbox. The folder of the test is `/data`. */
class Container {
  out = ''
  err = ''
  code: number | null = null
  isOver = false
  private info = ''
  private readonly child: ChildProcess

  constructor(place: Place, args: readonly string[], env: Readonly<Record<string, string>>) {
    const binds = nodeAndLibraries().flatMap((path) => ['--ro-bind', path, path])
    const fixed = { PATH: '/usr/bin', NODE_ENV: 'production', THINWIRE_WARM_UP: 'off' }
    const variables = Object.entries({ ...fixed, ...env })
    const sandbox = [
      ...[...NOBODY, '--die-with-parent', '--clearenv', '--info-fd', '3', '--proc', '/proc', '--dev', '/dev'],
      ...[...binds, '--ro-bind', process.execPath, '/usr/bin/node', '--ro-bind', join(shared, 'app'), '/app'],
      ...['--bind', place.folder, '/data', '--chdir', '/data', '--remount-ro', '/'],
      ...variables.flatMap(([name, value]) => ['--setenv', name, value]),
    ]
    this.child = spawn('bwrap', [...sandbox, '/usr/bin/node', ...args], {
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    })
    this.child.stdout?.on('data', (piece: Buffer) => {
      this.out += piece.toString()
    })
    this.child.stderr?.on('data', (piece: Buffer) => {
      this.err += piece.toString()
    })
    const info = this.child.stdio[3] as Readable
    info.on('data', (piece: Buffer) => {
      this.info += piece.toString()
    })
    this.child.on('close', (code) => {
      this.code = code
      this.isOver = true
    })
    containers.push(this)
  }

  /** Sends a signal to process 1 of the sandbox, as a platform does. */
  signal(name: 'SIGTERM' | 'SIGKILL'): void {
    process.kill(JSON.parse(this.info)['child-pid'] as number, name)
  }

  async ended(): Promise<number | null> {
    await until(() => this.isOver, 'the container to end', 30_000)
    return this.code
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.ended()
  }
}

/** A container that has started, and its port. */
async function start(place: Place, env: Readonly<Record<string, string>> = {}) {
  const args = ['/app/dist/src/cli.js', 'start', '--listen', '127.0.0.1:0', '--first-key', 'file']
  const container = new Container(place, args, env)
  await until(() => container.err.includes('see README') || container.isOver, 'the banner')
  assert.not(container.isOver, container.err)
  return { container, port: Number(/listens on http:\/\/127\.0\.0\.1:(\d+)/.exec(container.err)?.[1]) }
}

/** A container with streams that never end by themselves. */
async function streaming(place: Place, env: Readonly<Record<string, string>> = {}) {
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.method === 'HEAD') return request.write(head('200 OK', 'content-length: 0'))
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: first\n\n')
  })
  place.upstreams.push(upstream)
  configure(place, { upstreams: { up: { baseUrl: upstream.url } } })
  const started = await start(place, env)
  const key = readFileSync(join(place.folder, 'data', 'first-key'), 'utf8').trim()
  for (let i = 0; i < 3; i++) {
    const client = await RawClient.connect(started.port)
    place.clients.push(client)
    client.send(`GET /v1/x HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${key}\r\n\r\n`)
    await client.sees('data: first\n\n')
  }
  return started
}

/** Checks that the ledger has a record of each request and that none is missing. */
async function verify(place: Place, records: number): Promise<void> {
  const { code, out, err } = await run(place, ['usage', 'verify'])
  assert.is(code, 0, out + err)
  assert.match(out, new RegExp(`^${records} records of \\d starts? of the relay, without a gap$`, 'm'))
}

test('the recipe runs as a number that is not root, says how it is stopped, and prints no key', () => {
  assert.match(RECIPE, /^USER 65534:65534$/m)
  assert.match(RECIPE, /^STOPSIGNAL SIGTERM$/m)
  assert.match(RECIPE, /^VOLUME \/data$/m)
  assert.match(RECIPE, /^ENTRYPOINT \["node", "\/app\/dist\/src\/cli.js"\]$/m)
  assert.match(RECIPE, /^CMD \["start", .*"--first-key", "file"\]$/m)
  assert.match(RECIPE, /^ENV THINWIRE_STOP_TIMEOUT_MS=10000$/m)
})

test('the app has the files of the page, compressed and not', () => {
  const folder = join('dist', 'src', 'page')
  const files = readdirSync(join(ROOT, folder, 'assets'))
  assert.ok(files.includes('index.html'))
  assert.equal(readdirSync(join(shared, 'app', folder, 'assets')).sort(), files.sort())
  assert.equal(readdirSync(join(shared, 'app', folder, 'report')).sort(), ['report.css', 'report.js'])
})

test('the app has production packages alone, with their licences, without types, maps and tests', () => {
  const files = execFileSync('find', ['.', '-type', 'f'], {
    cwd: join(shared, 'app'),
    encoding: 'utf8',
  }).split('\n')
  assert.equal(
    files.filter((path) =>
      /\.(?:ts|map)$|(?<!license)\.md$|\/tests?\/|node_modules\/(?:typescript|openai|express)\//i.test(path),
    ),
    [],
  )
  for (const name of ['undici', 'zod', 'pino', 'pino-pretty', 'lru-cache', 'prom-client'])
    assert.ok(
      files.some((path) => path.toLowerCase().startsWith(`./node_modules/${name}/licen`)),
      name,
    )
  const size = files.reduce(
    (sum, path) => sum + (path === '' ? 0 : statSync(join(shared, 'app', path)).size),
    0,
  )
  assert.ok(size < 12 * 1024 * 1024, `${size} bytes`)
})

withBubblewrap('the image runs as nobody on a read-only root, and writes to /data alone', async (place) => {
  const { container, port } = await start(place)
  const key = readFileSync(join(place.folder, 'data', 'first-key'), 'utf8').trim()
  assert.not.match(container.out + container.err, KEY)
  const answer = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: '{"model":"thinwire-demo","messages":[{"role":"user","content":"hi"}]}',
  })
  assert.is(answer.status, 200)
  await answer.text()
  const script =
    "const said = []; for (const path of ['/x', '/app/x', '/tmp/x', '/data/x']) try { fs.writeFileSync(path, ''); " +
    "said.push('written') } catch (error) { said.push(error.code) }; " +
    'said.push(process.pid, process.getuid(), process.env.HOME === undefined); console.log(said.join())'
  const probe = new Container(place, ['-e', script], {})
  assert.is(await probe.ended(), 0, probe.err)
  assert.match(probe.out, /^EROFS,EROFS,(?:EROFS|ENOENT),written,1,65534,true\n$/)
  container.signal('SIGTERM')
  assert.is(await container.ended(), 0, container.err)
  await verify(place, 1)
})

withBubblewrap(
  'the health check of the recipe succeeds while the relay answers, and fails without it',
  async (place) => {
    const text = /^HEALTHCHECK [^[]*(\[[^\]]*\])$/m.exec(RECIPE.replaceAll('\\\n', ''))?.[1] ?? '[]'
    const [program, ...args] = JSON.parse(text) as string[]
    assert.is(program, 'node')
    const { container, port } = await start(place)
    const check = async (): Promise<number | null> =>
      new Container(
        place,
        args.map((arg) => arg.replace(':4000/', `:${port}/`)),
        {},
      ).ended()
    assert.is(await check(), 0)
    container.signal('SIGTERM')
    assert.is(await container.ended(), 0)
    assert.is(await check(), 1)
  },
)

withBubblewrap(
  'SIGTERM ends process 1 with complete books before its platform would kill it',
  async (place) => {
    // Without the setting these streams would last for `timeouts.drainMs`, and longer than `ended` waits.
    const { container } = await streaming(place, { THINWIRE_STOP_TIMEOUT_MS: '1000' })
    container.signal('SIGTERM')
    assert.is(await container.ended(), 0, container.err)
    assert.is(container.out.match(/"end":"shutdown"/g)?.length, 3)
    assert.match(container.out, '"msg":"ended"')
    await verify(place, 3)
  },
)

withBubblewrap(
  'a container that is killed while it drains has complete books at its next start',
  async (place) => {
    const { container } = await streaming(place)
    container.signal('SIGTERM')
    await until(() => container.out.includes('"signal":"SIGTERM","in_flight":3'), 'the drain')
    // A platform gives seconds. Here the kill waits for what the relay writes of open requests when it is told to end.
    const data = join(place.folder, 'data')
    const count = (start: string): number =>
      readdirSync(data)
        .filter((name) => name.startsWith(start))
        .reduce((lines, name) => lines + readFileSync(join(data, name), 'utf8').split('\n').length - 1, 0)
    await until(() => count('open-') >= 3, 'three open requests in the journal')
    container.signal('SIGKILL')
    await container.ended()
    const next = await start(place)
    await until(() => count('usage-') >= 3, 'the records of the relay that was killed')
    next.container.signal('SIGTERM')
    assert.is(await next.container.ended(), 0)
    await verify(place, 3)
  },
)

test.run()
