import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { gate, until } from '../support/until.js'
import { CHUNKED, head, SSE, whole } from '../support/upstream.js'
import { type Way, withDemo, withScript } from './both.js'

const PROMPT = '{"model":"thinwire-demo","stream":true,"messages":[{"role":"user","content":"hello"}]}'

/** A curl that runs: what it has written so far, and how it ended. */
class Curl {
  out = Buffer.alloc(0)
  err = ''
  code: number | null = null
  private readonly child: ChildProcess

  constructor(args: readonly string[], input?: Buffer) {
    // Without -q a curlrc of this machine would have its say, and so would proxy settings.
    const env = { PATH: process.env.PATH }
    const child = spawn('curl', ['-q', '-sS', '--max-time', '10', ...args], { env, stdio: 'pipe' })
    this.child = child
    child.stdout.on('data', (piece: Buffer) => {
      this.out = Buffer.concat([this.out, piece])
    })
    child.stderr.on('data', (piece: Buffer) => {
      this.err += piece.toString()
    })
    child.on('close', (code) => {
      this.code = code ?? -1
    })
    child.stdin.on('error', () => {})
    child.stdin.end(input)
  }

  get text(): string {
    return this.out.toString()
  }

  /** Its exit code. */
  async ended(): Promise<number | null> {
    try {
      await until(() => this.code !== null, 'curl to end', 15_000)
    } finally {
      this.child.kill('SIGKILL')
    }
    return this.code
  }

  async sees(part: string): Promise<void> {
    await until(
      () => this.out.includes(part) || this.code !== null,
      `${JSON.stringify(part)} on curl's output`,
    )
    assert.ok(this.out.includes(part), `curl ended with ${this.code}: ${this.err}`)
  }
}

function bearer(way: Way): string[] {
  return ['-H', `Authorization: Bearer ${way.key}`]
}

function json(way: Way): string[] {
  return [...bearer(way), '-H', 'Content-Type: application/json']
}

/** curl's exit codes (curl.1, EXIT CODES). */
const OK = 0
const HTTP_ERROR = 22
const PARTIAL_FILE = 18
const RECEIVE_FAILED = 56

const VERSION = spawnSync('curl', ['--version'], { encoding: 'utf8' })
const installed = VERSION.error === undefined
const http2 = installed && /^Features:.*\bHTTP2\b/m.test(VERSION.stdout)

/** Where there is no curl, or one that cannot do it, the test is skipped. */
function curlTest(name: string, run: () => Promise<void>, able = installed): void {
  if (able) test(name, run)
  else test.skip(name, run)
}

if (!installed) process.stdout.write('curl is not installed here: its tests are skipped\n')
else if (!http2) process.stdout.write('this curl has no HTTP/2: the tests of its offer are skipped\n')

curlTest('curl -N shows each event as it comes', async () => {
  const second = gate()
  await withScript(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
      await second.opened
      await request.chunk('data: 2\n\n')
      await request.lastChunk()
    },
    async ({ relayed }) => {
      const curl = new Curl(['-N', `${relayed.origin}/v1/chat/completions`, ...json(relayed), '-d', PROMPT])
      await curl.sees('data: 1\n\n')
      second.open()
      assert.is(await curl.ended(), OK)
      assert.is(curl.text, 'data: 1\n\ndata: 2\n\n')
    },
  )
})

