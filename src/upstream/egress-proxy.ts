import type { Socket } from 'node:net'
import { buildConnector } from 'undici'
import type { ProxyConfig } from '../config/proxy.js'
import { EMPTY } from '../lib/bytes.js'
import { ignore } from '../lib/ignore.js'
import { parseEndpoint } from './url.js'

/** A proxy that says more than this before the tunnel stands is none. */
const HEAD_BYTES = 16 * 1024

/** A tunnel through a proxy failed. Its message has neither the proxy's credentials nor what it sent. */
export class ProxyError extends Error {
  /** `PROXY_407` and the like, or `PROXY_INVALID` for what is no answer. */
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.name = 'ProxyError'
    this.code = code
  }
}

/**
 * Opens connections through an HTTP proxy: CONNECT (RFC 9110, 9.3.6), for plain HTTP upstreams, too, so that what is on top
 * is the same in any case.
 */
export class ProxyTunnels {
  private readonly proxy: ProxyConfig
  private readonly url: URL
  private readonly connect: buildConnector.connector
  private readonly connectMs: number

  /** @param connectMs until the tunnel stands */
  constructor(proxy: ProxyConfig, connectMs: number) {
    this.proxy = proxy
    this.url = new URL(proxy.origin)
    this.connectMs = connectMs
    this.connect = buildConnector({
      timeout: connectMs,
      allowH2: false,
      autoSelectFamilyAttemptTimeout: 1_000,
      keepAliveInitialDelay: 30_000,
      rejectUnauthorized: true,
    } as buildConnector.BuildOptions)
  }

  /**
   * @param authority `host:port` of the upstream
   * @param callback called once, with the connection or why there is none
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
      socket.removeListener('readable', read)
      socket.removeListener('error', finish)
      socket.removeListener('end', cut)
      if (error === null) {
        callback(null, socket)
        return
      }
      // It may have more to say.
      socket.on('error', ignore).destroy()
      callback(error, null)
    }
    const cut = (): void => finish(new ProxyError('PROXY_CLOSED', 'the proxy closed the connection'))
    const read = (): void => {
      for (let piece: Buffer | null = socket.read(); piece !== null; piece = socket.read()) {
        head = Buffer.concat([head, piece])
      }
      const end = head.indexOf('\r\n\r\n')
      if (end === -1) {
        if (head.length > HEAD_BYTES) finish(new ProxyError('PROXY_INVALID', 'the proxy sent no HTTP answer'))
        return
      }
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(head.toString('latin1', 0, 12))?.[1]
      if (status === undefined) finish(new ProxyError('PROXY_INVALID', 'the proxy sent no HTTP answer'))
      else if (!status.startsWith('2'))
        finish(new ProxyError(`PROXY_${status}`, `the proxy answered ${status}`))
      else {
        // Nobody speaks before he is asked, but what there is belongs to the upstream.
        if (head.length > end + 4) socket.unshift(head.subarray(end + 4))
        finish(null)
      }
    }
    const timer = setTimeout(() => {
      finish(new ProxyError('UND_ERR_CONNECT_TIMEOUT', 'the proxy took too long'))
    }, this.connectMs)
    socket.on('readable', read).once('error', finish).once('end', cut)
    const { authorization } = this.proxy
    const credentials = authorization === null ? '' : `proxy-authorization: ${authorization}\r\n`
    socket.write(`CONNECT ${authority} HTTP/1.1\r\nhost: ${authority}\r\n${credentials}\r\n`)
  }
}
