import { Writable } from 'node:stream'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runUsage } from '../../../src/commands/usage.js'
import { headerOf, type Response } from '../../support/client.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'

const LIMIT = 5
const SETTINGS = { trustedProxies: ['127.0.0.1'], limits: { refusalsPerAddressPerMinute: LIMIT } }

/** A request without a valid key, of a client with this address. */
function refused(address: string, lines = '', target = '/v1/models'): string {
  return `GET ${target} HTTP/1.1\r\nhost: relay\r\nx-forwarded-for: ${address}\r\n${lines}\r\n`
}

/** Lets the minute of the refusals end. */
function endMinute(scene: Scene): void {
  scene.relay.app.tick(performance.now() + 61_000)
  scene.relay.app.flush()
}

async function ask(scene: Scene, count: number, request: string): Promise<Response[]> {
  const responses: Response[] = []
  for (let i = 0; i < count; i++) responses.push(await scene.ask(request))
  return responses
}

/** Ways to be refused without a key, and the status that each has. */
const WAYS: ReadonlyArray<readonly [what: string, status: number, lines: string, target?: string]> = [
  ['no key', 401, ''],
  ['a key of a provider', 401, 'authorization: Bearer sk-x\r\n'],
  ['a mistyped key', 401, 'x-api-key: lc_a_b_c_d\r\n'],
  ['no such path', 400, '', '/v1/../x'],
  ['two hosts', 400, 'host: other\r\n'],
  ['an upgrade without a key', 401, 'connection: upgrade\r\nupgrade: websocket\r\n'],
]

test('whoever has a valid key is told what is wrong with a request, however many there were, and is not counted', () =>
  withRelay(
    OK,
    async (scene) => {
      const wrong: ReadonlyArray<readonly [status: number, lines: string, target: string]> = [
        [400, '', '/v1/../x'],
        [400, 'host: other\r\n', '/v1/a'],
        [417, 'expect: something\r\n', '/v1/a'],
        [400, '', `/v1/files/${scene.relay.key}`],
      ]
      const bearer = `authorization: Bearer ${scene.relay.key}\r\n`
      for (const [status, lines, target] of wrong)
        for (const { status: got } of await ask(
          scene,
          LIMIT + 2,
          refused('203.0.113.7', bearer + lines, target),
        ))
          assert.is(got, status, target)
      assert.is((await scene.ask(refused('203.0.113.7'))).status, 401)
      await ask(scene, LIMIT, refused('203.0.113.7'))
      assert.is((await scene.ask(refused('203.0.113.7'))).status, 429)
      assert.is((await scene.ask(refused('203.0.113.7', bearer, '/v1/../x'))).status, 400)
    },
    SETTINGS,
  ))

for (const [what, status, lines, target] of WAYS)
  test(`refusals for ${what} get 429 beyond the limit of their address, and no line each`, () =>
    withRelay(
      OK,
      async (scene) => {
        const request = refused('203.0.113.7', lines, target)
        const responses = await ask(scene, LIMIT + 20, request)
        assert.equal(
          responses.map((response) => response.status),
          [...Array(LIMIT).fill(status), ...Array(20).fill(429)],
        )
        const last = responses.at(-1) as Response
        assert.is(headerOf(last, 'x-thinwire-error'), 'too_many_refusals')
        assert.is(headerOf(last, 'connection'), 'close')
        assert.is(scene.relay.inspect().boundsHit.refusalsPerAddressPerMinute, 20)
        // Whoever has a key is served, at this address and at others; others without a key get their own answers.
        await scene.relayed(`GET /v1/a HTTP/1.1\r\n${scene.auth}x-forwarded-for: 203.0.113.7\r\n\r\n`)
        assert.is((await scene.ask(refused('203.0.113.8', lines, target))).status, status)

        endMinute(scene)
        const records = await scene.relay.records(LIMIT + 3)
        assert.is(records.length, LIMIT + 3)
        const [sum, ...rest] = records.filter(({ requests }) => requests !== undefined)
        assert.is(rest.length, 0)
        assert.is(sum?.requests, 20)
        assert.is(sum?.client_address, '203.0.113.7')
        assert.is(sum?.error_code, 'too_many_refusals')
        assert.is(sum?.end, 'refused')
        const lines429 = scene.relay.lines.filter((line) => line.error_code === 'too_many_refusals')
        assert.equal(
          lines429.map((line) => [line.requests, line.client_address, line.msg]),
          [[20, '203.0.113.7', '20 more requests refused, from 203.0.113.7']],
        )
        // A new minute.
        assert.is((await scene.ask(request)).status, status)
      },
      SETTINGS,
    ))

