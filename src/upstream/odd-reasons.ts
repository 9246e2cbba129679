const SPACE = 0x20
const CR = 0x0d

/** A reason is shorter than this, or lost. */
const MOST_BYTES = 256

/** As many reasons as there are misconfigured upstreams. */
const MOST_REASONS = 16

/** Reasons of which undici's decoding has lost bytes: what it has made of them, and the bytes as Latin-1. */
const reasons = new Map<string, string>()

/**
 * Keeps the reason of a response if it is no UTF-8: undici decodes it as such, and what is invalid becomes U+FFFD.
 * @param head begins with a status line
 */
export function keepOddReason(head: Buffer): void {
  const last = Math.min(head.length, MOST_BYTES)
  let isAscii = true
  let at = 0
  for (; at < last && head[at] !== CR; at++) if ((head[at] as number) > 0x7f) isAscii = false
  if (isAscii) return
  // `HTTP/1.1 200 reason`
  const bytes = head.subarray(head.indexOf(SPACE, head.indexOf(SPACE) + 1) + 1, at)
  const [first] = reasons.keys()
  if (reasons.size >= MOST_REASONS && first !== undefined) reasons.delete(first)
  reasons.set(bytes.toString(), bytes.toString('latin1'))
}

/**
 * @param decoded a reason as undici gives it
 * @returns its bytes as Latin-1; null if none of them was lost, or if they are not known
 */
export function findOddReason(decoded: string): string | null {
  return decoded.includes('\ufffd') ? (reasons.get(decoded) ?? null) : null
}
