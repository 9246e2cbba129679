import { randomFrom } from '../support/random.js'

/** Numbers from 0 up to 1. */
export type Random = () => number

/** Longer inputs are cut: what is found in them is found in shorter ones, too, and sooner. */
const LONGEST = 16 * 1024

/** What makes readers of text, of JSON and of HTTP stumble, whatever they read. */
const WORDS: readonly Buffer[] = [
  ...[
    '\0',
    '\r',
    '\n',
    '\r\n',
    '\r\n\r\n',
    '\n\n',
    ' ',
    '\t',
    ':',
    ',',
    '"',
    '\\',
    '{',
    '}',
    '[',
    ']',
    '{}',
    '[]',
  ],
  ...['null', 'true', 'false', '-1', '0', '1e309', '9007199254740993', '1.5', '""', '"\\u0000"', '"\\ud800"'],
  ...[
    '__proto__',
    'constructor',
    '\u202e',
    '\ufeff',
    'é',
    '😀',
    '%00',
    '%2f',
    '%2e%2e',
    '../',
    '//',
    '?',
    '#',
    '&',
    '=',
  ],
  ...[
    'data: ',
    'event: ',
    ': ',
    'data: [DONE]\n\n',
    '{"a":',
    '"model"',
    '"usage"',
    '"error"',
    '"type"',
    '"content"',
  ],
].map((word) => Buffer.from(word))

const ODD_BYTES = Buffer.from([0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xed, 0xf5, 0xff])

/**
 * Changes an input in one to six places.
 * @param others inputs of the same reader: parts of them are put in
 */
export function mutate(
  input: Buffer,
  others: readonly Buffer[],
  words: readonly Buffer[],
  random: Random,
): Buffer {
  let bytes = input
  for (let changes = 1 + below(6, random); changes > 0; changes--)
    bytes = change(bytes, others, words, random)
  return bytes.length > LONGEST ? bytes.subarray(0, LONGEST) : bytes
}

function change(bytes: Buffer, others: readonly Buffer[], words: readonly Buffer[], random: Random): Buffer {
  const at = below(bytes.length + 1, random)
  const end = Math.min(bytes.length, at + 1 + below(random() < 0.8 ? 8 : bytes.length, random))
  switch (below(8, random)) {
    case 0:
      return splice(bytes, at, end, Buffer.alloc(0))
    case 1:
      return splice(bytes, at, at, pick(words.length > 0 && random() < 0.5 ? words : WORDS, random))
    case 2:
      return splice(bytes, at, end, pick(WORDS, random))
    case 3:
      return flip(bytes, at, random)
    case 4:
      // A part once more, up to sixty-four times.
      return splice(
        bytes,
        end,
        end,
        repeat(bytes.subarray(at, end), 1 + below(random() < 0.1 ? 64 : 3, random)),
      )
    case 5:
      return splice(bytes, at, at, partOf(pick(others, random), random))
    case 6:
      return splice(bytes, at, end, ODD_BYTES.subarray(below(8, random)).subarray(0, 1))
    default:
      return random() < 0.3 ? bytes.subarray(0, at) : splice(bytes, at, end, partOf(bytes, random))
  }
}

function flip(bytes: Buffer, at: number, random: Random): Buffer {
  if (at >= bytes.length) return bytes
  const copy = Buffer.from(bytes)
  copy[at] = (copy[at] as number) ^ (1 << below(8, random))
  return copy
}

function splice(bytes: Buffer, start: number, end: number, put: Buffer): Buffer {
  return Buffer.concat([bytes.subarray(0, start), put, bytes.subarray(end)])
}

function repeat(bytes: Buffer, times: number): Buffer {
  return Buffer.concat(
    Array.from({ length: times }, () => bytes).slice(0, 1 + Math.floor(LONGEST / (bytes.length + 1))),
  )
}

function partOf(bytes: Buffer, random: Random): Buffer {
  const start = below(bytes.length + 1, random)
  return bytes.subarray(start, start + below(64, random))
}

function pick(list: readonly Buffer[], random: Random): Buffer {
  return list[below(list.length, random)] ?? Buffer.alloc(0)
}

function below(count: number, random: Random): number {
  return Math.floor(random() * count)
}

/**
 * Cuts an input into pieces. The places come from its bytes, so that the input alone has the same result again.
 */
export function cut(input: Buffer): Buffer[] {
  let seed = input.length
  for (let i = 0; i < input.length; i += 7) seed = Math.imul(seed ^ (input[i] as number), 0x01000193)
  const random = randomFrom(seed)
  const pieces: Buffer[] = []
  for (let at = 0; at < input.length; ) {
    const size = 1 + below(random() < 0.7 ? 4 : 200, random)
    // A copy, so that a reader that keeps a view of it is found out when it is overwritten.
    pieces.push(Buffer.from(input.subarray(at, at + size)))
    at += size
  }
  return pieces
}
