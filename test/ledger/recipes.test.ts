import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { recordOf } from '../support/ledger.js'
import { until } from '../support/until.js'

/** Each recipe of RECIPES.md is run as it stands there, on a ledger with lines that are repeated, torn or no records. */
const PAGE = readFileSync(fileURLToPath(new URL('../../../src/ledger/RECIPES.md', import.meta.url)), 'utf8')
const RECIPES = [...PAGE.matchAll(/```sh\n(.*?)```/gs)].map(([, code = '']) => code)

const RECORDS = [
  {
    seq: 1,
    team: 'a',
    user: 'x',
    prompt_tokens: 100,
    completion_tokens: 10,
    cost_usd: 0.1,
    ttft_ms: 200,
    overhead_us: 100,
    admit_us: 60,
    tags: 'project=p',
  },
  {
    seq: 2,
    team: 'a',
    user: 'x',
    prompt_tokens: 50,
    cached_tokens: 30,
    completion_tokens: 5,
    cost_usd: 0.2,
    ttft_ms: 400,
    overhead_us: 300,
    admit_us: 200,
    cache_us: 7,
    tags: 'a.project=q,project=p,z=1',
  },
  {
    seq: 3,
    team: 'b',
    user: 'y',
    prompt_tokens: 7,
    completion_tokens: 3,
    cost_usd: null,
    ttft_ms: null,
    model: 'a\u2028"\\b',
  },
  {
    seq: 4,
    team: 'b',
    user: 'y',
    prompt_tokens: null,
    completion_tokens: null,
    status: 429,
    ts: '2026-01-02T09:00:00.000Z',
  },
  {
    seq: 1,
    writer: 'w-2',
    team: 'b',
    user: 'z',
    prompt_tokens: 1,
    completion_tokens: 1,
    stream_error: 'overloaded_error',
    ts: '2026-01-02T10:00:00.000Z',
  },
  {
    seq: 2,
    writer: 'w-2',
    team: 'b',
    user: 'z',
    prompt_tokens: 1,
    completion_tokens: 1,
    end: 'client_gone',
    ts: '2026-01-02T11:00:00.000Z',
  },
]

interface Place {
  folder: string
}

const test = suite<Place>('recipes')

test.before.each(async (place) => {
  place.folder = await mkdtemp(join(tmpdir(), 'thinwire-recipes-'))
  chmodSync(place.folder, 0o755)
  mkdirSync(join(place.folder, 'data'))
  const lines = RECORDS.map(recordOf)
  const write = (name: string, text: string): void => appendFileSync(join(place.folder, 'data', name), text)
  write(
    'usage-2026-01-01.jsonl',
    `${lines.slice(0, 3).join('')}{"v":1,"seq":4,"wri\n\n${lines[1]}null\n7\n"text"\n{"v":1}\n`,
  )
  write('usage-2026-01-02.jsonl', `${lines.slice(2).join('')}${lines[5]}{"v":1,"se`)
  // A rollup is beside the ledger, and no part of it.
  write('rollup-2026-01-01.jsonl', '{"v":1,"writer":"w-1","seq":9,"team":"a"}\n[1]\n')
})

test.after.each((place) => rm(place.folder, { recursive: true, force: true }))

function isInstalled(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}

/** The recipe with these texts; there is one. */
function recipe(...texts: readonly string[]): string {
  const found = RECIPES.filter((code) => texts.every((text) => code.includes(text)))
  assert.is(found.length, 1, `${found.length} recipes with ${texts.join(', ')}`)
  return found[0] as string
}

function runShell(folder: string, code: string, env: Readonly<Record<string, string>> = {}): string {
  return execFileSync('bash', ['-euo', 'pipefail', '-c', code], {
    cwd: folder,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  })
}

function readJsonLines(text: string): unknown[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))
}

/** A test that says what is missing where it cannot run. */
function testWith(
  programs: readonly string[],
  name: string,
  act: (place: Place) => Promise<void> | void,
): void {
  const missing = programs.filter((program) => !isInstalled(program))
  if (missing.length === 0) test(name, act)
  else test.skip(`${name}: ${missing.join(', ')} is not installed`, act)
}

test('each recipe of a program is run by a test below', () => {
  const runs = RECIPES.filter((code) => !code.startsWith('npx thinwire'))
  assert.is(runs.length, 10, RECIPES.join('\n'))
})

testWith(['jq'], 'jq sums up the requests and tokens of each team, each record once', ({ folder }) => {
  assert.equal(readJsonLines(runShell(folder, recipe('jq', 'group_by(.team)'))), [
    { team: 'a', requests: 2, tokens: 165 },
    { team: 'b', requests: 4, tokens: 14 },
  ])
})

testWith(['jq'], 'jq sums up the cost of each project', ({ folder }) => {
  const found = readJsonLines(runShell(folder, recipe('jq', 'project=')))
  assert.equal(found, [
    { project: null, requests: 4, usd: null },
    { project: 'p', requests: 2, usd: 0.1 + 0.2 },
  ])
})

testWith(['jq'], 'jq lists the requests that failed, errors within a stream too', ({ folder }) => {
  const found = readJsonLines(runShell(folder, recipe('jq', 'stream_error')))
  assert.equal(
    found.map((record) => [(record as { user: string }).user, (record as { status: number }).status]),
    [
      ['y', 429],
      ['z', 200],
    ],
  )
})

