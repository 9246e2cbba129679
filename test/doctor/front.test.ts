import type { IncomingMessage, ServerResponse } from 'node:http'
import { createGzip } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Faults } from '../support/front.js'
import {
  answerPage,
  behind,
  clearWard,
  closeWard,
  faulty,
  isStream,
  openWard,
  type Ward,
} from '../support/ward.js'

const test = suite<Ward>('doctor: fronts')

test.before(openWard)
test.after.each(clearWard)
test.after(closeWard)

test('a proxy that collects the whole stream first is found by the arrival of its events', async (ward) => {
  const { code, find, out } = await behind(ward, {
    headers: (headers) => {
      headers.server = 'nginx/1.22.1'
    },
    body: (upstream, res) => {
      const pieces: Buffer[] = []
      upstream.on('data', (piece: Buffer) => pieces.push(piece))
      upstream.on('end', () => res.end(Buffer.concat(pieces)))
    },
  })
  assert.is(code, 1)
  assert.equal(faulty(out), ['pace'])
  assert.match(
    find('pace'),
    /^failed: \d+ events .*, at the end: a proxy in front .*> nginx: proxy_buffering off;/,
  )
})

test('a proxy that fills a buffer first is found by the lumps of events', async (ward) => {
  const { find } = await behind(ward, {
    body: (upstream, res) => {
      let held = Buffer.alloc(0)
      upstream.on('data', (piece: Buffer) => {
        held = Buffer.concat([held, piece])
        if (held.length < 4096) return
        res.write(held)
        held = Buffer.alloc(0)
      })
      upstream.on('end', () => res.end(held))
    },
  })
  assert.match(find('pace'), /^failed: \d+ events in .* came in \d+ lumps of [34]\.\d KB: a proxy in front/)
  // Nothing tells which proxy it is, so the setting of each is named.
  assert.match(find('pace'), /nginx: proxy_buffering off;.*Caddy: flush_interval -1.*Cloudflare: /)
})

test('HTTP/1.0 and a compressed stream are warnings, and the doctor passes', async (ward) => {
  const old = await behind(ward, {
    body: (upstream, res) => {
      if (!isStream(upstream)) {
        upstream.pipe(res)
        return
      }
      const { socket } = res
      socket?.write('HTTP/1.0 200 OK\r\ncontent-type: text/event-stream\r\n\r\n')
      upstream.on('data', (piece) => socket?.write(piece)).on('end', () => socket?.end())
    },
  })
  assert.is(old.code, 0, old.out)
  assert.match(old.find('framing'), /^warning: HTTP\/1\.0: .*> nginx: proxy_http_version 1\.1;/)
  assert.match(old.find('pace'), /^ok/)

  const zipped = await behind(ward, {
    headers: (headers, req) => {
      if (req.method === 'POST' && /event-stream/.test(headers['content-type'] ?? '')) {
        headers['content-encoding'] = 'gzip'
      }
    },
    body: (upstream, res) => {
      if (!isStream(upstream)) upstream.pipe(res)
      else upstream.pipe(createGzip()).pipe(res)
    },
  })
  assert.match(zipped.find('framing'), /^warning: compressed \(gzip\).*> nginx: gzip off;/)
  // It had no reason to let go of anything before the end.
  assert.match(zipped.find('pace'), /^failed: \d+ events .* at the end/)
})

test('a limit on the size of bodies is found, in a proxy or at the upstream', async (ward) => {
  const limited = (most: number, refuse: (req: IncomingMessage, res: ServerResponse) => boolean): Faults => ({
    respond: (req, res) => Number(req.headers['content-length'] ?? 0) > most && refuse(req, res),
  })
  const nginx = await behind(
    ward,
    limited(1024 * 1024, (_, res) => answerPage(res, 413, '413 Request Entity Too Large')),
  )
  assert.is(nginx.code, 1)
  assert.match(nginx.find('1 MiB body'), /^ok/)
  assert.match(nginx.find('8 MiB body'), /^failed: 413, an HTML page .*client_max_body_size 32m;/)

  const cut = await behind(
    ward,
    limited(1_000, (req) => {
      req.socket.destroy()
      return true
    }),
  )
  assert.match(cut.find('1 MiB body'), /^failed: the connection was closed while it was sent/)
  assert.match(cut.find('8 MiB body'), /^skipped: 1 MiB did not pass/)

  const upstream = await behind(
    ward,
    limited(1_000, (_, res) => {
      res.writeHead(413, { 'content-type': 'application/json' })
      res.end('{"error":{"message":"The prompt is too long.","type":"invalid_request_error"}}')
      return true
    }),
  )
  assert.match(upstream.find('1 MiB body'), /^warning: 413: The prompt is too long > .*upstream/)
})

