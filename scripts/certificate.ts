import { generateKeyPairSync, sign } from 'node:crypto'

/** A certificate and its key; PEM. Made again each time, so that none has to be kept here. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** An element of DER (X.690): tag, length, value. */
function element(tag: number, ...parts: Buffer[]): Buffer {
  const value = Buffer.concat(parts)
  const { length } = value
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff]
  return Buffer.concat([Buffer.from([tag, ...size]), value])
}

const SEQUENCE = 0x30
const oid = (hex: string): Buffer => element(0x06, Buffer.from(hex, 'hex'))

const ECDSA_WITH_SHA256 = element(SEQUENCE, oid('2a8648ce3d040302'))
const COMMON_NAME = oid('550403')
const SUBJECT_ALT_NAME = oid('551d11')
const BASIC_CONSTRAINTS = oid('551d13')
const TRUE = Buffer.from([0x01, 0x01, 0xff])

const AUTHORITY_INFO_ACCESS = oid('2b06010505070101')
const CA_ISSUERS = oid('2b06010505073002')

/** Whoever vouches for a certificate: its name, and its own certificate and key. */
export interface Authority extends Certificate {
  readonly name: string
}

export interface Issue {
  /** The name that it is for, and the only one. */
  readonly host: string
  /** Who vouches for it; itself, if nobody is given. */
  readonly by?: Authority
  /** The day of its end, as `YYMMDD`. */
  readonly until?: string
  /** Where its issuer's certificate can be had, as public authorities have it. */
  readonly issuerUrl?: string
}

/** A certificate that vouches for itself. @param host the name that it is for, and the only one */
export function selfSigned(host: string): Certificate {
  return issue({ host })
}

export function issue({ host, by, until = '491231', issuerUrl }: Issue): Certificate {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const validity = element(
    SEQUENCE,
    element(0x17, Buffer.from('250101000000Z')),
    element(0x17, Buffer.from(`${until}235959Z`)),
  )
  const names = element(SEQUENCE, element(0x82, Buffer.from(host)))
  const extensions = element(
    0xa3,
    element(
      SEQUENCE,
      element(SEQUENCE, BASIC_CONSTRAINTS, TRUE, element(0x04, element(SEQUENCE, TRUE))),
      element(SEQUENCE, SUBJECT_ALT_NAME, element(0x04, names)),
      ...(issuerUrl === undefined ? [] : [issuerAt(issuerUrl)]),
    ),
  )
  const unsigned = element(
    SEQUENCE,
    element(0xa0, element(0x02, Buffer.from([2]))),
    element(0x02, Buffer.from([1])),
    ECDSA_WITH_SHA256,
    nameOf(by?.name ?? host),
    validity,
    nameOf(host),
    publicKey.export({ type: 'spki', format: 'der' }),
    extensions,
  )
  const signature = element(0x03, Buffer.from([0]), sign('sha256', unsigned, by?.key ?? privateKey))
  const der = element(SEQUENCE, unsigned, ECDSA_WITH_SHA256, signature).toString('base64')
  const lines = der.match(/.{1,64}/g) ?? []
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`,
    key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

function nameOf(name: string): Buffer {
  const attribute = element(SEQUENCE, COMMON_NAME, element(0x0c, Buffer.from(name)))
  return element(SEQUENCE, element(0x31, attribute))
}

function issuerAt(url: string): Buffer {
  const access = element(SEQUENCE, CA_ISSUERS, element(0x86, Buffer.from(url)))
  return element(SEQUENCE, AUTHORITY_INFO_ACCESS, element(0x04, element(SEQUENCE, access)))
}
