import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { type AddressInfo, createServer as createTcpServer, type Server } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runProfile } from '../../src/commands/profile.js'
import { ConfigError } from '../../src/config/problems.js'
import { clear, open, type Place, run, started, type Thinwire, Written } from '../support/thinwire.js'
import { ScriptedUpstream, whole } from '../support/upstream.js'

const test = suite<Place>('profile')

test.before.each(open)
test.after.each(clear)

const UPSTREAM_KEY = 'sk-upstream-secret-0123456789'
const PROMPT = 'a prompt that nobody may see'
const ANSWER = 'an answer that nobody may see'

/** A relay with metrics on a free port of loopback, in front of an upstream that answers at once. */
async function relay(place: Place, listen = '127.0.0.1:0'): Promise<Thinwire> {
  const body = JSON.stringify({ model: 'm', choices: [{ message: { role: 'assistant', content: ANSWER } }] })
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(whole('200 OK', body, 'content-type: application/json')),
  )
  place.upstreams.push(upstream)
  const upstreams = { up: { baseUrl: upstream.url, apiKey: { env: 'UP' }, warm: false } }
  // Equal requests are not answered from the cache.
  const settings = { upstreams, metrics: { listen }, cache: { enabled: false } }
  writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify(settings))
  return started(place, [], { UP: UPSTREAM_KEY })
}

function metricsOf(thinwire: Thinwire): string {
  return /Metrics {4}(http:\S+)\/metrics/.exec(thinwire.err)?.[1] ?? ''
}

