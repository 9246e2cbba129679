import type { IncomingMessage, ServerResponse } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { selfSigned } from '../../scripts/certificate.js'
import { type Faults, FaultyFront } from '../support/front.js'
import {
  answerPage,
  behind,
  clearWard,
  closeWard,
  faulty,
  finder,
  look,
  openWard,
  type Ward,
} from '../support/ward.js'

const test = suite<Ward>('doctor: faults in front')

test.before(openWard)
test.after.each(clearWard)
test.after(closeWard)

const isPost = ({ method }: IncomingMessage): boolean => method === 'POST'

function limitAfter(count: number, refuse: (res: ServerResponse) => true): Faults {
  let left = count
  return { respond: (_, res) => left-- <= 0 && refuse(res) }
}

interface Case {
  readonly name: string
  readonly faults: () => Faults
  readonly path?: string
  /** The check that tells the cause, and the only one that finds anything wrong. */
  readonly check: string
  readonly seen: RegExp
  /** Why the stream was not tried. */
  readonly why: RegExp
}

const CASES: readonly Case[] = [
  {
    name: 'a proxy that removes the header Authorization',
    faults: () => ({
      respond: (req) => {
        delete req.headers.authorization
        return false
      },
    }),
    check: 'key',
    seen: /^failed: 401: .*a key was sent, but it did not arrive.*proxy_set_header Authorization \$http_authorization;/,
    why: /^skipped: the key does not arrive/,
  },
  {
    name: "a proxy's own login",
    faults: () => ({
      respond: (_, res) => {
        res.setHeader('www-authenticate', 'Basic realm="team"')
        return answerPage(res, 401, '401 Authorization Required')
      },
    }),
    check: 'relay',
    seen: /^failed: 401, an HTML page .*a login of its own.*> nginx: auth_basic off;/,
    why: /^skipped: a proxy wants a login/,
  },
  {
    name: "a proxy's own login for POST alone",
    faults: () => ({
      respond: (req, res) => {
        if (!isPost(req)) return false
        res.setHeader('www-authenticate', 'Basic realm="team"')
        return answerPage(res, 401, '401 Authorization Required')
      },
    }),
    check: 'redirect',
    seen: /^failed: 401, an HTML page .*a login of its own/,
    why: /^skipped: a proxy wants a login/,
  },
  {
    name: 'limit_req from the first request on',
    faults: () => limitAfter(0, (res) => answerPage(res, 503, '503 Service Temporarily Unavailable')),
    check: 'relay',
    seen: /^failed: 503, .*limits the number of requests.*> nginx: limit_req with burst=50/,
    why: /^skipped: a proxy limits requests/,
  },
  {
    name: 'limit_req after a few requests',
    faults: () => limitAfter(3, (res) => answerPage(res, 503, '503 Service Temporarily Unavailable')),
    check: 'key',
    seen: /^failed: 503, .*limits the number of requests/,
    why: /^skipped: a proxy limits requests/,
  },
  {
    name: 'a limit with the status 429 and plain text',
    faults: () =>
      limitAfter(2, (res) => {
        res.writeHead(429, { 'content-type': 'text/plain' }).end('slow down')
        return true
      }),
    check: 'preflight',
    seen: /^failed: 429: slow down: a proxy in front limits/,
    why: /^skipped: a proxy limits requests/,
  },
  {
    name: 'a proxy that refuses POST with 403',
    faults: () => ({ respond: (req, res) => isPost(req) && answerPage(res, 403, '403 Forbidden') }),
    check: 'redirect',
    seen: /^failed: 403, .*refuses POST, though GET passes.*> nginx: no limit_except/,
    why: /^skipped: a proxy refuses POST/,
  },
  {
    name: 'a proxy that refuses POST with 405',
    faults: () => ({ respond: (req, res) => isPost(req) && answerPage(res, 405, '405 Not Allowed') }),
    check: 'redirect',
    seen: /^failed: 405, .*refuses POST, though GET passes/,
    why: /^skipped: a proxy refuses POST/,
  },
  {
    name: 'a proxy that refuses everything',
    faults: () => ({ respond: (_, res) => answerPage(res, 403, '403 Forbidden') }),
    check: 'relay',
    seen: /^failed: 403, .*refuses the request.*> nginx: no deny/,
    why: /^skipped: a proxy refuses the requests/,
  },
  {
    name: 'a prefix that is not removed',
    faults: () => ({}),
    path: '/llm/v1',
    check: 'relay',
    seen: /^failed: Thinwire responds, but it gets the path with \/llm in front.*> nginx: location \/llm\/ \{ proxy_pass .*handle_path \/llm\/\*/,
    why: /^skipped: the prefix has to be removed first/,
  },
  {
    name: 'plain HTTP at a port with TLS, as nginx answers it',
    faults: () => ({
      respond: (_, res) => answerPage(res, 400, '400 The plain HTTP request was sent to HTTPS port'),
    }),
    check: 'relay',
    seen: /^failed: port \d+ speaks TLS, and the URL has http > enter https:\/\/127\.0\.0\.1:\d+\/v1$/,
    why: /^skipped: the port wants https/,
  },
  {
    name: 'plain HTTP at a port with TLS, as Caddy answers it',
    faults: () => ({
      respond: (_, res) => {
        res.writeHead(400).end('Client sent an HTTP request to an HTTPS server.\n')
        return true
      },
    }),
    check: 'relay',
    seen: /^failed: port \d+ speaks TLS/,
    why: /^skipped: the port wants https/,
  },
  {
    name: 'a path that the proxy does not know',
    faults: () => ({ respond: (req, res) => isPost(req) && answerPage(res, 404, '404 Not Found') }),
    check: 'redirect',
    seen: /^failed: 404, .*the path does not exist/,
    why: /^skipped: the path does not exist/,
  },
]

for (const { name, faults, path, check, seen, why } of CASES) {
  test(`the first cause is reported alone: ${name}`, async (ward) => {
    const { code, out, find } = await behind(ward, faults(), path === undefined ? {} : { path })
    assert.is(code, 1)
    assert.match(find(check), seen, out)
    assert.equal(faulty(out), [check])
    assert.match(find('stream'), why)
    assert.match(find('1 MiB body'), why)
  })
}

test('the first cause is reported alone: plain HTTP at a port with TLS that closes the connection', async (ward) => {
  const front = await FaultyFront.start(ward.relay.port, { certificate: selfSigned('localhost') })
  ward.fronts.push(front)
  const { code, out } = await look([`http://localhost:${front.port}/v1`, '--json', '--key', ward.relay.key])
  assert.is(code, 1)
  assert.match(
    finder(out)('relay'),
    new RegExp(`^failed: port ${front.port} speaks TLS.*enter https://localhost:`),
  )
  assert.equal(faulty(out), ['relay'])
})

test("a base URL of Azure's, or with an endpoint, is reported at once, and nothing is tried", async (ward) => {
  const { port } = ward.relay
  for (const [url, seen] of [
    [
      `http://127.0.0.1:${port}/openai/deployments/gpt-4o`,
      /path of Azure.*enter http:\/\/127\.0\.0\.1:\d+\/cursor\/v1/,
    ],
    [`http://127.0.0.1:${port}/openai/v1`, /path of Azure/],
    [`http://127.0.0.1:${port}/v1/chat/completions`, /ends in an endpoint/],
    ['https://my-team.openai.azure.com/openai/v1', /^failed: this is Azure's own address.*"preset": "azure"/],
    ['https://my-team.services.ai.azure.com', /^failed: this is Azure's own address/],
  ] as const) {
    const { code, out } = await look([url, '--json', '--key', 'key-of-nobody'])
    const find = finder(out)
    assert.is(code, 1)
    assert.match(find('url'), seen)
    assert.equal(faulty(out), [])
    for (const check of ['connect', 'relay', 'stream'])
      assert.match(find(check), /^skipped: the URL has to be corrected first/)
  }
})

test('what an upstream says is no fault of a proxy', async (ward) => {
  for (const [status, message] of [
    [401, "You didn't provide an API key."],
    [403, '<html><title>403 Forbidden</title></html>'],
    [429, 'slow down'],
    [503, '<html><title>503 Service Temporarily Unavailable</title></html>'],
  ] as const) {
    const { find } = await behind(ward, {
      respond: (req, res) => {
        if (!isPost(req) || req.headers.authorization === undefined) return false
        res.writeHead(status, { 'server-timing': 'admit;dur=1, attempt;dur=20' }).end(message)
        return true
      },
    })
    assert.match(find('stream'), new RegExp(`^failed: ${status}`))
    assert.not.match(find('stream'), /in front/)
    assert.match(find('40 KB header'), /^ok/)
  }
})

test.run()
