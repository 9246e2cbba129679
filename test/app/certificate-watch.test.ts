import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Certificate, issue, selfSigned } from '../../scripts/certificate.js'
import { CertificateWatch } from '../../src/app/certificate-watch.js'
import { readCertificate, type ServerCertificate } from '../../src/server/tls-certificate.js'
import { until, wait } from '../support/until.js'

const POLL_MS = 10
const DAY_MS = 24 * 60 * 60 * 1000

interface Scene {
  readonly watch: CertificateWatch
  readonly used: ServerCertificate[]
  /** Level and text of each line. */
  readonly lines: string[]
  readonly write: (part: keyof Certificate, text: string) => void
  readonly files: Readonly<Record<keyof Certificate, string>>
}

/** @param pollMs time between two looks at the files; a day: only `reload` reads them */
async function withWatch(
  act: (scene: Scene) => Promise<void> | void,
  first = selfSigned('a.example'),
  pollMs = POLL_MS,
) {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-tls-'))
  const files = { cert: join(folder, 'cert.pem'), key: join(folder, 'key.pem'), passphrase: null }
  const write: Scene['write'] = (part, text) => writeFileSync(files[part], text)
  write('cert', first.cert)
  write('key', first.key)
  const lines: string[] = []
  const add = (level: string) => (_: object, text: string) => void lines.push(`${level} ${text}`)
  const log = { info: add('info'), warn: add('warn'), error: add('error') }
  const used: ServerCertificate[] = []
  const use = (next: ServerCertificate): void => void used.push(next)
  const watch = new CertificateWatch(files, readCertificate(files), Date.now(), use, log, pollMs)
  try {
    await act({ watch, used, lines, write, files })
  } finally {
    watch.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

test('files that change are used, and the log says until when', () =>
  withWatch(async ({ used, lines, write }) => {
    const next = selfSigned('b.example')
    write('cert', next.cert)
    write('key', next.key)
    await until(() => used.length > 0, 'the new certificate')
    assert.is(used[0]?.cert, next.cert)
    assert.equal(lines, [
      'info the certificate was read again and is in use now; it expires at 2049-12-31T23:59:59.000Z',
    ])
  }))

test('a certificate that is written before its key is used when both are there, without a complaint', () =>
  withWatch(
    ({ watch, used, lines, write }) => {
      const next = selfSigned('b.example')
      write('cert', next.cert)
      write('key', next.key)
      watch.reload()
      assert.is(used.length, 1)
      assert.is(lines.length, 1)
    },
    undefined,
    DAY_MS,
  ))

for (const [what, cert, key] of [
  ['half a certificate', selfSigned('b.example').cert.slice(0, 200), null],
  ['a key of another certificate', null, selfSigned('b.example').key],
  ['an empty key', null, ''],
] as const)
  test(`${what} changes nothing, and the log says it once`, () =>
    withWatch(async ({ watch, used, lines, write }) => {
      if (cert !== null) write('cert', cert)
      if (key !== null) write('key', key)
      await until(() => lines.length > 0, 'the line')
      assert.is(lines.length, 1)
      assert.match(
        lines[0] ?? '',
        /^error the certificate files are not used, the relay keeps its certificate until 2049/,
      )
      assert.is(used.length, 0)
      assert.is(new Date(watch.expiresAt).getUTCFullYear(), 2049)
      // What is right again is used.
      const next = selfSigned('c.example')
      write('cert', next.cert)
      write('key', next.key)
      await until(() => used.length > 0, 'the new certificate')
      assert.is(used[0]?.cert, next.cert)
    }))

test('files that get right without a change are used: a certificate that becomes valid', () =>
  withWatch(async ({ used, lines, write }) => {
    const now = Date.now
    const next = selfSigned('b.example')
    try {
      Date.now = () => Date.parse('2024-06-01')
      write('cert', next.cert)
      write('key', next.key)
      await until(() => lines.length > 0, 'the line')
      assert.match(
        lines[0] ?? '',
        /is valid only from Jan.*2025 GMT on; is the clock of this machine right\?$/,
      )
    } finally {
      Date.now = now
    }
    await until(() => used.length > 0, 'the new certificate')
    assert.is(used[0]?.cert, next.cert)
  }))

test('files that are written in place with the time, the size and the number of the old ones are used', () => {
  const pad = ({ cert, key }: Certificate): Certificate => ({ cert: cert.padEnd(1500, '\n'), key })
  const first = pad(selfSigned('a.example'))
  return withWatch(async ({ used, write, files }) => {
    const next = pad(selfSigned('b.example'))
    const { mtime, size } = statSync(files.cert)
    for (const part of ['cert', 'key'] as const) {
      const before = statSync(files[part])
      write(part, next[part])
      utimesSync(files[part], before.atime, before.mtime)
    }
    assert.equal([statSync(files.cert).mtime, statSync(files.cert).size], [mtime, size])
    await until(() => used.length > 0, 'the new certificate')
    assert.is(used[0]?.cert, next.cert)
  }, first)
})

test('files that are removed are told of once, and again when they were back', () =>
  withWatch(async ({ watch, used, lines, write, files }) => {
    const text = readFileSync(files.key, 'utf8')
    for (const count of [1, 2]) {
      rmSync(files.key)
      await until(() => lines.length === count, 'the line')
      assert.match(lines[count - 1] ?? '', /listen\.tls\.key: the file .*key\.pem cannot be read \(ENOENT\)$/)
      await wait(20 * POLL_MS)
      write('key', text)
      watch.reload()
      assert.is(lines.length, count)
    }
    assert.is(used.length, 0)
  }))

test('a folder of both files that is exchanged by its link is used, as platforms mount secrets', () =>
  withWatch(async ({ used, lines, files }) => {
    const folder = files.cert.slice(0, -'/cert.pem'.length)
    const put = (name: string, { cert, key }: Certificate): void => {
      mkdirSync(join(folder, name))
      writeFileSync(join(folder, name, 'cert.pem'), cert)
      writeFileSync(join(folder, name, 'key.pem'), key)
      symlinkSync(name, join(folder, '..data.next'))
      renameSync(join(folder, '..data.next'), join(folder, '..data'))
    }
    put('..1', { cert: readFileSync(files.cert, 'utf8'), key: readFileSync(files.key, 'utf8') })
    for (const part of ['cert', 'key'] as const) {
      symlinkSync(`..data/${part}.pem`, `${files[part]}.link`)
      renameSync(`${files[part]}.link`, files[part])
    }
    const next = selfSigned('b.example')
    put('..2', next)
    rmSync(join(folder, '..1'), { recursive: true })
    await until(() => used.length > 0, 'the new certificate')
    assert.is(used[0]?.cert, next.cert)
    assert.is(lines.filter((line) => line.startsWith('error')).length, 0)
  }))

test('a reload of files that have not changed says nothing', () =>
  withWatch(({ watch, used, lines }) => {
    watch.reload()
    assert.is(used.length, 0)
    assert.equal(lines, [])
  }))

test('the end of the certificate is warned of from 14 days before on, once a day', () =>
  withWatch(({ watch, lines }) => {
    const at = (days: number): number => watch.expiresAt - days * DAY_MS
    watch.checkExpiry(at(15))
    assert.equal(lines, [])
    for (const days of [13.9, 13.8, 13]) watch.checkExpiry(at(days))
    assert.is(lines.length, 1)
    watch.checkExpiry(at(12.8))
    assert.is(lines.length, 2)
    watch.checkExpiry(at(-1))
    assert.match(
      lines[1] ?? '',
      /^warn the certificate in .*cert\.pem expires at 2049-12-31.*: renew it, a restart is not/,
    )
    assert.match(lines[2] ?? '', /^warn the certificate in .*cert\.pem expired at 2049-12-31/)
  }))

test('a certificate that expires soon is warned of at the start', () => {
  const soon = new Date(Date.now() + 3 * DAY_MS).toISOString().slice(2, 10).replaceAll('-', '')
  return withWatch(
    ({ lines }) => {
      assert.match(lines[0] ?? '', /^warn the certificate in .* expires at /)
    },
    issue({ host: 'localhost', until: soon }),
  )
})

test.run()
