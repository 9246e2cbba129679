import type { Close } from './memory-socket.js'
import type { Wire } from './one-response.js'
import {
  BEHIND,
  CODINGS,
  CONNECTIONS,
  HINTS,
  INTERIM,
  LAST,
  LENGTHS,
  LINE_ENDS,
  NAMES,
  REASONS,
  SIZES,
  STATUSES,
  TRAILERS,
  VALUES,
  VERSIONS,
} from './wire-words.js'

/** Numbers from 0 up to 1. */
type Random = () => number

/** What a case is: bytes in Latin-1, and how they come. */
export interface Case {
  readonly method: string
  readonly text: string
  readonly closes: Close
  /** Where reads end. */
  readonly cuts: readonly number[]
  readonly pauses: number | null
}

/** A response by chance: right ones, and others that are wrong in one place or in some. */
export class WireMaker {
  private readonly random: Random
  /** How likely each place is to be odd. */
  private oddness: number

  constructor(random: Random) {
    this.random = random
    this.oddness = 0
  }

  make(): Case {
    const { random } = this
    this.oddness = this.pick([0, 0, 0.01, 0.03, 0.1, 0.3])
    const method = this.pick(['GET', 'GET', 'POST', 'POST', 'HEAD'])
    let text = ''
    while (random() < 0.1) text += this.interim()
    text += this.final()
    text += this.odd(BEHIND, '')
    if (random() < 0.15) text = this.disturb(text)
    if (random() < 0.2) text = text.slice(0, Math.floor(random() * (text.length + 1)))
    return {
      method,
      text,
      closes: this.pick(['stays', 'fin', 'fin', 'reset']),
      cuts: this.cuts(text.length),
      pauses: random() < 0.3 ? Math.floor(random() * 2 ** 31) : null,
    }
  }

  private interim(): string {
    return `${this.statusLine(INTERIM)}${this.fields(this.pick([0, 0, 1]))}${this.lineEnd()}`
  }

  private final(): string {
    const kind = this.pick(['length', 'length', 'chunked', 'chunked', 'close', 'both', 'twice'])
    let body = 'hello'
    const framing: string[] = []
    const length = (): string =>
      `${this.odd(['Content-Length', 'CONTENT-LENGTH', ...NAMES], 'content-length')}:${this.space()}${this.odd(LENGTHS, '5')}`
    const coding = (): string =>
      `${this.odd(['Transfer-Encoding', 'TRANSFER-ENCODING', ...NAMES], 'transfer-encoding')}:${this.space()}${this.odd(CODINGS, 'chunked')}`
    if (kind === 'length' || kind === 'both') framing.push(length())
    if (kind === 'chunked' || kind === 'both') framing.push(coding())
    if (kind === 'twice')
      framing.push(
        ...this.pick([
          [length(), length()],
          [coding(), coding()],
          [coding(), length()],
        ]),
      )
    if (kind === 'chunked' || (kind !== 'length' && this.random() < 0.5)) body = this.chunks()
    else body = this.odd(['', 'hell', 'hello!', 'hello\r\n', 'h'], body)
    if (this.random() < 0.3) framing.push(`connection:${this.space()}${this.pick(CONNECTIONS)}`)
    if (this.random() < 0.1) framing.push(`keep-alive:${this.space()}${this.pick(HINTS)}`)
    if (this.random() < 0.1) framing.reverse()
    let head = this.statusLine(STATUSES) + this.fields(this.pick([0, 0, 1, 2]))
    for (const line of framing) head += line + this.lineEnd()
    head += this.fields(this.pick([0, 0, 0, 1]))
    return head + this.lineEnd() + body
  }

  private statusLine(statuses: readonly string[]): string {
    const status = this.random() < 0.3 ? this.pick(statuses) : (statuses[0] as string)
    return `${this.odd(VERSIONS, 'HTTP/1.1')}${this.odd(['  ', '\t', ''], ' ')}${status}${this.odd(REASONS, ' OK')}${this.lineEnd()}`
  }

  private fields(count: number): string {
    let lines = ''
    for (let i = 0; i < count; i++)
      lines += `${this.odd(NAMES, 'x-a')}:${this.space()}${this.odd(VALUES, 'a')}${this.lineEnd()}`
    return lines
  }

  private chunks(): string {
    let text = ''
    while (this.random() < 0.5)
      text += `${this.odd(SIZES, '5')}${this.lineEnd()}${this.odd(['hell', 'hello!', ''], 'hello')}${this.lineEnd()}`
    return `${text}${this.odd(LAST, '0')}${this.lineEnd()}${this.pick(TRAILERS.slice(0, this.random() < this.oddness * 3 ? TRAILERS.length : 6))}${this.lineEnd()}`
  }

  private lineEnd(): string {
    return this.random() < this.oddness / 4 ? this.pick(LINE_ENDS) : '\r\n'
  }

  private space(): string {
    return this.odd(['', '  ', '\t', ' \t '], ' ')
  }

  /** One byte or some are put in, taken out or changed. */
  private disturb(text: string): string {
    const { random } = this
    let disturbed = text
    for (let n = 1 + Math.floor(random() * 3); n > 0; n--) {
      const at = Math.floor(random() * (disturbed.length + 1))
      const end = at + Math.floor(random() * 3)
      const put = this.pick([
        '',
        '\r',
        '\n',
        '\r\n',
        ' ',
        '\t',
        ':',
        '\x00',
        '0',
        '5',
        ',',
        ';',
        'x',
        '\xff',
        '\r\n\r\n',
      ])
      disturbed = disturbed.slice(0, at) + put + disturbed.slice(end)
    }
    return disturbed
  }

  private cuts(length: number): number[] {
    const { random } = this
    const most = this.pick([0, 0, 1, 3, 8])
    const cuts = Array.from({ length: most }, () => Math.floor(random() * length))
    if (random() < 0.05) for (let at = 0; at < Math.min(length, 120); at++) cuts.push(at)
    return [...new Set(cuts)].filter((at) => at > 0).sort((a, b) => a - b)
  }

  private odd<T>(choices: readonly T[], usual: T): T {
    return this.random() < this.oddness ? this.pick(choices) : usual
  }

  private pick<T>(choices: readonly T[]): T {
    return choices[Math.floor(this.random() * choices.length)] as T
  }
}

export function toWire({ method, text, closes, cuts, pauses }: Case): Wire {
  const bytes = Buffer.from(text, 'latin1')
  const ends = [...cuts, bytes.length]
  const pieces = ends.map((end, i) => Buffer.from(bytes.subarray(ends[i - 1] ?? 0, end)))
  return { method, pieces: pieces.filter(({ length }) => length > 0), closes, pauses }
}
