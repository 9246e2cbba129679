import type { IncomingMessage } from 'node:http'
import { parseJson } from '../json/values.js'
import { ApiRefusal } from './page-response.js'

/** A form or an order is some hundred bytes long. */
const MOST_BYTES = 16 * 1024

/**
 * Reads a small body. A larger one is not read on: its connection is closed behind the answer.
 * @throws {ApiRefusal} 413 if it is too large; 400 if the client leaves within it
 */
export function readBody(req: IncomingMessage): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const tooLarge = (): ApiRefusal =>
      new ApiRefusal(413, 'too_large', `the body must not be larger than ${MOST_BYTES} bytes`, {
        connection: 'close',
      })
    if (Number(req.headers['content-length'] ?? 0) > MOST_BYTES) {
      reject(tooLarge())
      return
    }
    const pieces: Buffer[] = []
    let bytes = 0
    req.on('data', (piece: Buffer) => {
      bytes += piece.length
      if (bytes <= MOST_BYTES) {
        pieces.push(piece)
        return
      }
      req.pause()
      reject(tooLarge())
    })
    req.on('end', () => resolve(Buffer.concat(pieces)))
    req.on('error', () => reject(new ApiRefusal(400, 'cut', 'the body was cut')))
    req.on('close', () => reject(new ApiRefusal(400, 'cut', 'the body was cut')))
  })
}

/** @throws {ApiRefusal} */
export async function readJson(req: IncomingMessage): Promise<unknown> {
  // A form of another page can send no JSON: its browser asks first, and gets no.
  if (mediaTypeOf(req) !== 'application/json')
    throw new ApiRefusal(415, 'no_json', 'the body must have the content-type application/json')
  const value = parseJson((await readBody(req)).toString())
  if (value === undefined) throw new ApiRefusal(400, 'no_json', 'the body is not valid JSON')
  return value
}

/** @returns null if it is no form @throws {ApiRefusal} */
export async function readForm(req: IncomingMessage): Promise<URLSearchParams | null> {
  if (mediaTypeOf(req) !== 'application/x-www-form-urlencoded') return null
  return new URLSearchParams((await readBody(req)).toString())
}

function mediaTypeOf({ headers }: IncomingMessage): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? ''
}