test('a limit on the size of headers is a warning', async (ward) => {
  const { code, find } = await behind(ward, { server: { maxHeaderSize: 16 * 1024 } })
  assert.is(code, 0)
  assert.match(find('40 KB header'), /^warning: 431.*large_client_header_buffers 8 64k;/)
})

test('a redirect fails with its effect on a POST and what to enter, and no key is sent after it', async (ward) => {
  const seen: string[] = []
  const { code, find } = await behind(ward, {
    respond: (req, res) => {
      seen.push(String(req.headers.authorization))
      res.writeHead(301, { location: `https://llm.example.com${req.url}` }).end()
      return true
    },
  })
  assert.is(code, 1)
  assert.match(
    find('redirect'),
    /^failed: 301 to https:\/\/llm.example.com\/v1\/chat\/completions: a POST becomes a GET .*> enter https:\/\/llm.example.com\/v1$/,
  )
  assert.match(find('stream'), /^skipped: requests are redirected/)
  assert.equal([...new Set(seen)], ['undefined'])

  const login = await behind(ward, {
    respond: (_, res) => {
      res.writeHead(302, { location: 'https://team.cloudflareaccess.com/cdn-cgi/access/login/x?key=1' }).end()
      return true
    },
  })
  assert.match(login.find('redirect'), /^failed: 302 to a login page, .*Bypass policy/)
})

test('a proxy that removes CORS headers, or adds them a second time, fails', async (ward) => {
  const without = await behind(ward, {
    respond: (req, res) => req.method === 'OPTIONS' && answerPage(res, 405, '405 Not Allowed'),
    headers: (headers) => {
      delete headers['access-control-allow-origin']
    },
  })
  assert.is(without.code, 1)
  assert.match(
    without.find('preflight'),
    /^failed: 405, an HTML page .*> nginx: forward OPTIONS to the relay/,
  )
  assert.match(without.find('cors'), /^failed: chat: there is no .*errors: there is no .*models: there is no/)

  const twice = await behind(ward, {
    headers: (headers) => {
      headers['access-control-allow-origin'] = '*, vscode-file://vscode-app'
    },
  })
  assert.match(twice.find('preflight'), /^failed: 204, but access-control-allow-origin is there twice/)

  const wild = await behind(ward, {
    headers: (headers) => {
      if (headers['access-control-allow-headers']) headers['access-control-allow-headers'] = '*'
    },
  })
  assert.match(wild.find('preflight'), /^failed: .*has no authorization/)
  assert.match(wild.find('cors'), /^ok/)
})

test("a proxy's own error page fails, and so does a proxy that does not reach the relay", async (ward) => {
  const dressed = await behind(ward, {
    respond: (req, res) =>
      req.headers.authorization !== `Bearer ${ward.relay.key}` &&
      req.method === 'GET' &&
      req.url === '/v1/models' &&
      answerPage(res, 401, '401 Authorization Required'),
  })
  assert.is(dressed.code, 1)
  assert.match(dressed.find('wrong key'), /^failed: 401, an HTML page .*proxy_intercept_errors off;/)
  assert.match(dressed.find('key'), /^ok/)

  const alone = await behind(ward, { respond: (_, res) => answerPage(res, 502, '502 Bad Gateway') })
  assert.is(alone.code, 1)
  assert.match(alone.find('relay'), /^failed: 502, an HTML page \("502 Bad Gateway"\).*> nginx: proxy_pass/)
  assert.match(alone.find('stream'), /^skipped: the proxy in front does not reach the relay/)
})

test('a wrong clock is a warning', async (ward) => {
  const { find } = await behind(ward, {
    headers: (headers) => {
      headers.date = new Date(Date.now() - 600_000).toUTCString()
    },
  })
  assert.match(find('clock'), /^warning: (?:599|60\d) s behind this machine's > set the clock/)
})

test('a silence that is too long for a proxy is found with --idle', async (ward) => {
  const patient = await behind(ward, {}, { args: ['--idle', '1'] })
  assert.match(patient.find('idle'), /^ok: it stayed open, /)
  const hasty = await behind(
    ward,
    {
      body: (upstream, res) => {
        upstream.on('data', (piece) => res.write(piece)).on('end', () => res.end())
        if (isStream(upstream)) upstream.setTimeout(500, () => res.destroy())
      },
    },
    { args: ['--idle', '1'] },
  )
  assert.is(hasty.code, 1)
  assert.match(hasty.find('idle'), /^failed: cut off after .*nginx: proxy_read_timeout 660s;/)
  assert.match(hasty.find('stream'), /^ok/)
})

test.run()
