import { Writable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runExplain } from '../../src/commands/explain.js'
import { FAILURE_KINDS } from '../../src/routing/outcome.js'
import { RETRY_POLICY } from '../../src/routing/retry-policy.js'

class Written extends Writable {
  text = ''

  override _write(piece: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += piece.toString()
    done()
  }
}

async function run(...args: string[]): Promise<{ code: number; out: string; err: string }> {
  const io = { out: new Written(), err: new Written(), env: {}, cwd: '.' }
  const code = await runExplain(args, io)
  return { code, out: io.out.text, err: io.err.text }
}

test('explain retries shows each kind of failure, what it means and what follows, in 80 columns', async () => {
  const { code, out, err } = await run('retries')
  assert.is(code, 0)
  assert.is(err, '')
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  for (const [kind, what] of Object.entries(FAILURE_KINDS))
    assert.ok(out.includes(`\n${kind}\n  ${what}\n`), kind)
  const rowOf = (kind: string): string => new RegExp(`\n${kind}\n(?:  .+\n)+`).exec(out)?.[0] ?? ''
  for (const [kind, steps] of [
    ['connect_failed', '  next > give up'],
    ['server_error', '  next* +keys > accept'],
    ['credential_refused', '  key > next > accept'],
    ['correctable', '  same > accept'],
    ['stale_connection', '  fresh (with failover, or if the method is idempotent) > next* > give up'],
    ['final_status', '  accept'],
  ] as const)
    assert.ok(rowOf(kind).includes(`\n${steps}\n`), rowOf(kind))
  assert.match(rowOf('quota_exhausted'), /health: ignore; at rest: credential/)
})

test('explain retries --json has the whole table', async () => {
  const { code, out } = await run('retries', '--json')
  assert.is(code, 0)
  const rows = JSON.parse(out) as Array<Record<string, unknown>>
  assert.equal(
    rows.map(({ kind }) => kind),
    Object.keys(FAILURE_KINDS),
  )
  for (const { kind, what, ...row } of rows) {
    assert.equal(row, RETRY_POLICY[kind as keyof typeof RETRY_POLICY])
    assert.is(what, FAILURE_KINDS[kind as keyof typeof FAILURE_KINDS])
  }
})

test('explain says what there is, and what is wrong', async () => {
  assert.match((await run('--help')).out, /thinwire explain retries/)
  assert.match((await run('retries', '--help')).out, /thinwire explain retries/)
  assert.is((await run('--help')).code, 0)
  for (const args of [[], ['other'], ['constructor'], ['retries', 'x'], ['retries', '--jsn']]) {
    const { code, out, err } = await run(...args)
    assert.is(code, 2, args.join(' '))
    assert.is(out, '')
    assert.match(err, /retries/)
  }
})

test('explain request is there as well', async () => {
  assert.match((await run('request', '--help')).out, /thinwire explain request/)
  const { code, out, err } = await run('request')
  assert.is(code, 2)
  assert.is(out, '')
  assert.match(err, /--model M/)
})

test.run()
