import { isIP } from 'node:net'
import { checkServerIdentity, connect, type DetailedPeerCertificate } from 'node:tls'
import { fail, pass, type Seen, warn } from './finding.js'
import { FRONT_NAMES } from './front.js'
import { describeError } from './http-request.js'
import { cleanText } from './quote.js'
import type { Check, Visit } from './visit.js'

const HANDSHAKE_MS = 4_000
const DAY_MS = 24 * 60 * 60 * 1000

/** Automatic renewal happens with a third of the time left. Less than this share means that it does not work. */
const RENEWAL_OVERDUE = 1 / 6

interface Handshake {
  readonly protocol: string
  readonly certificate: DetailedPeerCertificate
  /** Node's error code for the chain; null if it is valid. */
  readonly flaw: string | null
}

/** The TLS handshake and the certificate, for a client that trusts only the well-known authorities. */
export const TLS: Check = {
  name: 'tls',
  needs: ['address', 'connection'],
  skipReason: ({ base }) => (base.secure ? null : 'the URL has http'),
  tried: () => 'TLS and its certificate',
  async run(visit) {
    const shaken = await shake(visit)
    if (typeof shaken === 'string') {
      visit.missing.set('connection', 'there is no TLS')
      return fail(`no handshake (${shaken})`, adviceFor(shaken, visit))
    }
    const seen = judge(visit, shaken)
    if (seen.outcome !== 'failed') return seen
    visit.trusted = false
    // With a wrong certificate a third party on the network could read the key. A loopback connection has no network.
    if (visit.reach !== 'loopback') {
      visit.missing.set('trust', 'the key is not sent to a server with a wrong certificate')
      return seen
    }
    return { ...seen, outcome: 'warning' }
  },
}

/** @returns the error's code if there is no handshake */
function shake({ base, roots }: Visit): Promise<Handshake | string> {
  const { host, port } = base
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      ca: [...roots],
      // The certificate is checked below. No key goes over this connection.
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      ...(isIP(host) === 0 ? { servername: host } : {}),
    })
    const finish = (shaken: Handshake | string): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(shaken)
    }
    const timer = setTimeout(() => finish('ETIMEDOUT'), HANDSHAKE_MS)
    socket.on('error', (error) => finish(describeError(error)))
    socket.on('end', () => finish('closed'))
    socket.on('secureConnect', () => {
      const certificate = socket.getPeerCertificate(true)
      // Its type says Error, but it is a code.
      const authorizationError = socket.authorizationError as Error | string | null | undefined
      const code =
        authorizationError instanceof Error ? describeError(authorizationError) : (authorizationError ?? null)
      const misnamed = checkServerIdentity(host, certificate)
      const flaw = code === null && misnamed !== undefined ? describeError(misnamed) : code
      finish({ protocol: socket.getProtocol() ?? 'TLS', certificate, flaw })
    })
  })
}

function adviceFor(code: string, visit: Visit): string {
  const { base } = visit
  if (/WRONG_VERSION|EPROTO|PACKET_LENGTH|HTTP_REQUEST/.test(code) && !/VERSION_TOO|ALERT/.test(code)) {
    return `port ${base.port} does not speak TLS: enter http://, or switch TLS on (nginx: listen ${base.port} ssl;)`
  }
  if (/UNSUPPORTED_PROTOCOL|PROTOCOL_VERSION|VERSION_TOO/.test(code)) {
    return 'allow TLS 1.2 and 1.3 (nginx: ssl_protocols TLSv1.2 TLSv1.3;)'
  }
  return `see the proxy's log: it has no certificate for ${base.host}, or refuses the name`
}

function judge(visit: Visit, { protocol, certificate, flaw }: Handshake): Seen {
  const { host } = visit.base
  const issuer = cleanText(
    pickFirst(certificate.issuer?.O) || pickFirst(certificate.issuer?.CN) || 'nobody',
    '',
  )
  const until = Date.parse(certificate.valid_to)
  const day = Number.isNaN(until) ? 'an unknown day' : new Date(until).toISOString().slice(0, 10)
  const renewal =
    visit.front === null || visit.front === 'nginx'
      ? 'renew it, and reload the proxy (certbot renew; nginx -s reload); Caddy renews by itself'
      : `see the log of ${FRONT_NAMES[visit.front]} why it was not renewed`
  switch (flaw) {
    case null: {
      const life = until - Date.parse(certificate.valid_from)
      const left = until - Date.now()
      const good = `${protocol}, certificate of ${issuer} until ${day}`
      return left > Math.min(life * RENEWAL_OVERDUE, 14 * DAY_MS)
        ? pass(good)
        : warn(`${good}, which is soon`, renewal)
    }
    case 'CERT_HAS_EXPIRED':
      return fail(`the certificate has expired on ${day}`, renewal)
    case 'CERT_NOT_YET_VALID':
      return fail(
        'the certificate is not valid yet',
        "set the clock of the machine that issued it, or this machine's",
      )
    case 'ERR_TLS_CERT_ALTNAME_INVALID': {
      const names = cleanText((certificate.subjectaltname ?? '').replaceAll(/DNS:|IP Address:/g, ''), '')
      return fail(`the certificate is for ${names || 'no name'}`, `get a certificate for ${host}`)
    }
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
      return fail('the certificate is self-signed, so no client trusts it', describeIssuance(host))
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
    case 'UNABLE_TO_GET_ISSUER_CERT':
      // Public authorities name the next certificate of the chain in each certificate; private ones rarely do.
      return certificate.infoAccess?.['CA Issuers - URI'] !== undefined
        ? fail(
            `the intermediate certificate is missing: the server does not send that of ${issuer}`,
            'nginx: ssl_certificate with the whole chain (fullchain.pem), not cert.pem alone',
          )
        : fail(
            `the certificate is from ${issuer}, a private authority that Cursor does not trust`,
            describeIssuance(host),
          )
    case 'SELF_SIGNED_CERT_IN_CHAIN':
      return fail(
        `the certificate is from ${issuer}, a private authority that Cursor does not trust`,
        describeIssuance(host),
      )
    default:
      return fail(`the certificate is refused (${flaw})`, describeIssuance(host))
  }
}

function describeIssuance(host: string): string {
  return `get a certificate of a public authority for ${host}: Caddy does it itself, certbot for nginx`
}

/** A field may be in a certificate more than once. */
function pickFirst(name: string | string[] | undefined): string {
  return Array.isArray(name) ? (name[0] ?? '') : (name ?? '')
}
