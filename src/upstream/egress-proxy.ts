import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import type { ProxyConfig } from '../config/proxy.js'
import { EMPTY } from '../lib/bytes.js'
import { ignore } from '../lib/ignore.js'
import { AddressMemory } from './address-memory.js'
import { createDirectConnector } from './direct-connector.js'
import { parseEndpoint } from './url.js'

/** Longest response head of a proxy, in bytes. */
const HEAD_MAX_BYTES = 16 * 1024

/** A tunnel through a proxy failed. The message contains neither the proxy's credentials nor anything that it sent. */
export class ProxyError extends Error {
  /** `PROXY_` and the status; `PROXY_INVALID` for a response that is no HTTP; `PROXY_CLOSED`; or undici's timeout. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'ProxyError'
    this.code = code
  }
}

/**
 * Opens connections through an HTTP proxy with CONNECT (RFC 9110, 9.3.6). Plain HTTP upstreams are reached in the same
 * way, so that the layers above need not know of a proxy.
 */
export class ProxyTunnels {
  private readonly proxy: ProxyConfig
  private readonly url: URL
  private readonly connect: buildConnector.connector
  private readonly connectMs: number

  /** @param connectMs timeout in milliseconds, once for the connection to the proxy and once for its response */
  constructor(proxy: ProxyConfig, connectMs: number) {
    this.proxy = proxy
    this.url = new URL(proxy.origin)
    this.connectMs = connectMs
    const options = {
      timeout: connectMs,
      allowH2: false,
      autoSelectFamilyAttemptTimeout: 1_000,
      keepAliveInitialDelay: 30_000,
      rejectUnauthorized: true,
    } as buildConnector.BuildOptions
    this.connect = createDirectConnector(options, new AddressMemory())
  }

  /**
   * @param authority `host:port` of the upstream
   * @param callback called once, with the connection or with an error
   */
  open(authority: string, callback: (error: Error | null, socket: Socket | null) => void): void {
    this.connect(parseEndpoint(this.url), (error, socket) => {
      if (error !== null || socket === null) callback(error ?? new Error('no connection'), null)
      else this.establish(socket, authority, callback)
    })
  }

  private establish(
    socket: Socket,
    authority: string,
    callback: (error: Error | null, socket: Socket | null) => void,
  ): void {
    let head = EMPTY
    const finish = (error: Error | null): void => {
      clearTimeout(timer)
      socket.removeListener('readable', onReadable)
      socket.removeListener('error', finish)
      socket.removeListener('end', onEnd)
      if (error === null) {
        callback(null, socket)
        return
      }
      // An error that comes later has no listener otherwise, and would end the process.
      socket.on('error', ignore).destroy()
      callback(error, null)
    }
    const onEnd = (): void => finish(new ProxyError('PROXY_CLOSED', 'the proxy closed the connection'))
    const onReadable = (): void => {
      for (let chunk: Buffer | null = socket.read(); chunk !== null; chunk = socket.read()) {
        head = Buffer.concat([head, chunk])
      }
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) {
        if (head.length > HEAD_MAX_BYTES)
          finish(new ProxyError('PROXY_INVALID', 'the proxy sent no HTTP response'))
        return
      }
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.toString('latin1', 0, 12))?.[1]
      if (status === undefined) finish(new ProxyError('PROXY_INVALID', 'the proxy sent no HTTP response'))
      else if (!status.startsWith('2'))
        finish(new ProxyError(`PROXY_${status}`, `the proxy responded with status ${status}`))
      else {
        // No upstream is known to speak first, but bytes behind the head are the upstream's.
        if (head.length > end + 4) socket.unshift(head.subarray(end + 4))
        finish(null)
      }
    }
    const timer = setTimeout(() => {
      finish(new ProxyError('UND_ERR_CONNECT_TIMEOUT', 'the proxy did not respond in time'))
    }, this.connectMs)
    socket.on('readable', onReadable).once('error', finish).once('end', onEnd)
    const { authorization } = this.proxy
    const credentials = authorization === null ? '' : `proxy-authorization: ${authorization}\r\n`
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${credentials}\r\n`)
  }
}