testWith(['jq'], "jq shows what of the relay's own time each phase took", ({ folder }) => {
  assert.equal(readJsonLines(runShell(folder, recipe('jq', 'overhead_us'))), [
    { phase: 'overhead_us', requests: 2, p50: 300, p99: 300 },
    { phase: 'admit_us', requests: 2, p50: 200, p99: 200 },
    { phase: 'cache_us', requests: 1, p50: 7, p99: 7 },
  ])
})

testWith(['jq'], 'jq follows new requests', async ({ folder }) => {
  const child = spawn('bash', ['-c', recipe('tail -qF')], { cwd: folder, detached: true })
  let out = ''
  child.stdout.on('data', (bytes: Buffer) => {
    out += bytes.toString()
  })
  child.stderr.resume()
  try {
    let seq = 10
    await until(() => {
      appendFileSync(
        join(folder, 'data', 'usage-2026-01-02.jsonl'),
        `\n${recordOf({ seq: seq++, user: 'new' })}`,
      )
      return out.includes('\n')
    }, 'a new request')
    assert.is((readJsonLines(out)[0] as unknown[])[1], 'new')
  } finally {
    process.kill(-(child.pid as number))
  }
})

/** Programs of the server are beside no other ones in Debian. */
function findServerFolder(): string | null {
  const root = '/usr/lib/postgresql'
  const versions = existsSync(root) ? readdirSync(root) : []
  const folders = versions.map((version) => join(root, version, 'bin'))
  return folders.find((folder) => existsSync(join(folder, 'initdb'))) ?? null
}

/** Runs an act with the environment that lets psql find a server of its own. */
async function withServer(folder: string, act: (env: Record<string, string>) => void): Promise<void> {
  const bin = findServerFolder() as string
  const place = join(folder, 'server')
  mkdirSync(place)
  // The server refuses to run as root.
  const isRoot = process.getuid?.() === 0
  if (isRoot) execFileSync('chown', ['postgres', place])
  const runServer = (program: string, ...args: string[]): void => {
    const command = [join(bin, program), ...args]
    const [first = '', ...rest] = isRoot ? ['runuser', '-u', 'postgres', '--', ...command] : command
    execFileSync(first, rest, { cwd: place, stdio: 'ignore' })
  }
  const data = join(place, 'data')
  runServer('initdb', '-D', data, '-A', 'trust', '-U', 'usage', '--no-sync')
  const options = `-k ${place} -c listen_addresses= -c fsync=off`
  runServer('pg_ctl', '-D', data, '-o', options, '-l', join(place, 'log'), '-w', 'start')
  try {
    act({ PGHOST: place, PGUSER: 'usage', PGDATABASE: 'postgres' })
  } finally {
    runServer('pg_ctl', '-D', data, '-m', 'immediate', '-w', 'stop')
  }
}

testWith(
  ['jq', 'psql', ...(findServerFolder() === null ? ['postgresql'] : [])],
  'psql imports each record once, also if it is run twice',
  async ({ folder }) => {
    await withServer(folder, (env) => {
      const query = (sql: string): string[] =>
        runShell(folder, `psql -At -c "${sql}"`, env).trim().split('\n')
      const imports = recipe('psql', 'INSERT INTO')
      for (let i = 0; i < 2; i++) {
        runShell(folder, imports, env)
        assert.equal(query('SELECT count(*), count(DISTINCT (writer, seq)) FROM usage'), ['6|6'])
      }
      appendFileSync(join(folder, 'data', 'usage-2026-01-02.jsonl'), `\n${recordOf({ seq: 5 })}`)
      runShell(folder, imports, env)
      assert.equal(query('SELECT count(*) FROM usage'), ['7'])
      assert.equal(query("SELECT r->>'model' FROM usage WHERE writer = 'w-1' AND seq = 3"), ['a\u2028"\\b'])
      const days = runShell(folder, recipe('psql', 'percentile_cont').replace('psql', 'psql -At'), env)
      assert.equal(days.trim().split('\n').slice(0, 3), [
        '2026-01-01|a|0.3|398',
        '2026-01-01|b||',
        '2026-01-01|||',
      ])
      const projects = runShell(folder, recipe('psql', 'project=').replace('psql', 'psql -At'), env)
      assert.equal(
        projects.trim().split('\n'),
        ['p|0.3|0.200', '||0.000'].map((row) => row.replace('0.000', '')),
      )
    })
  },
)

testWith(['duckdb'], 'duckdb sums up each record once', ({ folder }) => {
  const out = runShell(folder, recipe('duckdb').replace('duckdb -c', 'duckdb -csv -noheader -c'))
  assert.equal(out.trim().split('\n').slice(0, 1), ['2026-01-01,a,0.30000000000000004,398.0'])
  assert.is(out.trim().split('\n').length, 3)
})

testWith(['clickhouse'], 'clickhouse sums up each record once', ({ folder }) => {
  const rows = runShell(folder, recipe('clickhouse')).trim().split('\n')
  assert.match(rows[0] ?? '', /^2026-01-01\ta\t0\.3/)
  assert.is(rows.length, 3)
})

test.run()
