import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createSecureContext } from 'node:tls'
import type { TlsFiles } from '../config/listen.js'
import { readErrorCode } from '../lib/error-code.js'

/** A certificate and its private key, which fit each other. */
export interface ServerCertificate {
  /** PEM: the certificate of the relay, and those that lead to its authority. */
  readonly cert: string
  /** PEM. A secret. */
  readonly key: string
  /** A secret; undefined if the key is not encrypted. */
  readonly passphrase: string | undefined
  /** Unix time in milliseconds. */
  readonly expiresAt: number
}

/** The files of `listen.tls` cannot be used. The message never has their content. */
export class CertificateError extends Error {
  /** The setting that names the file. */
  readonly path: string
  /** What is wrong with it, and what to change. */
  readonly reason: string

  constructor(path: string, reason: string) {
    super(`${path}: ${reason}`)
    this.name = 'CertificateError'
    this.path = path
    this.reason = reason
  }
}

const CERT = 'listen.tls.cert'
const KEY = 'listen.tls.key'
const PASSPHRASE = 'listen.tls.passphrase'

const CERTIFICATES = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g
const ANY_KEY = /-----BEGIN (?:[A-Z]+ )?(?:ENCRYPTED )?PRIVATE KEY-----/

/**
 * Reads the certificate of the relay and its private key.
 * @param now unix time in milliseconds
 * @throws {CertificateError} if a file cannot be read, if they do not fit each other, or if clients would refuse them
 */
export function readCertificate(files: TlsFiles, now = Date.now()): ServerCertificate {
  const cert = readText(files.cert, CERT)
  const chain = readChain(cert, files.cert)
  const key = readText(files.key, KEY)
  const passphrase = files.passphrase ?? undefined
  const [own, ...authorities] = chain
  const privateKey = readKey(key, passphrase, files.key)
  if (!own.checkPrivateKey(privateKey)) {
    const isOrder = authorities.some((each) => each.checkPrivateKey(privateKey))
    throw isOrder
      ? new CertificateError(
          CERT,
          `the certificate of the private key has to be the first one in ${files.cert}`,
        )
      : new CertificateError(
          KEY,
          `the private key in ${files.key} is not that of the certificate in ${files.cert}`,
        )
  }
  const expiresAt = Date.parse(own.validTo)
  if (now >= expiresAt)
    throw new CertificateError(CERT, `the certificate in ${files.cert} expired at ${own.validTo}; renew it`)
  if (now < Date.parse(own.validFrom))
    throw new CertificateError(
      CERT,
      `the certificate in ${files.cert} is valid only from ${own.validFrom} on; is the clock of this machine right?`,
    )
  checkContext({ cert, key, passphrase }, files.cert)
  return { cert, key, passphrase, expiresAt }
}

function readText(file: string, path: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    const code = readErrorCode(error)
    const advice = code === 'EACCES' ? '; let the user that runs thinwire read it' : ''
    throw new CertificateError(path, `the file ${file} cannot be read (${code})${advice}`)
  }
}

function readChain(text: string, file: string): [X509Certificate, ...X509Certificate[]] {
  const found = text.match(CERTIFICATES) ?? []
  try {
    const [own, ...others] = found.map((each) => new X509Certificate(each))
    if (own !== undefined) return [own, ...others]
  } catch {
    throw new CertificateError(CERT, `the file ${file} has a certificate that cannot be read`)
  }
  const isKey = ANY_KEY.test(text) ? '; it has a private key: are cert and key exchanged?' : ''
  throw new CertificateError(
    CERT,
    `the file ${file} has no certificate in it (PEM, -----BEGIN CERTIFICATE-----)${isKey}`,
  )
}

function readKey(text: string, passphrase: string | undefined, file: string): KeyObject {
  if (!ANY_KEY.test(text))
    throw new CertificateError(
      KEY,
      `the file ${file} has no private key in it (PEM, -----BEGIN PRIVATE KEY-----)`,
    )
  try {
    return createPrivateKey({ key: text, ...(passphrase === undefined ? {} : { passphrase }) })
  } catch (error) {
    // Only the code: what the message of OpenSSL has in it differs by its version.
    const code = readErrorCode(error)
    if (!/ENCRYPTED/.test(text))
      throw new CertificateError(KEY, `the private key in ${file} cannot be read (${code})`)
    throw passphrase === undefined
      ? new CertificateError(
          KEY,
          `the private key in ${file} is encrypted; give its passphrase as ${PASSPHRASE}`,
        )
      : new CertificateError(PASSPHRASE, `the passphrase does not open the private key in ${file} (${code})`)
  }
}

/** Finds what OpenSSL refuses by its own rules, such as a key that is too short. */
function checkContext(parts: Pick<ServerCertificate, 'cert' | 'key' | 'passphrase'>, file: string): void {
  try {
    createSecureContext(parts)
  } catch (error) {
    throw new CertificateError(CERT, `OpenSSL refuses the certificate in ${file} (${readErrorCode(error)})`)
  }
}
