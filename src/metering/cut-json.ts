/**
 * Completes a JSON text that was cut off, so that what came of it can be parsed: closes the string that is open, and
 * every object and array. A key, a number or a word at the end is left out, as it may be only a part of one.
 * @returns null if the text is complete, or no JSON
 */
export function completeJson(text: string): string | null {
  /** The brackets that close what is open. */
  const open: string[] = []
  /** Up to here the text can be kept. */
  let safe = 0
  let isAfterColon = false
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '"': {
        if (open.length === 0) return null
        const isKey = open[open.length - 1] === '}' && !isAfterColon
        const end = findEnd(text, at + 1)
        if (end === -1) return isKey ? close(text, safe, '', open) : close(text, findCut(text, at), '"', open)
        at = end
        if (!isKey) safe = at + 1
        break
      }
      case '{':
      case '[':
        open.push(text[at] === '{' ? '}' : ']')
        isAfterColon = false
        safe = at + 1
        break
      case '}':
      case ']':
        if (open.pop() !== text[at] || open.length === 0) return null
        isAfterColon = false
        safe = at + 1
        break
      case ':':
        isAfterColon = true
        break
      case ',':
        isAfterColon = false
        safe = at
        break
    }
  }
  return open.length === 0 ? null : close(text, safe, '', open)
}

function close(text: string, end: number, quote: string, open: readonly string[]): string {
  return text.slice(0, end) + quote + [...open].reverse().join('')
}

/** @returns the index of the quote that ends the string; -1 if it does not end */
function findEnd(text: string, from: number): number {
  for (let at = from; at < text.length; at++) {
    if (text[at] === '"') return at
    if (text[at] === '\\') at++
  }
  return -1
}

/** Where to cut a text that ends in the string that begins at `start`: ahead of an escape that is not complete. */
function findCut(text: string, start: number): number {
  // Half a character at the end of the bytes.
  const end = text.endsWith('\ufffd') ? text.length - 1 : text.length
  for (let at = start + 1; at < end; at++) {
    if (text[at] !== '\\') continue
    const length = text[at + 1] === 'u' ? 6 : 2
    if (at + length > end) return at
    at += length - 1
  }
  return end
}
