import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { issue, selfSigned } from '../../scripts/certificate.js'
import { CertificateError, readCertificate } from '../../src/server/tls-certificate.js'

const own = selfSigned('localhost')
const other = selfSigned('other.example')
const old = issue({ host: 'localhost', until: '250201' })
const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const encrypted = privateKey.export({
  type: 'pkcs8',
  format: 'pem',
  cipher: 'aes-256-cbc',
  passphrase: 'open sesame',
}) as string

function read(cert: string | null, key: string | null, passphrase: string | null = null, now?: number) {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-tls-'))
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), passphrase }
  try {
    if (cert !== null) writeFileSync(files.cert, cert)
    if (key !== null) writeFileSync(files.key, key)
    return readCertificate(files, now)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

test('a certificate and its key are read, with the end of the certificate', () => {
  const { cert, key, expiresAt } = read(own.cert + other.cert, own.key)
  assert.is(cert, own.cert + other.cert)
  assert.is(key, own.key)
  assert.is(new Date(expiresAt).toISOString(), '2049-12-31T23:59:59.000Z')
})

const WRONG: ReadonlyArray<
  [what: string, given: [cert: string | null, key: string | null, passphrase?: string], expected: RegExp]
> = [
  [
    'no certificate file',
    [null, own.key],
    /^listen\.tls\.cert: the file .*cert\.pem cannot be read \(ENOENT\)$/,
  ],
  ['no key file', [own.cert, null], /^listen\.tls\.key: the file .*key\.pem cannot be read \(ENOENT\)$/],
  ['an empty certificate file', ['', own.key], /^listen\.tls\.cert: .*has no certificate in it \(PEM/],
  ['half a certificate', [own.cert.slice(0, 300), own.key], /^listen\.tls\.cert: .*has no certificate in it/],
  [
    'a certificate that is no DER',
    ['-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n', own.key],
    /^listen\.tls\.cert: .*has a certificate that cannot be read$/,
  ],
  ['files that are exchanged', [own.key, own.cert], /^listen\.tls\.cert: .*are cert and key exchanged\?$/],
  ['an empty key file', [own.cert, ''], /^listen\.tls\.key: .*has no private key in it \(PEM/],
  [
    'half a key',
    [own.cert, own.key.slice(0, 100)],
    /^listen\.tls\.key: the private key in .* cannot be read \(ERR_/,
  ],
  [
    'a key of another certificate',
    [own.cert, other.key],
    /^listen\.tls\.key: the private key in .* is not that of/,
  ],
  [
    'a chain in the wrong order',
    [other.cert + own.cert, own.key],
    /^listen\.tls\.cert: the certificate of the private key has to be the first one/,
  ],
  [
    'a certificate that has expired',
    [old.cert, old.key],
    /^listen\.tls\.cert: .* expired at Feb.*2025 GMT; renew it$/,
  ],
  [
    'a key that is encrypted',
    [own.cert, encrypted],
    /^listen\.tls\.key: .*is encrypted; give its passphrase as listen/,
  ],
  [
    'a wrong passphrase',
    [own.cert, encrypted, 'open'],
    /^listen\.tls\.passphrase: the passphrase does not open the private key/,
  ],
  [
    'an encrypted key of another certificate',
    [own.cert, encrypted, 'open sesame'],
    /^listen\.tls\.key: .*is not that of/,
  ],
]

for (const [what, given, expected] of WRONG)
  test(`${what} is an error that names the setting, and nothing of the files`, () => {
    try {
      read(...given)
    } catch (error) {
      assert.instance(error, CertificateError)
      const { message } = error as CertificateError
      assert.match(message, expected)
      for (const text of [own.key, encrypted])
        for (const line of text.split('\n').slice(1, -2)) assert.not(message.includes(line))
      assert.not(message.includes('open sesame'))
      return
    }
    assert.unreachable('it was read')
  })

test('a certificate that is not valid yet is an error that asks for the clock', () => {
  assert.throws(
    () => read(own.cert, own.key, null, Date.parse('2024-01-01')),
    /listen\.tls\.cert: .*is valid only from Jan.*2025 GMT on; is the clock of this machine right\?/,
  )
})

test.run()