test('the connection of a client that was refused too often is closed', () =>
  withRelay(
    OK,
    async (scene) => {
      const client = await scene.client()
      client.send(refused('203.0.113.7').repeat(LIMIT + 10))
      assert.is((await client.response(LIMIT)).status, 429)
      assert.is(await client.closed(), 'fin')
      assert.is((await client.response(LIMIT)).rest.length, 0)
      await until(() => scene.relay.inspect().openCount === 0, 'all to be over')
    },
    SETTINGS,
  ))

test('requests with a key that are refused are not counted', () =>
  withRelay(
    OK,
    async (scene) => {
      const request = `POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: 5000\r\n\r\n`
      for (const { status } of await ask(scene, LIMIT * 3, request)) assert.is(status, 413)
      assert.is((await scene.relay.records(LIMIT * 3)).length, LIMIT * 3)
    },
    { ...SETTINGS, limits: { ...SETTINGS.limits, bodyBytes: 1024 } },
  ))

test('connections that send no request are refused, and beyond the limit have one line in the log a minute', () =>
  withRelay(
    OK,
    async (scene) => {
      for (let i = 0; i < LIMIT + 10; i++) {
        const response = await scene.ask('no request\r\n\r\n')
        assert.is(response.status, 400)
      }
      const lines = () => scene.relay.lines.filter(({ msg }) => String(msg).startsWith('refused: '))
      assert.is(lines().length, LIMIT)
      endMinute(scene)
      const [sum] = scene.relay.lines.filter(({ msg }) => String(msg).includes('sent no valid request'))
      assert.is(sum?.connections, 10)
      assert.is(sum?.address, '127.0.0.1')
    },
    SETTINGS,
  ))

test('refusals of very many addresses are summed up, too, and each is counted once', () =>
  withRelay(
    OK,
    async (scene) => {
      const client = await scene.client()
      const addresses = Array.from({ length: 1_500 }, (_, i) => `2001:db8:${i.toString(16)}::1`)
      client.send(addresses.map((address) => refused(address)).join(''))
      // Beyond a thousand addresses they are counted together, so that one of these is the last.
      await client.closed()
      const answered = client.text.split('HTTP/1.1 ').length - 1
      endMinute(scene)
      await until(() => scene.relay.inspect().openCount === 0, 'all to be over')
      scene.relay.app.flush()
      await until(() => scene.relay.inspect().ledger?.queued_bytes === 0, 'the records')
      const records = await scene.relay.records(1)
      const counted = records.reduce((sum, { requests }) => sum + Number(requests ?? 1), 0)
      assert.is(counted, answered)
      // 20 times the limit of one address have records of their own.
      assert.is(records.filter(({ error_code }) => error_code === 'missing_api_key').length, LIMIT * 20)
    },
    SETTINGS,
  ))

test('the sum of refusals is written when the relay ends, and the ledger is complete', () =>
  withRelay(
    OK,
    async (scene) => {
      await ask(scene, LIMIT + 3, refused('203.0.113.7'))
      await scene.relay.app.drain()
      scene.relay.app.flush()
      const records = await scene.relay.records(LIMIT + 1)
      assert.is(records.at(-1)?.requests, 3)
      const out = new Text()
      const { folder } = scene.relay.config.ledger
      const { ledger } = scene.relay.config
      const io = { out, err: out, folders: () => [folder], ledger: () => ledger, limitRules: async () => [] }
      assert.is(await runUsage(['verify', '--folder', folder], io), 0, out.text)
      out.text = ''
      assert.is(await runUsage(['--folder', folder, '--json', '--since', '2000-01-01'], io), 0, out.text)
      assert.match(out.text, `"requests":${LIMIT + 3}`)
    },
    SETTINGS,
  ))

class Text extends Writable {
  text = ''

  override _write(piece: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += piece.toString()
    done()
  }
}

test.run()
