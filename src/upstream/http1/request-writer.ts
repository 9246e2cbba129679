import type { Socket } from 'node:net'
import type { BodyUpload, BodyWriter } from '../../lib/body-upload.js'
import type { DispatchRequest } from '../connection-pool.js'
import { expectsBody, type RequestHead } from './request-head.js'

/** A body up to this size is copied behind its head, so that both leave in one buffer. */
const JOINED_MAX = 16 * 1024

/**
 * Writes a request: head and body at once, if the body is complete.
 * @returns the upload, if the body is still arriving
 */
export function writeRequest(
  socket: Socket,
  head: RequestHead,
  { method, body }: DispatchRequest,
  onFault: () => void,
): UploadWriting | null {
  if (body !== null && !Buffer.isBuffer(body)) return new UploadWriting(socket, head, body, onFault)
  if (body === null || body.length === 0) writeBodiless(socket, head, expectsBody(method))
  else {
    const text = `${head.text}content-length: ${body.length}\r\n\r\n`
    if (body.length > JOINED_MAX) writeBoth(socket, text, body)
    else socket.write(join(text, body))
  }
  return null
}

/** A body that is written while it arrives. Its head says how long it will be. */
export class UploadWriting implements BodyWriter {
  private readonly socket: Socket
  private readonly head: RequestHead
  private readonly upload: BodyUpload
  private readonly onFault: () => void
  /** Bytes that are missing. */
  private left: number
  private hasBegun: boolean
  isOver: boolean

  /** @param onFault the body is not as long as its head says */
  constructor(socket: Socket, head: RequestHead, upload: BodyUpload, onFault: () => void) {
    this.socket = socket
    this.head = head
    this.upload = upload
    this.onFault = onFault
    this.left = head.length
    this.hasBegun = false
    this.isOver = false
    socket.on('drain', upload.resume)
    upload.sendTo(this)
  }

  write(data: Buffer): boolean {
    if (this.isOver || this.socket.destroyed) return false
    this.left -= data.length
    if (this.left < 0) {
      this.onFault()
      return false
    }
    if (this.hasBegun) return this.socket.write(data)
    this.hasBegun = true
    return writeBoth(this.socket, `${this.head.text}content-length: ${this.head.length}\r\n\r\n`, data)
  }

  end(): void {
    if (this.isOver) return
    if (this.left > 0) {
      this.onFault()
      return
    }
    this.stop()
    if (!this.hasBegun) writeBodiless(this.socket, this.head, true)
  }

  /** Nothing more is written. */
  stop(): void {
    this.isOver = true
    this.socket.removeListener('drain', this.upload.resume)
  }
}

function writeBodiless(socket: Socket, { text }: RequestHead, hasLength: boolean): void {
  socket.write(hasLength ? `${text}content-length: 0\r\n\r\n` : `${text}\r\n`, 'latin1')
}

function writeBoth(socket: Socket, head: string, body: Buffer): boolean {
  socket.cork()
  socket.write(head, 'latin1')
  const more = socket.write(body)
  socket.uncork()
  return more
}

function join(head: string, body: Buffer): Buffer {
  const both = Buffer.allocUnsafe(head.length + body.length)
  both.write(head, 'latin1')
  body.copy(both, head.length)
  return both
}
