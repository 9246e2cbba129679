import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { randomFrom, SEED } from '../../support/random.js'
import { DIFFERENCES, isFailure, judge } from './differences.js'
import { readByBoth } from './one-response.js'
import { type Case, toWire, WireMaker } from './wires.js'

/** Responses by chance. `HTTP1_CASES=1000000 node dist/test/upstream/http1/differential.test.js` reads as many. */
const CASES = Number(process.env.HTTP1_CASES ?? 6_000)

/** As many are read at once. */
const AT_ONCE = 500

const PLAIN: Omit<Case, 'text'> = { method: 'GET', closes: 'fin', cuts: [], pauses: null }

const random = suite('responses by chance')

random('the own client makes of each what undici makes of it, or ends it for a known reason', async () => {
  const maker = new WireMaker(randomFrom(SEED))
  const counts = new Map<string, number>()
  for (let left = CASES; left > 0; left -= AT_ONCE) {
    const cases = Array.from({ length: Math.min(left, AT_ONCE) }, () => maker.make())
    const found = await readByBoth(cases.map(toWire))
    for (const [i, { own, undici }] of found.entries()) {
      const given = cases[i] as Case
      const name = judge({ given, own, undici }) ?? (own.end === 'complete' ? 'complete' : 'the same')
      assert.not(name.startsWith('unknown'), `${name}: ${JSON.stringify(given)}`)
      counts.set(name, (counts.get(name) ?? 0) + 1)
    }
  }
  if (CASES > 6_000) process.stdout.write(`${JSON.stringify(Object.fromEntries(counts), null, 1)}\n`)
  // They must not all be broken.
  assert.ok((counts.get('complete') ?? 0) > CASES / 5)
})

random.run()

const differences = suite('differences that are meant')

for (const { name, kind, example } of DIFFERENCES)
  differences(name, async () => {
    const given = { ...PLAIN, ...example }
    const [found] = await readByBoth([toWire(given)])
    assert.ok(found !== undefined)
    const { own, undici } = found
    assert.is(judge({ given, own, undici }), name, `${own.end} in place of ${undici.end}`)
    if (kind === 'stricter') assert.ok(isFailure(own.end) || (undici.isKept && !own.isKept))
    else assert.ok(isFailure(undici.end) || own.body.length < undici.body.length)
  })

differences.run()

/** Responses as they are sent every day. */
const USUAL: Record<
  string,
  Partial<Case> & { readonly text: string; readonly end?: string; readonly isKept?: boolean }
> = {
  'with a length': { text: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', isKept: true },
  'in chunks': {
    text: 'HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n00A;a="b"\r\n0123456789\r\n0\r\nx: y\r\n\r\n',
    isKept: true,
  },
  'until the connection ends': { text: 'HTTP/1.1 200 OK\r\n\r\nhello', closes: 'fin' },
  'until the connection ends, and it is reset': {
    text: 'HTTP/1.1 200 OK\r\n\r\nhello',
    closes: 'reset',
    end: 'UPSTREAM_RESET',
  },
  'shorter than its length': {
    text: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhell',
    closes: 'fin',
    end: 'UND_ERR_SOCKET',
  },
  'shorter than its length, as the last one': {
    text: 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 5\r\n\r\nhell',
    closes: 'fin',
    end: 'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  },
  'without its last chunk': {
    text: 'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n',
    closes: 'fin',
    end: 'UND_ERR_SOCKET',
  },
  'to HEAD': { text: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n', method: 'HEAD', isKept: true },
  'to HEAD, with a body': { text: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello', method: 'HEAD' },
  '204': { text: 'HTTP/1.1 204 No Content\r\n\r\n', isKept: true },
  '304': { text: 'HTTP/1.1 304 Not Modified\r\netag: "a"\r\n\r\n', isKept: true },
  'behind interim ones': {
    text: 'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
    isKept: true,
  },
  'of HTTP/1.0': { text: 'HTTP/1.0 200 OK\r\ncontent-length: 5\r\n\r\nhello' },
  'of HTTP/1.0 that stays': {
    text: 'HTTP/1.0 200 OK\r\nconnection: keep-alive\r\ncontent-length: 5\r\n\r\nhello',
    isKept: true,
  },
  'the last one': { text: 'HTTP/1.1 200 OK\r\nconnection: x, Close\r\ncontent-length: 0\r\n\r\n' },
  'with a hint of a second': {
    text: 'HTTP/1.1 200 OK\r\nkeep-alive: timeout=1\r\ncontent-length: 0\r\n\r\n',
  },
  'with a hint of some minutes': {
    text: 'HTTP/1.1 200 OK\r\nkeep-alive: timeout=200\r\ncontent-length: 0\r\n\r\n',
    isKept: true,
  },
  'with another behind it': {
    text: 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n',
  },
  'with two lengths': {
    text: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\nhello',
    end: 'HPE_UNEXPECTED_CONTENT_LENGTH',
  },
  'with a length and chunks': {
    text: 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    end: 'HPE_INVALID_TRANSFER_ENCODING',
  },
  'with a folded line': {
    text: 'HTTP/1.1 200 OK\r\nx: a\r\n b\r\ncontent-length: 0\r\n\r\n',
    end: 'HPE_INVALID_HEADER_TOKEN',
  },
  'with a head that is too long': {
    text: `HTTP/1.1 200 OK\r\nx: ${'a'.repeat(5_000)}\r\ncontent-length: 0\r\n\r\n`,
    end: 'UND_ERR_HEADERS_OVERFLOW',
  },
}

const usual = suite('responses whose outcome is known')

for (const [name, given] of Object.entries(USUAL))
  usual(`${name}, wherever reads end, with pauses and without`, async () => {
    const { end = 'complete', isKept = false, ...rest } = given
    const plain: Case = { ...PLAIN, closes: 'stays', ...rest }
    const { length } = plain.text
    const each = Array.from({ length: length - 1 }, (_, i) => i + 1)
    const cuts = [[], ...(length < 1_000 ? each.map((at) => [at]) : [[length - 1]]), each]
    const cases = cuts.flatMap((cuts, i) => [
      { ...plain, cuts },
      { ...plain, cuts, pauses: i },
    ])
    for (const [i, { own, undici }] of (await readByBoth(cases.map(toWire))).entries()) {
      assert.is(judge({ given: cases[i] as Case, own, undici }), null, JSON.stringify(cases[i]))
      assert.equal([own.end, own.isKept], [end, isKept], JSON.stringify(cases[i]))
    }
  })

usual('whatever is cut off of them, none looks whole', async () => {
  const cases: Case[] = []
  for (const given of Object.values(USUAL))
    for (let at = 1; at < Math.min(given.text.length, 400); at++)
      for (const closes of ['fin', 'reset', 'stays'] as const)
        cases.push({ ...PLAIN, ...given, text: given.text.slice(0, at), closes })
  for (const [i, { own, undici }] of (await readByBoth(cases.map(toWire))).entries()) {
    const given = cases[i] as Case
    const name = judge({ given, own, undici })
    assert.ok(
      name === null || DIFFERENCES.some((one) => one.name === name),
      `${name}: ${JSON.stringify(given)}`,
    )
  }
})

usual.run()
