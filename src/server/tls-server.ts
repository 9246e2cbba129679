import type { ServerOptions } from 'node:http'
import { createServer, type Server as HttpsServer } from 'node:https'
import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { readErrorCode } from '../lib/error-code.js'
import { ignore } from '../lib/ignore.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import { tcpSocketOf } from '../lib/tls-parent.js'
import type { Log } from '../observe/log.js'
import type { ClientRequest } from '../relay/client-request.js'
import { discardInput } from '../relay/discard-input.js'
import type { Refusals } from './refusals.js'
import type { ServerCertificate } from './tls-certificate.js'

/** Milliseconds that a client which sent plain HTTP has to read the response. */
const LINGER_MS = 2_000

/** What a client gets that speaks HTTP without TLS. There is no request whose format of errors could be followed. */
const PLAIN_HTTP = 'This port speaks HTTPS: begin the URL with https://\n'
const PLAIN_RESPONSE = `HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${PLAIN_HTTP.length}\r\n\r\n${PLAIN_HTTP}`

/**
 * What OpenSSL has for bytes that are no TLS: it knows GET, HEAD, POST, PUT and CONNECT by their letters, and takes
 * other methods for records of a version that there is none of.
 */
const NOT_TLS: ReadonlyMap<string, string> = new Map([
  ['ERR_SSL_HTTP_REQUEST', 'refused: plain HTTP was sent to the HTTPS port'],
  ['ERR_SSL_HTTPS_PROXY_REQUEST', 'refused: plain HTTP was sent to the HTTPS port'],
  ['ERR_SSL_WRONG_VERSION_NUMBER', 'refused: no TLS was sent to the HTTPS port, perhaps plain HTTP'],
])

/** A client that leaves within the handshake, such as the TCP check of a balancer: worth no line. */
const LEFT: ReadonlySet<string> = new Set(['ECONNRESET', 'EPIPE'])

/** Reports about connections without a TLS handshake. */
export interface HandshakeReports {
  readonly refusals: Pick<Refusals, 'isWorthALine'>
  readonly bounds: BoundCounters
  readonly log: Pick<Log, 'info'>
}

/**
 * Node's HTTPS server, and its connections that have not come to the end of their TLS handshake: the HTTP server below
 * it neither counts nor closes them. A handshake takes `timeouts.headersMs` at most.
 */
export class TlsServer {
  readonly http: HttpsServer<typeof ClientRequest>
  /** Connections in their handshake. */
  private readonly handshakes: Set<Socket>
  private readonly reports: HandshakeReports

  constructor(
    options: ServerOptions<typeof ClientRequest>,
    certificate: ServerCertificate,
    { headersMs, bufferBytes }: { readonly headersMs: number; readonly bufferBytes: number },
    reports: HandshakeReports,
  ) {
    this.handshakes = new Set()
    this.reports = reports
    this.http = createServer({
      ...options,
      handshakeTimeout: headersMs,
      ALPNProtocols: ['http/1.1'],
    })
    this.use(certificate)
    // Node's own listener would hand these errors to `clientError`, as if there were a request.
    this.http.removeAllListeners('tlsClientError')
    this.http.on('tlsClientError', (error, socket) => this.onFailed(error, tcpSocketOf(socket)))
    this.http.on('secureConnection', (socket) => this.onSecure(socket, bufferBytes))
  }

  /** New connections get this certificate from now on. */
  use({ cert, key, passphrase }: ServerCertificate): void {
    this.http.setSecureContext({ cert, key, ...(passphrase === undefined ? {} : { passphrase }) })
  }

  /** Called for each connection before its handshake. */
  begin(tcp: Socket): void {
    this.handshakes.add(tcp)
    tcp.once('close', () => this.handshakes.delete(tcp))
  }

  /** Closes the connections that are in their handshake. */
  closeHandshakes(): void {
    for (const tcp of this.handshakes) tcp.destroy()
  }

  private onSecure(socket: TLSSocket, bufferBytes: number): void {
    this.handshakes.delete(tcpSocketOf(socket))
    // As Node's HTTP server has it for plain connections: the relay decides what a client that closes its half gets.
    // Within a handshake there is nothing to decide.
    socket.allowHalfOpen = true
    // Node gives the buffer size of the options to plain connections alone.
    const { _writableState: state } = socket as { _writableState?: { highWaterMark: number } }
    if (state !== undefined) state.highWaterMark = bufferBytes
  }

  private onFailed(error: Error, tcp: Socket): void {
    const code = readErrorCode(error)
    const { refusals, bounds, log } = this.reports
    const address = tcp.remoteAddress
    if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT') bounds.hit('headersMs')
    if (!LEFT.has(code) && refusals.isWorthALine(address))
      log.info({ end: 'refused', cause: code, address: address ?? null }, describeFailure(code))
    if (NOT_TLS.has(code)) answerPlainHttp(tcp)
    else tcp.destroy()
  }
}

function describeFailure(code: string): string {
  if (code === 'ERR_TLS_HANDSHAKE_TIMEOUT')
    return 'refused: the TLS handshake took longer than timeouts.headersMs'
  return NOT_TLS.get(code) ?? `refused: the TLS handshake failed (${code})`
}

/** OpenSSL has read what the client sent, and has given the connection up. */
function answerPlainHttp(tcp: Socket): void {
  tcp.on('error', ignore)
  tcp.end(PLAIN_RESPONSE)
  discardInput(tcp)
  const timer = setTimeout(() => tcp.destroy(), LINGER_MS).unref()
  tcp.once('close', () => clearTimeout(timer))
}