curlTest('curl gets the whole of a stream of the demo, to its [DONE]', async () => {
  await withDemo(async ({ relayed, relay }) => {
    const curl = new Curl(['-N', `${relayed.origin}/v1/chat/completions`, ...json(relayed), '-d', PROMPT])
    assert.is(await curl.ended(), OK)
    assert.match(curl.text, /^data: \{/)
    assert.match(curl.text, /"finish_reason":"stop".*\n\ndata: \[DONE\]\n\n$/s)
    const [line] = await relay.requests(1)
    assert.is(line?.end, 'done')
    assert.is(line?.bytes_out, curl.out.length)
  })
})

for (const [name, args] of [
  ['GET', []],
  ['POST', ['-H', 'Content-Type: application/json', '-d', PROMPT]],
] as const) {
  const offer = async (): Promise<void> => {
    const answer = 'data: 1\n\n'
    await withScript(
      (request) => request.write(whole('200 OK', answer, SSE)),
      async ({ relayed, upstream }) => {
        const curl = new Curl(['--http2', '-v', `${relayed.origin}/v1/x`, ...bearer(relayed), ...args])
        assert.is(await curl.ended(), OK, curl.err)
        assert.match(curl.err, /> upgrade: h2c/i)
        assert.match(curl.err, '< HTTP/1.1 200')
        assert.is(curl.text, answer)
        const request = await upstream.request(0)
        assert.is(request.method, name)
        assert.is(request.body.toString(), name === 'POST' ? PROMPT : '')
        assert.is(request.header('upgrade'), undefined)
        assert.is(request.header('http2-settings'), undefined)
      },
    )
  }
  curlTest(`the offer of HTTP/2 that curl --http2 makes with a ${name} is passed over`, offer, http2)
}

curlTest('curl --http1.0 gets a whole stream, which ends with the connection', async () => {
  await withDemo(async ({ relayed }) => {
    const url = `${relayed.origin}/v1/chat/completions`
    const old = new Curl(['--http1.0', '-i', url, ...json(relayed), '-d', PROMPT])
    assert.is(await old.ended(), OK, old.err)
    assert.match(old.text, /^HTTP\/1\.1 200 /)
    assert.not.match(old.text, /transfer-encoding/i)
    assert.match(old.text, /\r\n\r\ndata: \{.*data: \[DONE\]\n\n$/s)
  })
})

curlTest('curl -T uploads two megabytes after it was told to continue, in the same bytes', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-curl-'))
  const content = Buffer.from(Array.from({ length: 2 * 1024 * 1024 }, (_, i) => (i * 7 + (i >> 9)) & 0xff))
  const file = join(folder, 'upload')
  writeFileSync(file, content)
  try {
    await withScript(
      (request) => request.write(whole('201 Created', 'stored')),
      async ({ relayed, upstream }) => {
        const url = `${relayed.origin}/v1/files/1`
        const curl = new Curl([
          '-v',
          '-T',
          file,
          url,
          ...bearer(relayed),
          // Else it would send the body after a second, told or not.
          '--expect100-timeout',
          '9',
          '-H',
          'Expect: 100-continue',
        ])
        assert.is(await curl.ended(), OK, curl.err)
        assert.match(curl.err, '< HTTP/1.1 100 Continue')
        assert.is(curl.text, 'stored')
        const request = await upstream.request(0)
        assert.is(request.method, 'PUT')
        assert.is(request.target, '/v1/files/1')
        assert.ok(request.body.equals(content), 'other bytes')
        assert.is(request.header('expect'), undefined)

        // From a pipe, whose length curl does not know: chunked.
        const piped = new Curl(['-T', '-', url, ...bearer(relayed)], content)
        assert.is(await piped.ended(), OK, piped.err)
        assert.ok((await upstream.request(1)).body.equals(content), 'other bytes')
      },
    )
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

curlTest('an upload that is too large or has no key is refused before it is sent', async () => {
  const content = Buffer.alloc(33 * 1024 * 1024)
  await withScript(
    () => {},
    async ({ relayed, upstream }) => {
      const folder = mkdtempSync(join(tmpdir(), 'thinwire-curl-'))
      const file = join(folder, 'upload')
      writeFileSync(file, content)
      try {
        const args = ['-v', '-T', file, '--expect100-timeout', '9', '-H', 'Expect: 100-continue']
        const large = new Curl([...args, `${relayed.origin}/v1/files/1`, ...bearer(relayed)])
        await large.ended()
        assert.match(large.text, '"code":"body_too_large"', large.err)
        const keyless = new Curl([...args, `${relayed.origin}/v1/files/1`])
        await keyless.ended()
        assert.match(keyless.text, '"code":"missing_api_key"', keyless.err)
        for (const curl of [large, keyless]) assert.not.match(curl.err, '100 Continue')
        assert.is(upstream.connections, 0)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  )
})

curlTest('curl -I gets the head of an answer, with its length and no body', async () => {
  await withDemo(async ({ direct, relayed }) => {
    const lengths: Array<string | undefined> = []
    for (const way of [direct, relayed]) {
      const curl = new Curl(['-I', `${way.origin}/v1/models`, ...bearer(way)])
      assert.is(await curl.ended(), OK, curl.err)
      assert.match(curl.text, /^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n$/s)
      lengths.push(/^content-length: (\d+)\r$/im.exec(curl.text)?.[1])
    }
    assert.ok(Number(lengths[0]) > 0)
    assert.is(lengths[1], lengths[0])
    const health = new Curl(['-I', `${relayed.origin}/healthz`])
    assert.is(await health.ended(), OK, health.err)
    assert.match(health.text, /^HTTP\/1\.1 200 OK\r\n/)
  })
})

curlTest('several requests of one curl share a connection, after a HEAD and an error too', async () => {
  await withDemo(async ({ relayed }) => {
    const { origin } = relayed
    const next = ['--next', '-sS', '-w', '%{http_code} %{num_connects}\n', '-o', '/dev/null']
    const curl = new Curl([
      ...next.slice(1),
      '-I',
      `${origin}/v1/models`,
      ...bearer(relayed),
      ...next,
      `${origin}/v1/nowhere`,
      ...bearer(relayed),
      ...next,
      `${origin}/v1/models`,
      ...next,
      `${origin}/v1/chat/completions`,
      ...json(relayed),
      '-d',
      PROMPT,
    ])
    assert.is(await curl.ended(), OK, curl.err)
    assert.is(curl.text, '200 1\n404 0\n401 0\n200 0\n')
  })
})

curlTest('a stream that is cut makes curl fail', async () => {
  let seen = gate()
  await withScript(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
      await seen.opened
      request.reset()
    },
    async ({ relayed }) => {
      const args = ['-N', `${relayed.origin}/v1/chat/completions`, ...json(relayed), '-d', PROMPT]
      const curl = new Curl(args)
      await curl.sees('data: 1\n\n')
      seen.open()
      assert.is(await curl.ended(), PARTIAL_FILE, curl.err)
      assert.is(curl.text, 'data: 1\n\n')

      seen = gate()
      const old = new Curl(['--http1.0', ...args])
      await old.sees('data: 1\n\n')
      seen.open()
      assert.is(await old.ended(), RECEIVE_FAILED, old.err)
    },
  )
})

curlTest('a wrong key is reported in JSON, and fails curl -f', async () => {
  await withDemo(async ({ relayed }) => {
    const url = `${relayed.origin}/v1/models`
    const wrong = ['-H', 'Authorization: Bearer sk-wrong']
    const told = new Curl(['-w', '\n%{http_code} %{content_type}', url, ...wrong])
    assert.is(await told.ended(), OK, told.err)
    const [body = '', after] = told.text.split('\n')
    assert.is(after, '401 application/json; charset=utf-8')
    assert.is(JSON.parse(body).error.code, 'malformed_api_key')
    const failing = new Curl(['-f', url, ...wrong])
    assert.is(await failing.ended(), HTTP_ERROR)
    const none = new Curl([url])
    assert.is(await none.ended(), OK)
    assert.is(JSON.parse(none.text).error.code, 'missing_api_key')
  })
})

curlTest('a curl that is stopped within a stream is a client that has gone', async () => {
  await withScript(
    async (request) => {
      await request.write(head('200 OK', SSE, CHUNKED))
      await request.chunk('data: 1\n\n')
    },
    async ({ relayed, relay, upstream }) => {
      const args = ['-N', `${relayed.origin}/v1/chat/completions`, ...json(relayed), '-d', PROMPT]
      const curl = new Curl(['--max-time', '1', ...args])
      await curl.sees('data: 1\n\n')
      assert.is(await curl.ended(), 28)
      const request = await upstream.request(0)
      await until(() => request.closed, 'the upstream connection to close')
      const [line] = await relay.requests(1)
      assert.is(line?.end, 'client_gone')
    },
  )
})

curlTest('curl -i shows a spent budget as one answer that says all, also for a stream', async () => {
  await withScript(
    (request) =>
      request.write(
        whole(
          '200 OK',
          '{"choices":[],"usage":{"prompt_tokens":10,"completion_tokens":5}}',
          'content-type: application/json',
        ),
      ),
    async ({ relayed, relay, upstream }) => {
      const args = ['-i', `${relayed.origin}/v1/chat/completions`, ...json(relayed), '-d', PROMPT]
      const first = new Curl(args)
      assert.is(await first.ended(), OK)
      assert.match(first.text, /^x-thinwire-limit-remaining-tokens: 15\r$/m)
      await relay.requests(1)
      const curl = new Curl(args)
      assert.is(await curl.ended(), OK)
      assert.match(curl.text, /^HTTP\/1\.1 429 Too Many Requests\r\n/)
      assert.match(curl.text, /^retry-after: \d+\r$/m)
      assert.match(curl.text, /^x-should-retry: false\r$/m)
      assert.match(curl.text, /^x-thinwire-error: budget_exceeded\r$/m)
      assert.match(curl.text, /^content-type: application\/json; charset=utf-8\r$/m)
      const { error } = JSON.parse(curl.text.slice(curl.text.indexOf('\r\n\r\n')))
      assert.match(
        error.message,
        /^You exceeded your current quota: the rule "small" allows 15 tokens a day /,
      )
      assert.is(upstream.requests.length, 1)
    },
    { settings: { limits: { rules: [{ name: 'small', tokens: { day: 15 } }] } } },
  )
})

test.run()