/** Sends requests one after the other until the work is done. @returns how many were answered */
async function under<T>(thinwire: Thinwire, work: Promise<T>): Promise<{ result: T; requests: number }> {
  let isOver = false
  void work.finally(() => {
    isOver = true
  })
  let requests = 0
  while (!isOver) {
    const answer = await fetch(`${thinwire.url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${thinwire.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'm', messages: [{ role: 'user', content: PROMPT }] }),
    })
    assert.is(answer.status, 200)
    await answer.text()
    requests++
  }
  return { result: await work, requests }
}

/** The command without a process of its own. */
async function profile(place: Place, ...args: readonly string[]) {
  const io = { out: new Written(), err: new Written() }
  try {
    const code = await runProfile(args, { ...io, env: {}, cwd: place.folder })
    return { code, out: io.out.text, err: io.err.text }
  } catch (error) {
    // As `cli.ts` does with it.
    if (!(error instanceof ConfigError)) throw error
    return { code: 2, out: io.out.text, err: error.message }
  }
}

function profilesIn({ folder }: Place): string[] {
  return readdirSync(folder).filter((name) => name.endsWith('.cpuprofile'))
}

test('a relay under load is profiled: phases, modules and functions add up to 100 %', async (place) => {
  const thinwire = await relay(place)
  const url = metricsOf(thinwire)
  const { result, requests } = await under(thinwire, run(place, ['profile', '--seconds', '2', '--url', url]))
  const { code, out, err } = result
  assert.is(code, 0, err)
  assert.ok(requests > 0)
  const [file = '', ...others] = profilesIn(place)
  assert.is(others.length, 0)
  assert.match(file, /^thinwire-\d{8}T\d{6}\.cpuprofile$/)
  assert.is(err, `The relay at ${url} is profiled for 2 s ...\n${file} has the profile.\n\n`)
  const [head = '', ...tables] = out.split('\n\n')
  const counted = Number(/^(\d+) requests ended/m.exec(head)?.[1])
  assert.ok(counted > 0 && counted <= requests, head)
  assert.is(tables.length, 3)
  for (const table of tables) {
    const lines = table.trimEnd().split('\n').slice(1)
    for (const line of lines) assert.ok(line.length <= 80, line)
    const tenths = lines.map((line) => Math.round(Number(line.slice(59, 66)) * 10))
    assert.is(tenths.pop(), 1_000, table)
    assert.is(
      tenths.reduce((sum, each) => sum + each, 0),
      1_000,
      table,
    )
  }
  for (const name of ['admit: ', 'read: ', 'plan: ', 'attempt: ', 'respond: ', 'record: '])
    assert.ok(tables[0]?.includes(`\n${name}`), out)
  await thinwire.logs('"seconds":2,"msg":"a CPU profile of 2 s is taken"')

  // Chrome and others read it, and it tells nobody what was said, or by whom.
  const text = readFileSync(join(place.folder, file), 'utf8')
  const { nodes, samples, timeDeltas, startTime, endTime, thinwire: facts } = JSON.parse(text)
  assert.ok(samples.length > 100 && samples.length === timeDeltas.length && endTime > startTime)
  assert.ok(
    nodes.some(({ callFrame }: { callFrame: { url: string } }) =>
      callFrame.url.endsWith('/relay/client-writer.js'),
    ),
  )
  assert.equal([facts.requests, facts.node], [counted, process.version])
  // Names of code are in it, those of regular expressions too: `RegExp: ^Bearer`.
  for (const secret of [thinwire.key, UPSTREAM_KEY, PROMPT, ANSWER, 'Bearer lc_', 'authorization:'])
    assert.not.ok(text.includes(secret), secret)

  // It can be summed up again, for people and for programs.
  assert.equal(await profile(place, file), { code: 0, out, err: '' })
  const json = await profile(place, file, '--json')
  const summary = JSON.parse(json.out)
  assert.is(summary.file, file)
  for (const list of ['phases', 'modules', 'functions']) {
    const sum = summary[list].reduce((all: number, { ms }: { ms: number }) => all + ms, 0)
    assert.ok(Math.abs(sum - summary.busy_ms) < 1e-3)
  }
})

test("the relay is found by its config's metrics.listen, and the profile goes where it is told to", async (place) => {
  const { port } = await listening(createTcpServer())
  const dbg = await relay(place, `127.0.0.1:${port}`)
  for (let n = 0; n < 2; n++) {
    const { code, err } = await profile(place, '--seconds', '1', '--out', 'mine.cpuprofile')
    assert.is(code, 0, `${err} ${dbg.code} ${dbg.signal} ${dbg.err} ${dbg.out}`)
  }
  assert.equal(profilesIn(place), ['mine.cpuprofile'])
  const lost = await profile(place, '--seconds', '1', '--out', 'no-such-folder/x.cpuprofile')
  assert.is(lost.code, 1)
  assert.is(
    lost.err.split('\n')[1],
    'thinwire profile: no-such-folder/x.cpuprofile cannot be written (ENOENT); choose another with --out',
  )
})

test('a relay that is killed while it is profiled leaves an error and no file', async (place) => {
  const thinwire = await relay(place)
  const url = metricsOf(thinwire)
  const asked = profile(place, '--seconds', '60', '--url', url)
  await thinwire.logs('a CPU profile of 60 s is taken')
  thinwire.child.kill('SIGKILL')
  const { code, err } = await asked
  assert.is(code, 1)
  assert.is(err.split('\n')[1], `thinwire profile: the relay at ${url} ended, or gave no profile in time`)
  assert.equal(profilesIn(place), [])
})

test('a relay that is told to stop does not wait for the end of a profile', async (place) => {
  const thinwire = await relay(place)
  const asked = profile(place, '--seconds', '60', '--url', metricsOf(thinwire))
  await thinwire.logs('a CPU profile of 60 s is taken')
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  assert.is((await asked).code, 1)
})

/** Closes a server that has shown which port is free; or keeps it, for what answers there. */
async function listening(server: Server, isKept = false): Promise<{ port: number; url: string }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  if (!isKept) await new Promise((resolve) => server.close(resolve))
  return { port, url: `http://127.0.0.1:${port}` }
}

test('what answers and is no relay with profiles is told apart', async (place) => {
  const free = await listening(createTcpServer())
  const gone = await profile(place, '--url', free.url)
  assert.equal(
    [gone.code, gone.err],
    [
      1,
      `thinwire profile: nobody answers at ${free.url}: start the relay, or name another address with --url\n`,
    ],
  )
  const cases: ReadonlyArray<readonly [status: number, body: string, err: (url: string) => string]> = [
    [404, 'GET /metrics\n', (url) => `the relay at ${url} is too old for profiles: update it`],
    [404, 'not here', (url) => `what answers at ${url} is no metrics address of Thinwire; see --url`],
    [409, 'another profile is being taken\n', () => 'the relay refused: another profile is being taken'],
    [500, '', () => 'the relay refused: status 500'],
    [403, '\u001b[2Jx', () => 'the relay refused: ?[2Jx'],
    [200, '{"nodes":[', (url) => `what ${url} has sent is no whole profile`],
  ]
  for (const [status, body, err] of cases) {
    const server = createServer((_, res) => res.writeHead(status).end(body))
    const { url } = await listening(server, true)
    const refused = await profile(place, '--url', url)
    server.close()
    assert.is(refused.code, 1)
    assert.is(refused.err.split('\n').at(-2), `thinwire profile: ${err(url)}`)
  }
  const mute = createTcpServer((socket) => socket.on('error', () => {}).end('SSH-2.0-x\r\n'))
  const { url } = await listening(mute, true)
  const other = await profile(place, '--url', url)
  mute.close()
  assert.is(other.code, 1)
  assert.match(other.err, /cannot be asked, or gave no HTTP response \(HPE_/)
})

test('settings by which there can be no profile are named', async (place) => {
  const byListen = async (listen: string | null): Promise<string> => {
    writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify({ metrics: { listen } }))
    const { code, err } = await profile(place)
    assert.is(code, 2)
    return err
  }
  assert.match(
    await byListen(null),
    /has no metrics address: set metrics\.listen to 127\.0\.0\.1:9464 in \S*thinwire\.json/,
  )
  assert.match(
    await byListen('0.0.0.0:9464'),
    /metrics\.listen is 0\.0\.0\.0:9464: the relay takes profiles on loopback alone/,
  )
  assert.match(await byListen('127.0.0.1:0'), /has port 0: name the address .* with --url/)
  assert.match(await byListen('9464'), /metrics\.listen: must be HOST:PORT/)
})

test('wrong arguments are told with exit code 2, and ask nobody', async (place) => {
  const seconds = '--seconds must be a whole number from 1 to 60'
  const cases: ReadonlyArray<readonly [args: readonly string[], err: string]> = [
    ...['0', '61', '-1', 'ten', '1.5', ''].map((text) => [[`--seconds=${text}`], seconds] as const),
    [['a.cpuprofile', 'b.cpuprofile'], 'it takes one FILE.cpuprofile at most'],
    [['--config', 'x', '--url', 'http://127.0.0.1:1'], '--config and --url exclude each other'],
    [['a.cpuprofile', '--seconds', '3'], 'with a FILE there is nothing to take: only --json goes with it'],
    [['--loud'], "Unknown option '--loud'"],
  ]
  for (const [args, why] of cases) {
    const { code, err } = await profile(place, ...args)
    assert.is(code, 2)
    assert.ok(err.startsWith(`thinwire profile: ${why}`), err)
    assert.match(err, /\(more: thinwire profile --help\)\n$/)
  }
  for (const url of ['https://127.0.0.1:1', 'http://10.0.0.7:9464', '127.0.0.1:9464', 'x'])
    assert.match(
      (await profile(place, '--url', url)).err,
      /--url must be the metrics address on this machine/,
    )
  for (const file of ['missing.cpuprofile', 'thinwire.json']) {
    writeFileSync(join(place.folder, 'thinwire.json'), '{}')
    assert.is((await profile(place, file)).code, 1)
  }
})

test('its help fits 80 columns', async (place) => {
  const { code, out } = await profile(place, '--help')
  assert.is(code, 0)
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
})

test.run()
