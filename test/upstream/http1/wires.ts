import type { Close } from './memory-socket.js'
import type { Wire } from './one-response.js'

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

const STATUSES = [
  '200',
  '200',
  '200',
  '200',
  '201',
  '204',
  '205',
  '304',
  '404',
  '429',
  '500',
  '999',
  '000',
  '099',
  '20',
  '2000',
  '2x0',
]
const INTERIM = ['100', '100', '102', '103', '103', '199', '101']
const VERSIONS = [
  'HTTP/1.0',
  'HTTP/1.0',
  'HTTP/0.9',
  'HTTP/2.0',
  'HTTP/1.2',
  'HTTP/1.10',
  'http/1.1',
  'HTTP/1',
  'HTTP/01.1',
  'ICY',
  'HTTPS/1.1',
  '',
]
const REASONS = [
  ' OK',
  ' OK',
  ' OK',
  ' OK',
  '',
  ' ',
  ' Not Found',
  ' \xe4\xf6',
  ' \xc3\xa4',
  ' a\tb',
  ' a\x00b',
  '  two',
  ' OK ',
  '\tOK',
  'OK',
]
const LINE_ENDS = ['\n', '\r', '\r\r\n', '\n\r', '\r\n ', ' \r\n', '\r\n\t', '']
const LENGTHS = [
  '0',
  '1',
  '5',
  '5',
  '5',
  '5',
  '10',
  '05',
  '+5',
  '-5',
  '5 ',
  '\t5',
  '5,5',
  '5, 5',
  '5 5',
  '0x5',
  '5.0',
  '',
  ' ',
  '5;a',
  '18446744073709551616',
  '9007199254740993',
  '99999999999999999999999',
  '\xb25',
]
const CODINGS = [
  'chunked',
  'chunked',
  'chunked',
  'chunked',
  'Chunked',
  'CHUNKED',
  'gzip, chunked',
  'chunked, gzip',
  'chunked,chunked',
  'identity',
  'chunked ',
  '\tchunked',
  'xchunked',
  'chunkedx',
  'x chunked',
  'chunked;q=1',
  '"chunked"',
  'chunked,',
  ',chunked',
  '',
  'gzip',
  'chunk\xe9d',
  'chunked, identity',
  'ch unked',
  'chunked\x0b',
]
const CONNECTIONS = [
  'close',
  'close',
  'keep-alive',
  'keep-alive',
  'Keep-Alive',
  'CLOSE',
  'upgrade',
  'close, keep-alive',
  'keep-alive, close',
  'keep-alive,close',
  'x, close',
  'close x',
  'closed',
  'notclose',
  'keep-alive, x',
  '',
  ',close',
  'close,',
  'keep-alive;x',
  '"close"',
  'close\t',
]
const HINTS = [
  'timeout=5',
  'timeout=1',
  'timeout=0',
  'timeout=2, max=100',
  'max=100',
  'timeout=99999999999',
  'timeout=-1',
  'timeout="5"',
  'Timeout=5',
  'timeout = 5',
  'timeout=1.5',
  '',
  'xtimeout=1',
  'timeout=',
]
const NAMES = [
  'x-a',
  'x-a',
  'Content-Type',
  'content-length ',
  ' content-length',
  'content-length\t',
  'Content-Length',
  'transfer-encoding ',
  'Transfer-Encoding',
  'transfer_encoding',
  'x(',
  'x a',
  '',
  'x\x00',
  'x\xe4',
  'set-cookie',
  'upgrade',
  'trailer',
  'x:y',
  '\xa0x',
  "!#$%&'*+-.^_`|~",
  '"x"',
  'x;',
  'x\x7f',
]
const VALUES = [
  'a',
  'b',
  '',
  ' ',
  '\t',
  'a b',
  ' a ',
  'a\tb',
  '\x00',
  'a\x01',
  'a\x7f',
  '\xe4',
  '\xff',
  'a\rb',
  'a\nb',
  'a\r\n b',
  'a\r\n\tb',
  'a:b',
  '5',
  'chunked',
  'close',
  'a\x0b',
  '\x85',
  'websocket',
  ',',
  'x'.repeat(300),
]
const SIZES = [
  '5',
  '5',
  '5',
  '5',
  '05',
  '0000000005',
  '5 ',
  ' 5',
  '+5',
  '-5',
  '0x5',
  '',
  'g',
  'A',
  'a',
  '5;',
  '5;a',
  '5;a=b',
  '5;a="b;c"',
  '5;a="\\""',
  '5 ;a',
  '5;a=b;c',
  '5; a',
  '5;a =b',
  '5;a="',
  '5;a=\x00',
  '5;a\xe4',
  '5;;',
  '5\t',
  '10000000000000005',
  'ffffffffffffffff',
  '20000000000000',
  '100000000',
  '5x',
  '5;a=b"c',
]
const LAST = ['0', '0', '0', '0', '0', '00', '0;a', '-0', '0 ', '', '000000000000000000000', '0x0']
const TRAILERS = [
  '',
  '',
  '',
  '',
  'x: a\r\n',
  'x-a: b\r\nx-c:\r\n',
  'content-length: 5\r\n',
  'transfer-encoding: chunked\r\n',
  'x : a\r\n',
  ' x: a\r\n',
  'x: a\n',
  'x\r\n',
  'x: a\r\n b\r\n',
  'x: \x00\r\n',
  'connection: close\r\n',
  '\r',
  '\n',
]
const BEHIND = [
  '',
  '',
  '',
  '',
  '',
  '',
  '\r\n',
  '\n',
  '\r',
  'x',
  'HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx',
  '\x00',
  '0\r\n\r\n',
]

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
