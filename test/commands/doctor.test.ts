import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type KeyLimits, NO_LIMITS } from '../../src/access/key-limits.js'
import { issueKey } from '../../src/access/keyring.js'
import { behind, clearWard, closeWard, faulty, finder, look, openWard, type Ward } from '../support/ward.js'

const test = suite<Ward>('doctor')

test.before(openWard)
test.after.each(clearWard)
test.after(closeWard)

test('a correct relay passes all checks, except for its address, which Cursor refuses', async (ward) => {
  const { code, out, find } = await behind(ward, {})
  assert.is(code, 0, out)
  assert.equal(faulty(out), [])
  assert.match(find('url'), /^warning: .*works for clients on this machine, not for Cursor/)
  assert.match(find('relay'), /^ok: Thinwire responds/)
  assert.match(find('pace'), /^ok: \d+ events in .*, one by one/)
  assert.match(find('idle'), /^skipped: .*--idle/)
  assert.match(find('agent mode'), /^skipped: .*\/cursor\/v1/)
  assert.not.match(out, new RegExp(ward.relay.key))
})

test('the report has lines of at most 80 columns, and colours only in a terminal', async (ward) => {
  const args = [ward.relay.url, '--key', '-']
  const plain = await look(args, { input: `${ward.relay.key}\n` })
  assert.is(plain.code, 0, plain.out)
  assert.not.match(plain.out, new RegExp(ward.relay.key))
  assert.match(plain.out, /^ ok {4}pace {9}arrival of the events of the stream: \d+ events/m)
  assert.match(plain.out, /^ warn {2}url {10}.*\n(?: {20}.*\n)* {20}> put Caddy/m)
  assert.ok(
    plain.out.split('\n').every((line) => line.length <= 80),
    plain.out,
  )
  const colour = '\u001b['
  assert.not.ok(plain.out.includes(colour))

  // No key has to be right for it to be coloured.
  const coloured = await look([ward.relay.url], { env: { THINWIRE_KEY: 'lc_wrong' }, terminal: true })
  assert.is(coloured.code, 1)
  assert.ok(coloured.out.includes(`${colour}31m`))
  const env = { THINWIRE_KEY: 'lc_wrong', NO_COLOR: '1' }
  assert.not.ok((await look([ward.relay.url], { env, terminal: true })).out.includes(colour))
})

test('checks that were skipped for the same reason share one line', async (ward) => {
  const { out } = await look([ward.relay.url, '--key', 'sk-of-the-provider'])
  assert.match(out, /^ - {5}not tried: chat, stream, agent mode, pace, framing: the key is refused$/m)
})

test('a refused key is reported with the message of the relay, and checks that need a key are skipped', async (ward) => {
  const { code, out } = await look([ward.relay.url, '--json', '--key', 'sk-of-the-provider'])
  const find = finder(out)
  assert.is(code, 1)
  assert.match(
    find('key'),
    /^failed: 401: Incorrect API key provided: .*This is not a Thinwire key: .*> issue a key: thinwire keys add/,
  )
  assert.match(find('stream'), /^skipped: the key is refused/)
  assert.match(find('wrong key'), /^ok: 401/)
  assert.match(find('40 KB header'), /^ok/)
})

test('a key that has expired, or is for other addresses, is reported with the change that lets it in', async ({
  relay,
}) => {
  const owner = { env: 'test', team: 'team1', user: 'late' }
  const past = new Date(Date.now() - 1_000).toISOString()
  const table: [Partial<KeyLimits>, RegExp][] = [
    [{ expiresAt: past }, /^failed: 401: .*has expired.*> .*thinwire keys set ID --expires 30d/],
    [{ addresses: ['10.0.0.0/8'] }, /^failed: 403: .*> .*thinwire keys set ID --addresses any.*own servers/],
  ]
  for (const [limits, seen] of table) {
    const { key } = issueKey(relay.keyFile, owner, { limits: { ...NO_LIMITS, ...limits } })
    relay.app.reloadKeys()
    const { code, out } = await look([relay.url, '--json', '--key', key])
    assert.is(code, 1)
    assert.match(finder(out)('key'), seen)
  }
})

test('neither the key nor a control character of a response is in the output', async (ward) => {
  const key = 'sk-secret-of-a-person-0123456789'
  const { out, find } = await behind(
    ward,
    {
      respond: (req, res) => {
        if (req.method === 'OPTIONS') return false
        res.writeHead(403, { 'content-type': 'application/json', location: `/${key}` })
        const message = `Key ${req.headers.authorization} \u001b[2J\u009b2J is not sk-se***********6789.`
        res.end(JSON.stringify({ error: { message } }))
        return true
      },
    },
    { args: ['--key', key] },
  )
  assert.not.match(out, /secret-of|6789/)
  assert.not.ok(/\p{Cc}/u.test(out.replaceAll('\n', '')))
  assert.match(find('key'), /^failed: 403: Key Bearer \[key\] \[2J 2J is not \[key\]/)
})

test('an address without a server, or with a silent one, is reported in time', async () => {
  const server = createServer((socket) => socket.on('error', () => {}).resume())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const silent = await look([`http://127.0.0.1:${port}/v1`, '--json', '--key', 'k', '--timeout', '1'])
  assert.is(silent.code, 1)
  assert.match(finder(silent.out)('relay'), /^failed: no response in 400 ms/)
  await new Promise((resolve) => server.close(resolve))

  const gone = await look([`http://127.0.0.1:${port}/v1`, '--json', '--key', 'k'])
  assert.is(gone.code, 1)
  const find = finder(gone.out)
  assert.match(find('connect'), /^failed: no connection \(ECONNREFUSED\) > start the server for port/)
  assert.match(find('stream'), /^skipped: nothing listens there/)
})

test('wrong usage gets one line, which repeats no argument: it may be a key', async () => {
  const key = 'lc_dev_team1_me_secret'
  for (const args of [
    [],
    [key, key],
    ['https://a.example/v1', `--kye=${key}`],
    ['https://a.example/v1', '--key'],
  ]) {
    const { code, out, err } = await look(args, { env: { THINWIRE_KEY: key } })
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, /^thinwire doctor: .+\n$/)
    assert.not.match(err, /secret/)
  }
  assert.match((await look(['https://a.example/v1'])).err, /THINWIRE_KEY/)
  assert.match((await look(['a.example/v1', '--key', 'k'])).err, /https:\/\/a.example\/v1/)
  assert.match((await look(['https://a.example/v1', '--key', 'a b'])).err, /blanks/)
  assert.match((await look(['https://a.example/v1', '--key', 'k', '--timeout', '0'])).err, /--timeout takes/)
  const help = await look(['--help'])
  assert.is(help.code, 0)
  assert.ok(help.out.split('\n').every((line) => line.length <= 80))
})

test.run()
