/** Decodes the ASCII characters that are percent-encoded, once: what they become may be encoded itself. */
export function decodeAscii(text: string): string {
  return text.replace(ENCODED, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
}

const ENCODED = /%([0-7][\da-f])/gi

/** @returns null if the percent-encoding is broken */
export function decodePercent(text: string): string | null {
  try {
    return decodeURIComponent(text)
  } catch {
    return null
  }
}
