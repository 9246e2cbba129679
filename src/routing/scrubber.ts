import type { Dispatcher } from 'undici'

const HIDDEN = '***'

/**
 * Hands on what undici calls, with a credential taken out of the answer's headers: an upstream that was sent it in the URL may
 * send it back there, in the `location` of a redirect.
 */
export class Scrubber implements Dispatcher.DispatchHandler {
  private readonly handler: Dispatcher.DispatchHandler
  private readonly secrets: readonly string[]

  /** @param secret not empty */
  constructor(handler: Dispatcher.DispatchHandler, secret: string) {
    this.handler = handler
    this.secrets = [...new Set([encodeURIComponent(secret), secret])]
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.handler.onConnect?.(abort)
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, reason: string): boolean {
    for (let i = 1; i < raw.length; i += 2) raw[i] = this.scrub(raw[i] as Buffer)
    return this.handler.onHeaders?.(status, raw, resume, reason) ?? true
  }

  onData(piece: Buffer): boolean {
    return this.handler.onData?.(piece) ?? true
  }

  onComplete(trailers: string[] | null): void {
    this.handler.onComplete?.(trailers)
  }

  onError(error: Error): void {
    this.handler.onError?.(error)
  }

  private scrub(value: Buffer): Buffer {
    let text: string | null = null
    for (const secret of this.secrets) {
      if (value.includes(secret)) text = (text ?? value.toString('latin1')).replaceAll(secret, HIDDEN)
    }
    return text === null ? value : Buffer.from(text, 'latin1')
  }
}
