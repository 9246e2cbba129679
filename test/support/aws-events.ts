import { crc32 } from 'node:zlib'

const TEXT = 7

/** Writes a message of `application/vnd.amazon.eventstream` whose headers are text. */
export function writeAwsMessage(
  headers: Readonly<Record<string, string>>,
  payload: Buffer | string = '',
): Buffer {
  const parts = Object.entries(headers).map(([name, value]) => {
    const part = Buffer.alloc(1 + Buffer.byteLength(name) + 3 + Buffer.byteLength(value))
    part.writeUInt8(Buffer.byteLength(name), 0)
    const at = 1 + part.write(name, 1)
    part.writeUInt8(TEXT, at)
    part.writeUInt16BE(Buffer.byteLength(value), at + 1)
    part.write(value, at + 3)
    return part
  })
  const head = Buffer.concat(parts)
  const prelude = Buffer.alloc(12)
  prelude.writeUInt32BE(16 + head.length + Buffer.byteLength(payload), 0)
  prelude.writeUInt32BE(head.length, 4)
  prelude.writeUInt32BE(crc32(prelude.subarray(0, 8)), 8)
  const body = Buffer.concat([prelude, head, Buffer.from(payload)])
  const checksum = Buffer.alloc(4)
  checksum.writeUInt32BE(crc32(body))
  return Buffer.concat([body, checksum])
}

/** An event of Bedrock's `invoke-with-response-stream`: one of the model's own, in base64. */
export function writeChunkEvent(event: unknown): Buffer {
  const bytes = Buffer.from(JSON.stringify(event)).toString('base64')
  const headers = { ':event-type': 'chunk', ':content-type': 'application/json', ':message-type': 'event' }
  // Padding that hides the length of a token.
  return writeAwsMessage(headers, JSON.stringify({ bytes, p: 'abcdefgh' }))
}

/** An event of Bedrock's `converse-stream`. */
export function writeConverseEvent(name: string, event: object): Buffer {
  const headers = { ':event-type': name, ':content-type': 'application/json', ':message-type': 'event' }
  return writeAwsMessage(headers, JSON.stringify({ ...event, p: 'abcd' }))
}

/** An exception in a stream, after which nothing follows. */
export function writeException(name: string, message: string): Buffer {
  const headers = {
    ':exception-type': name,
    ':content-type': 'application/json',
    ':message-type': 'exception',
  }
  return writeAwsMessage(headers, JSON.stringify({ message }))
}
