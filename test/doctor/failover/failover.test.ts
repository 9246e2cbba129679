import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { examineFront } from '../../../src/commands/doctor-front.js'
import { type Demo, startDemo } from '../../../src/demo/server.js'
import type { FailoverPace } from '../../../src/doctor/failover/failover.js'
import { type FailoverFaults, FailoverFront } from '../../support/failover-front.js'
import { startRelay, type TestRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'
import { createVisit } from '../../support/visit.js'
import { faulty, finder, look } from '../../support/ward.js'

interface Site {
  demo: Demo
  relay: TestRelay
}

const test = suite<Site>('failover')

const ALIASES = { 'team-fast': 'gpt-4o-mini' }
const REVOKED = 'lc_prod_team1_user1_revoked'

test.before(async (site) => {
  // Its stream takes nearly a second, as one has to that is judged.
  site.demo = await startDemo({ paceMs: 10 })
  site.relay = await startRelay(`${site.demo.origin}/v1`, {
    trustedProxies: ['127.0.0.1'],
    models: { 'team-fast': { upstream: 'up', model: 'gpt-4o-mini' } },
  })
})

test.after(async ({ demo, relay }) => {
  await relay.close()
  await demo.close()
})

const PACE: FailoverPace = {
  listEveryMs: 50,
  chatEveryMs: 150,
  timeoutMs: 20_000,
  patienceMs: 1_500,
  directMaxMs: 2_000,
  backMaxMs: 5_000,
  askedMaxMs: 2_000,
  graceMs: 500,
}

interface Given {
  readonly faults?: FailoverFaults
  readonly args?: (front: FailoverFront) => readonly string[]
  readonly terminal?: boolean
}

/** Examines a front with such faults. */
async function examine({ demo, relay }: Site, { faults = {}, args, terminal = false }: Given) {
  const behinds = { relayPort: relay.port, origin: demo.origin, keys: [relay.key], aliases: ALIASES }
  const front = await FailoverFront.start(behinds, faults)
  try {
    const options = args?.(front) ?? front.stops()
    const { code, out, err } = await look([front.url, '--front', '--json', '--key', relay.key, ...options], {
      failoverPace: PACE,
      terminal,
    })
    return { code, out, err, find: finder(out), found: faulty(out), chats: front.chats }
  } finally {
    await front.close()
  }
}

test('a front that does all that a recipe does gets no finding, and is as it was before', async (site) => {
  const seen = await examine(site, {
    args: (front) => [...front.stops(0.3), ...front.freezes(), '--revoked-key', REVOKED],
  })
  const { code, out, err, find, found } = seen
  assert.equal(found, [], out)
  assert.is(code, 0, out)
  assert.match(find('address'), /^ok: 127\.0\.0\.2/)
  assert.match(find('direct way'), /^ok: GET 200, POST 200, with x-thinwire-direct/)
  assert.match(find('switch over'), /^ok: .*all \d+ requests got an answer/)
  assert.match(find('direct keys'), /^ok: 401 for each.*revoked/)
  assert.match(find('direct pace'), /^ok: .*one by one/)
  assert.match(find('direct alias'), /^ok: team-fast: 200/)
  assert.match(find('frozen'), /^ok: direct after/)
  assert.match(find('switch back'), /^ok: a relay answered again/)
  assert.match(find('relays'), /^ok/)
  assert.match(find('books'), /^ok: .*thinwire usage import-direct/)
  assert.match(out, /Clients go on when the relays are down/)
  // What is billed was said before, and is not exceeded.
  const most = Number(/bills at most (\d+) chats of 16 tokens and 2 short answers/.exec(err)?.[1])
  const { direct, relay } = seen.chats
  assert.ok(direct + relay <= most + 2, `${direct} + ${relay} of ${most}`)
  assert.not.match(out + err, new RegExp(`${site.relay.key}|sk-of-the-operator`))
})

test('without a way to stop the relays nothing is stopped, and failover is not tried', async (site) => {
  const { code, out, find, found, chats } = await examine(site, { args: () => [] })
  assert.is(code, 0, out)
  assert.equal(found, [])
  assert.match(find('failover'), /^skipped: .*--stop COMMAND and --start COMMAND/)
  assert.match(out, /failover was not tried/)
  assert.equal(chats, { relay: 0, direct: 0 })
})

type Row = readonly [faults: FailoverFaults, check: string, seen: RegExp, change?: RegExp]

/** Each fault is named by one check. */
const FAULTS: readonly Row[] = [
  [{ noDirect: 'page' }, 'direct way', /^failed: 502, an HTML page.*no direct way/, /DIRECT\.md/],
  [{ noDirect: 'json' }, 'direct way', /^failed: 503: .*no direct way/, /DIRECT\.md/],
  [{ noDirect: 'silent' }, 'direct way', /^failed: .*requests hang, and the front has no direct way/],
  [{ deaf: true }, 'direct way', /^failed: a relay still answers, though the command has ended/, /--stop/],
  [
    { refusesKey: true },
    'direct way',
    /^failed: GET 401.*key is refused/,
    /keys export --hashes.*budgetedKeys/,
  ],
  [
    { wrongCredential: true },
    'direct way',
    /^failed: GET 401.*refuses the key of the operator/,
    /provider's key/,
  ],
  [{ unmarked: true }, 'direct way', /^warning: .*without x-thinwire-direct/, /x-thinwire-direct: 1/],
  [
    { losesMs: 1_000 },
    'switch over',
    /^failed: .*\d+ of \d+ requests were lost \(503/,
    /nginx.*HAProxy.*Caddy/,
  ],
  [
    { passes: () => true },
    'direct keys',
    /^failed: .*no key, GET \/models: 200: IT PASSES.*credit/,
    /direct list/,
  ],
  [
    { passes: (key) => key === '' },
    'direct keys',
    /^failed: no key, GET \/models: 200: IT PASSES[^;]*; forged headers without a key[^;]*$/,
  ],
  [{ passes: (key) => key === REVOKED }, 'direct keys', /^failed: the revoked key.*IT PASSES/, /--follow/],
  [
    { passes: (key) => key.startsWith('sk-') },
    'direct keys',
    /^failed: a key of another provider.*IT PASSES/,
  ],
  [{ refusesWithPage: true }, 'direct keys', /^warning: .*not an error in OpenAI's format/, /error\.message/],
  [{ buffers: true }, 'direct pace', /^failed: .*at the end/],
  [{ opensPaths: true }, 'direct paths', /^failed: \/v1\/files: 200: every key reaches/, /DIRECT\.md/],
  [{ refusesPathsWithPage: true }, 'direct paths', /^warning: .*an HTML page/, /direct_not_possible/],
  [{ noAliases: true }, 'direct alias', /^warning: team-fast: 404/, /aliases of thinwire keys export/],
  [{ leaks: 'header' }, 'credential', /^failed: A CREDENTIAL.*the header authorization/, /replace the key/],
  [{ staysDirect: true }, 'switch back', /^failed: the front still goes direct/, /readyz.*fail_timeout/],
  [{ sendsTwice: true }, 'sent twice', /^warning: one waited .*billed twice/, /non_idempotent/],
  [{ believesMark: true }, 'forged mark', /^failed: .*a client can pass by the relay/],
  [{ forwarded: 'none' }, 'address', /^warning: 127\.0\.0\.1: the address of the front/, /trustedProxies/],
  [{ forwarded: 'clients' }, 'address', /^failed: .*address that the client made up/, /X-Forwarded-For/],
]

/** So many fronts are examined at the same time: most of the time is waiting. */
const AT_ONCE = 6

test('each fault of a front is named by its own check, with what to change', async (site) => {
  const rows = [...FAULTS]
  const run = async (): Promise<void> => {
    for (let row = rows.shift(); row !== undefined; row = rows.shift()) {
      const [faults, check, seen, change] = row
      const name = JSON.stringify(faults, (_, value) => (typeof value === 'function' ? String(value) : value))
      // A POST that is sent twice has to be under way when the relays stop.
      const { code, find, found } = await examine(site, {
        faults,
        args: (front) => [...front.stops('sendsTwice' in faults ? 1 : 0), '--revoked-key', REVOKED],
      })
      assert.match(find(check), seen, `${name}: ${find(check)}`)
      if (change !== undefined) assert.match(find(check), change, name)
      // A front that stays direct is not left as it was; else this one finding is all.
      const others = found.filter((each) => each !== check && each !== 'relays')
      assert.equal(others, [], `${name}: ${others.map(find).join('; ')}`)
      assert.is(code, find(check).startsWith('failed') ? 1 : 0, name)
      if (!('staysDirect' in faults)) assert.match(find('relays'), /^ok/, name)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, run))
})

test('pages while the relays stop are named beside the requests that were lost', async (site) => {
  const { find, found } = await examine(site, { faults: { losesMs: 500, losesWithPage: true } })
  assert.equal(found, ['switch over', 'own errors'])
  assert.match(find('own errors'), /^warning: 502, an HTML page.*error_page/)
})

test('a front without a health check is named', async (site) => {
  const { find, found } = await examine(site, {
    faults: { noHealthCheck: true },
    args: (front) => front.freezes(),
  })
  assert.equal(found, ['frozen'])
  assert.match(find('frozen'), /^failed: requests hang for .* no health check.*\/readyz/)
  assert.match(find('relays'), /^ok/)
})

test("the relays' records show whether a POST was sent twice, and without them it is only a sign", async (site) => {
  const config = ['--config', site.relay.config.file ?? '']
  const twice = { sendsTwice: true } as const
  const [clean, stopped, frozen, unknown] = await Promise.all([
    examine(site, { args: (front) => [...front.stops(0.3), ...front.freezes(), ...config] }),
    examine(site, { faults: twice, args: (front) => [...front.stops(1), ...config] }),
    examine(site, { faults: twice, args: (front) => [...front.freezes(), ...config] }),
    examine(site, { faults: twice, args: (front) => front.freezes() }),
  ])
  assert.equal(clean.found, [])
  for (const check of ['sent twice', 'frozen POST'])
    assert.match(clean.find(check), /^ok: the relays' records have none of the \d+ that were answered direct/)
  assert.match(stopped.find('sent twice'), /^failed: \d+ of \d+ .*billed twice.*non_idempotent/)
  assert.match(frozen.find('frozen POST'), /^failed: \d+ of \d+ .*billed twice/)
  assert.match(unknown.find('frozen POST'), /^skipped: one waited .*--config FILE/)
})

test('relays that do not come back are told in the report, in its exit code and on standard error', async (site) => {
  const { code, find, err } = await examine(site, {
    args: (front) => [...front.stops().slice(0, 3), 'exit 3'],
  })
  assert.is(code, 1)
  assert.match(find('switch back'), /^failed: the command failed: exit code 3; /)
  assert.match(find('relays'), /^failed: THEY DO NOT ANSWER/)
  assert.match(err, /the relays may still be down: exit 3/)
})

interface Texts {
  out: string
  err: string
}

/** Examines a front by the command itself, in a process of its own. @param during acts on it once its relay is down */
async function runCommand(
  { demo, relay }: Site,
  during: (child: ChildProcess, texts: Texts) => unknown,
  more: readonly string[] = [],
): Promise<{ code: number | null; out: string; err: string; isDown: boolean }> {
  const behinds = { relayPort: relay.port, origin: demo.origin, keys: [relay.key], aliases: ALIASES }
  // It never goes direct, so that the doctor waits.
  const front = await FailoverFront.start(behinds, { noDirect: 'json' })
  const args = ['doctor', front.url, '--front', '--key', '-', ...front.stops(), ...more]
  const cli = fileURLToPath(new URL('../../../src/cli.js', import.meta.url))
  const child = spawn(process.execPath, [cli, ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
  try {
    const texts: Texts = { out: '', err: '' }
    child.stdout.on('data', (chunk) => {
      texts.out += String(chunk)
    })
    child.stderr.on('data', (chunk) => {
      texts.err += String(chunk)
    })
    const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
    child.stdin.end(`${relay.key}\n`)
    const marker = join(front.folder, 'down')
    await until(() => existsSync(marker), 'the relay to be stopped')
    await during(child, texts)
    const code = await ended
    return { code, ...texts, isDown: existsSync(marker) }
  } finally {
    child.kill('SIGKILL')
    await front.close()
  }
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} ends the checks, and starts the relays again first`, async (site) => {
    const { code, out, err, isDown } = await runCommand(site, (child) => child.kill(signal))
    assert.is(code, 1, out)
    assert.not.ok(isDown)
    assert.match(err, new RegExp(`${signal}: ending, as soon as the relays are back: rm -f`))
    assert.match(out, / ok {4}relays {7}state at the end: they answer/)
    assert.match(out, new RegExp(`doctor {7}all checks: ended early by ${signal}`))
    assert.ok(
      out.split('\n').every((line) => line.length <= 80 || /\/thinwire-front-/.test(line)),
      out,
    )
  })
}

test('a second Ctrl-C ends the doctor at once, and it says how the relays start', async (site) => {
  const act = async (child: ChildProcess, texts: Texts): Promise<void> => {
    child.kill('SIGINT')
    await until(() => texts.err.includes('ending, as soon as'), 'the first signal to be seen')
    // Sooner it counts as the same one.
    await wait(1_000)
    child.kill('SIGINT')
  }
  const { code, err } = await runCommand(site, act, ['--start', 'sleep 5'])
  assert.is(code, 130)
  assert.match(err, /the relays may still be down: sleep 5/)
})

test('the relays are started again when a check throws', async ({ demo, relay }) => {
  const behinds = { relayPort: relay.port, origin: demo.origin, keys: [relay.key], aliases: ALIASES }
  const front = await FailoverFront.start(behinds)
  const visit = createVisit(front.url, { key: relay.key })
  const [, stop, , start] = front.stops()
  const options = {
    stop: stop ?? '',
    start: start ?? '',
    freeze: null,
    thaw: null,
    revokedKey: null,
    ledger: null,
  }
  const seen: string[] = []
  try {
    await examineFront(visit, options, { err: new PassThrough(), failoverPace: PACE }, ({ check }) => {
      seen.push(check)
      if (check === 'direct way') throw new Error('a check that throws')
    })
    assert.unreachable()
  } catch (error) {
    assert.match(String(error), /a check that throws/)
  } finally {
    await front.close()
  }
  assert.equal(seen.slice(-2), ['switch back', 'relays'])
})

test('at a terminal the operator is asked to stop the relays, and nothing is billed until they do', async (site) => {
  const { code, find, err, chats } = await examine(site, { args: () => [], terminal: true })
  assert.match(err, /Now stop all relays\..*waits two minutes/)
  assert.match(err, /Now start all relays again/)
  assert.match(find('direct way'), /^skipped: the relays were not stopped in time/)
  assert.match(find('relays'), /^ok/)
  assert.is(code, 0)
  assert.ok(chats.relay <= 3, `${chats.relay} chats`)
  assert.is(chats.direct, 0)
})

test('options that do not go together are refused, and nothing is stopped', async ({ relay }) => {
  const table: [string[], RegExp][] = [
    [['--stop', 'true'], /need --front/],
    [['--front', '--stop', 'true'], /--stop and --start go together/],
    [['--front', '--thaw', 'true'], /--freeze and --thaw go together/],
    [['--front', '--stop', ' ', '--start', 'true'], /a command is empty/],
    [['--front', '--cursor'], /neither --offline nor --cursor/],
    [['--front', '--revoked-key', 'a b'], /--revoked-key has blanks/],
  ]
  for (const [args, why] of table) {
    const { code, err, out } = await look([relay.url, '--key', relay.key, ...args])
    assert.is(code, 2, args.join(' '))
    assert.match(err, why)
    assert.is(out, '')
  }
})

test.run()
