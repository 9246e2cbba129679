import { writeFileSync } from 'node:fs'
import { get } from 'node:https'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { selfSigned } from '../../scripts/certificate.js'
import { configure } from '../support/start.js'
import { clear, open, type Place, run, started } from '../support/thinwire.js'

const test = suite<Place>('start with TLS')
test.before.each(open)
test.after.each(clear)

const own = selfSigned('localhost')

/** @param key of the certificate, or another one */
function place(here: Place, key = own.key): void {
  writeFileSync(join(here.folder, 'cert.pem'), own.cert)
  writeFileSync(join(here.folder, 'key.pem'), key)
  configure(here, { listen: { tls: { cert: 'cert.pem', key: 'key.pem' } } })
}

/** @returns the status of a request, by a client that trusts the certificate alone */
function statusOf(port: number): Promise<number | undefined> {
  const options = { host: '127.0.0.1', port, path: '/healthz', ca: own.cert, servername: 'localhost' }
  return new Promise((resolve, reject) => {
    get(options, (res) => resolve(res.resume().statusCode)).once('error', reject)
  })
}

test('the banner shows https, and --listen replaces the address alone', async (here) => {
  place(here)
  const thinwire = await started(here)
  assert.match(thinwire.url, /^https:\/\/127\.0\.0\.1:\d+$/)
  assert.is(await statusOf(thinwire.port), 200)
})

test('SIGHUP takes a new certificate, and a bad one is named in one line', async (here) => {
  place(here)
  const thinwire = await started(here)
  place(here, selfSigned('other.example').key)
  thinwire.child.kill('SIGHUP')
  await thinwire.logs('the certificate files are not used')
  assert.is(await statusOf(thinwire.port), 200)
  assert.is(thinwire.out.split('the certificate files are not used').length, 2)
})

test('config check finds a key of another certificate, and needs no files without secrets', async (here) => {
  place(here, selfSigned('other.example').key)
  const checked = await run(here, ['config', 'check', '--json'])
  assert.is(checked.code, 1)
  assert.is(JSON.parse(checked.out).problems[0].path, 'listen.tls.key')
  configure(here, { listen: { tls: { cert: 'none.pem', key: 'none.pem' } } })
  assert.is((await run(here, ['config', 'check', '--without-secrets'])).code, 0)
})

test.run()
