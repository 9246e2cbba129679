import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createPageLink } from '../../src/commands/page-link.js'
import { readNow } from '../support/page/live-reader.js'
import { configure, openStream, streaming } from '../support/start.js'
import { clear, open, type Place, run, started, Thinwire } from '../support/thinwire.js'
import { until } from '../support/until.js'

const test = suite<Place>('the link to the page')

test.before.each(open)
test.after.each(clear)

const LINK = /(http:\/\/127\.0\.0\.1:\d+)\/\?token=[0-9a-f]{40}/

test('the demo shows a link to its page, which is good once', async (place) => {
  const thinwire = await started(place, ['--first-key', 'show'])
  const [link = '', origin = ''] = LINK.exec(thinwire.err) ?? []
  const first = await fetch(link, { redirect: 'manual' })
  assert.is(first.headers.get('location'), '/')
  const session = await ask(origin, first.headers.get('set-cookie'), 'session')
  assert.is(session.role, 'operator')
  assert.is(session.isDemo, true)
  assert.match((await fetch(link, { redirect: 'manual' })).headers.get('location') ?? '', /^\/sign-in/)
  assert.not.match(thinwire.out, /token=/)
})

test('outside of a terminal the link is in no output, but in a file that goes when it was used', async (place) => {
  const thinwire = await started(place)
  const file = join(place.folder, 'data', 'page-link')
  assert.not.match(thinwire.err + thinwire.out, 'token=')
  assert.match(thinwire.err, 'cat data/page-link')
  assert.is(statSync(file).mode & 0o777, 0o600)
  const link = readFileSync(file, 'utf8').trim()
  assert.match(link, LINK)
  const response = await fetch(link, { redirect: 'manual' })
  assert.is(response.headers.get('location'), '/')
  assert.not(existsSync(file))
  assert.not.match(thinwire.out, link.slice(-40))
})

test('a link that was not used goes with the relay', async (place) => {
  const thinwire = await started(place)
  const file = join(place.folder, 'data', 'page-link')
  assert.ok(existsSync(file))
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  assert.equal(
    readdirSync(join(place.folder, 'data')).filter((name) => name.includes('page-link')),
    [],
  )
})

test('two demos have a page each, and a port that is taken is no reason to end', async (place) => {
  const taken = await occupy(4001)
  try {
    const one = await started(place, ['--first-key', 'show'])
    const two = await started(place, ['--first-key', 'show'])
    const [first, second] = [one, two].map(({ err }) => LINK.exec(err)?.[1])
    assert.ok(first !== undefined && second !== undefined)
    assert.is.not(first, second)
    assert.is.not(first, 'http://127.0.0.1:4001')
  } finally {
    taken?.close()
  }
})

test('a relay with providers has no page unless its config says so', async (place) => {
  const thinwire = await started(place, [], { OPENAI_API_KEY: 'sk-none' })
  assert.not.match(thinwire.err, '  Page ')
  assert.not(existsSync(join(place.folder, 'data', 'page-link')))
})

test('with a token in the config there is no link', async (place) => {
  configure(place, { admin: { listen: '127.0.0.1:0', token: { env: 'ADMIN_TOKEN' } } })
  const thinwire = await started(place, [], { OPENAI_API_KEY: 'sk-none', ADMIN_TOKEN: 'token-of-the-config' })
  assert.match(thinwire.err, /^ {2}Page {7}http:\/\/127\.0\.0\.1:\d+$/m)
  assert.not.match(thinwire.err + thinwire.out, 'token-of-the-config')
  assert.not(existsSync(join(place.folder, 'data', 'page-link')))
})

test('a public address without a token is refused by name', async (place) => {
  configure(place, { admin: { listen: '0.0.0.0:4001' } })
  const { code, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 2)
  assert.match(err, /admin\.token: is needed, as admin\.listen is at 0\.0\.0\.0/)
})

