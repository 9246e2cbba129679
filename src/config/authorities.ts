import { X509Certificate } from 'node:crypto'
import type { Secrets } from './secrets.js'

/**
 * Reads the certificate authorities to trust.
 * @param file PEM
 * @param path of the entry
 * @returns null if there is a problem with it
 */
export function readAuthorities(file: string, path: string, secrets: Secrets): string | null {
  const where = `${path}.tls.caFile`
  const text = secrets.readFile(file, where)
  if (text === undefined) return null
  const certificates = text.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g)
  if (certificates === null) {
    secrets.report(where, `the file ${file} has no certificate in it (PEM, -----BEGIN CERTIFICATE-----)`)
    return null
  }
  try {
    // tls.connect skips a certificate that it cannot read without an error, and then refuses every server.
    for (const certificate of certificates) new X509Certificate(certificate)
  } catch {
    secrets.report(where, `the file ${file} has a certificate that cannot be read`)
    return null
  }
  return certificates.join('\n')
}
