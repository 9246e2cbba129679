import type { IncomingMessage } from 'node:http'

/** A WebSocket handshake (RFC 6455, 4.2.1). Any other upgrade offer is ignored. */
export function isHandshake(req: IncomingMessage): boolean {
  return req.method === 'GET' && req.headers.upgrade?.toLowerCase() === 'websocket'
}

/** Formats the head of a request without its upgrade offer. */
export function withoutUpgrade(req: IncomingMessage): Buffer {
  let head = `${req.method} ${req.url} HTTP/${req.httpVersion}\r\n`
  const raw = req.rawHeaders
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const lower = raw[i]?.toLowerCase()
    if (lower === 'upgrade' || lower === 'http2-settings') continue
    let value = raw[i + 1] ?? ''
    if (lower === 'connection') {
      value = value
        .split(',')
        .filter((token) => !/^\s*(upgrade|http2-settings)\s*$/i.test(token))
        .join(',')
      if (value.trim() === '') continue
    }
    head += `${raw[i]}: ${value}\r\n`
  }
  return Buffer.from(`${head}\r\n`, 'latin1')
}

/** Whether Node emits 'upgrade' for a request that offers one. Node 20 has no such option, and always emits it. */
export interface UpgradeOption {
  readonly shouldUpgradeCallback: (req: IncomingMessage) => boolean
}
