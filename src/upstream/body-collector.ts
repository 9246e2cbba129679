import type { DispatchHandler } from './dispatch-handler.js'

/**
 * A handler that collects the body of one small response as text. The result is null if the status is not
 * 200, if the body is longer than `maxBytes`, or if the response is not complete in time; the request is then aborted.
 */
export class BodyCollector implements DispatchHandler {
  private readonly maxBytes: number
  private readonly onResult: (text: string | null) => void
  private readonly chunks: Buffer[]
  private readonly timer: NodeJS.Timeout
  private bytes: number
  private status: number
  private finished: boolean
  private abort: (() => void) | null

  /** @param onResult called once */
  constructor(timeoutMs: number, maxBytes: number, onResult: (text: string | null) => void) {
    this.maxBytes = maxBytes
    this.onResult = onResult
    this.chunks = []
    this.bytes = 0
    this.status = 0
    this.finished = false
    this.abort = null
    this.timer = setTimeout(() => this.finish(null), timeoutMs).unref()
  }

  onConnect(abort: () => void): void {
    this.abort = abort
    if (this.finished) abort()
  }

  onHeaders(status: number): boolean {
    this.status = status
    if (status >= 200 && status !== 200) this.finish(null)
    return true
  }

  onData(chunk: Buffer): boolean {
    this.bytes += chunk.length
    if (this.bytes > this.maxBytes) this.finish(null)
    else this.chunks.push(chunk)
    return true
  }

  onComplete(): void {
    this.finish(this.status === 200 ? Buffer.concat(this.chunks).toString() : null)
  }

  onError(): void {
    this.finish(null)
  }

  private finish(text: string | null): void {
    if (this.finished) return
    this.finished = true
    clearTimeout(this.timer)
    if (text === null) this.abort?.()
    this.onResult(text)
  }
}