test('an address of the config that is taken is told of, and nothing runs', async (place) => {
  const taken = await occupy(0)
  const address = taken?.address()
  const port = typeof address === 'object' ? address?.port : 0
  try {
    for (const workers of [1, 2]) {
      configure(place, { workers, admin: { listen: `127.0.0.1:${port}` } })
      const thinwire = new Thinwire(place, ['start', '--listen', '127.0.0.1:0'], {
        OPENAI_API_KEY: 'sk-none',
      })
      assert.is(await thinwire.ended(), 1)
      assert.match(
        thinwire.err,
        `127.0.0.1:${port} is taken by another program; stop it, or choose another with admin.listen`,
      )
    }
  } finally {
    taken?.close()
  }
})

test('a folder that takes no link is told of', (place) => {
  const file = join(place.folder, 'thinwire.json')
  configure(place, {})
  const printer = {
    config: { keys: { file: join(file, 'keys.jsonl') } },
    printPageToken: () => 'abc',
  } as never
  const link = createPageLink(printer, { pageHost: '127.0.0.1', pagePort: 4001 }, 'file')
  assert.is(link?.link, null)
  assert.match(link?.problem ?? '', /^E[A-Z]+$/)
  assert.is(createPageLink(printer, { pageHost: null, pagePort: null }, 'file'), null)
})

test('the primary of several workers has the page of all', async (place) => {
  const { thinwire, last } = await streaming(place, { workers: 2, admin: { listen: '127.0.0.1:0' } })
  const link = readFileSync(join(place.folder, 'data', 'page-link'), 'utf8').trim()
  const { origin } = new URL(link)
  const cookie = (await fetch(link, { redirect: 'manual' })).headers.get('set-cookie')
  assert.is((await ask(origin, cookie, 'session')).workers, 2)
  const streams = await Promise.all(Array.from({ length: 6 }, () => openStream(place, thinwire)))
  const now = await readNow(origin, cookieOf(cookie))
  assert.is(now.openCount, 6)
  assert.is((now.open as unknown[]).length, 6)
  const holder = await signIn(origin, thinwire.key)
  assert.is((await readNow(origin, cookieOf(holder))).openCount, 6)
  last.open()
  for (const stream of streams) await stream.sees('data: last')
  let counted = 0
  const asking = setInterval(async () => {
    const { sum } = await ask(origin, cookie, 'totals?range=5m&by=upstream')
    counted = (sum as { counts: { requests: number } }).counts.requests
  }, 200)
  await until(() => counted >= 6, 'the sums of all workers').finally(() => clearInterval(asking))
  const targets = (await ask(origin, cookie, 'upstreams')).targets as { name: string; inFlight: number }[]
  assert.equal(
    targets.map(({ name }) => name),
    ['up'],
  )
  const order = { env: 'test', team: 'team9', user: 'user9' }
  const headers = { cookie: cookie ?? '', origin, 'content-type': 'application/json' }
  const issued = await fetch(`${origin}/api/keys`, { method: 'POST', headers, body: JSON.stringify(order) })
  assert.is(issued.status, 200)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
})

async function occupy(port: number): Promise<Server | null> {
  const server = createServer()
  return new Promise((resolve) => {
    // Somebody else has it: as good.
    server.once('error', () => resolve(null))
    server.listen({ host: '127.0.0.1', port }, () => resolve(server))
  })
}

async function ask(origin: string, setCookie: string | null, path: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${origin}/api/${path}`, { headers: { cookie: cookieOf(setCookie) } })
  return (await response.json()) as Record<string, unknown>
}

async function signIn(origin: string, secret: string): Promise<string | null> {
  const headers = { origin, 'content-type': 'application/json' }
  const response = await fetch(`${origin}/api/session`, {
    method: 'POST',
    headers,
    body: JSON.stringify({ secret }),
  })
  return response.headers.get('set-cookie')
}

function cookieOf(setCookie: string | null): string {
  return setCookie?.split(';', 1)[0] ?? ''
}

test.run()
