import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Authority, type Certificate, issue, selfSigned } from '../../scripts/certificate.js'
import { KEY, KEY_CHECK, WRONG_KEY } from '../../src/doctor/api.js'
import { TLS } from '../../src/doctor/certificate.js'
import { CONNECT } from '../../src/doctor/connection.js'
import { BODY_SIZES } from '../../src/doctor/size.js'
import { createStreamChecks } from '../../src/doctor/streaming.js'
import { FaultyFront } from '../support/front.js'
import { createVisit } from '../support/visit.js'
import {
  behind,
  clearWard,
  closeWard,
  faulty,
  finder,
  look,
  NO_KEY,
  openWard,
  type Ward,
} from '../support/ward.js'

const test = suite<Ward>('doctor: certificates')

test.before(openWard)
test.after.each(clearWard)
test.after(closeWard)

const LOCAL = 'localhost'
const root: Authority = { ...selfSigned('Root of Test'), name: 'Root of Test' }
const middle: Authority = { ...issue({ host: 'Middle of Test', by: root }), name: 'Middle of Test' }

async function tls(ward: Ward, certificate: Certificate): Promise<string> {
  const { find } = await behind(ward, { certificate }, { roots: [root.cert], ...NO_KEY })
  return find('tls')
}

test('a valid certificate passes, and the problem of an invalid one is named', async (ward) => {
  const good = issue({ host: LOCAL, by: root })
  const { code, find, out } = await behind(ward, { certificate: good }, { roots: [root.cert] })
  assert.is(code, 0)
  assert.match(find('tls'), /^ok: TLSv1\.3, certificate of Root of Test until 2049-12-31/)
  assert.equal(faulty(out), [])

  const leaf = issue({ host: LOCAL, by: middle, issuerUrl: 'http://ca.example/middle.crt' })
  assert.match(await tls(ward, leaf), /intermediate certificate is missing.* Middle of Test .*fullchain\.pem/)
  assert.match(await tls(ward, { ...leaf, cert: leaf.cert + middle.cert }), /^ok/)
  const expired = issue({ host: LOCAL, by: root, until: '250201' })
  assert.match(await tls(ward, expired), /has expired on 2025-02-01 > renew it.*certbot renew/)
  assert.match(await tls(ward, selfSigned(LOCAL)), /self-signed/)
  assert.match(
    await tls(ward, issue({ host: 'other.example', by: root })),
    /is for other\.example > get a certificate for localhost/,
  )
  const stranger: Authority = { ...selfSigned('Stranger'), name: 'Stranger' }
  assert.match(
    await tls(ward, issue({ host: LOCAL, by: stranger })),
    /is from Stranger, a private authority that Cursor does not trust/,
  )
})

test('https to a server without TLS fails', async (ward) => {
  const { code, out } = await look([`https://127.0.0.1:${ward.relay.port}/v1`, '--json', '--key', 'k'])
  const find = finder(out)
  assert.is(code, 1)
  assert.match(find('tls'), /^failed: no handshake .*does not speak TLS: enter http:\/\//)
  assert.match(find('relay'), /^skipped: there is no TLS/)
})

test('the key is sent neither unencrypted over the internet nor to a server with a wrong certificate', async (ward) => {
  const front = await FaultyFront.start(ward.relay.port, { certificate: selfSigned(LOCAL) })
  ward.fronts.push(front)
  for (const url of [
    `https://localhost:${front.port}/v1`,
    `${ward.relay.url.replace('127.0.0.1', 'localhost')}`,
  ]) {
    const visit = createVisit(url, { timeoutMs: 5_000 })
    const isSecure = url.startsWith('https:')
    // As if it were a name of the internet, of which there are none in a test.
    visit.reach = 'public'
    visit.addresses = ['127.0.0.1']
    await CONNECT.run(visit)
    if (isSecure) await TLS.run(visit)
    assert.match(visit.missing.get('trust') ?? '', isSecure ? /certificate/ : /unencrypted/)
    const needy = [KEY, WRONG_KEY, KEY_CHECK, ...createStreamChecks(visit), ...BODY_SIZES]
    assert.ok(needy.every(({ needs }) => needs.includes('trust')))
  }
})

test.run()
