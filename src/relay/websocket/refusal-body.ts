import type { IncomingMessage } from 'node:http'
import type { CredentialRedactor } from '../../upstream/credential-redactor.js'

/** Bytes of a refusal that are read: an error of an API is shorter. */
const LONGEST = 64 * 1024

/** Milliseconds that its body may take. */
const BODY_MS = 5_000

/**
 * Reads the body of a refused handshake, as far as it comes in time, without the credentials of the upstream.
 * @param done called once
 */
export function readRefusal(
  res: IncomingMessage,
  redactor: CredentialRedactor | null,
  done: (body: string) => void,
): void {
  const chunks: Buffer[] = []
  let bytes = 0
  let isOver = false
  const end = (): void => {
    if (isOver) return
    isOver = true
    clearTimeout(timer)
    res.destroy()
    const body = Buffer.concat(chunks).toString()
    done(redactor === null ? body : redactor.hide(body))
  }
  const timer = setTimeout(end, BODY_MS).unref()
  res.on('data', (chunk: Buffer) => {
    chunks.push(chunk)
    bytes += chunk.length
    if (bytes > LONGEST) end()
  })
  res.on('end', end)
  res.on('close', end)
}
