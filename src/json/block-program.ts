import { BACKSLASH, CLOSE_BRACE, OPEN_BRACE, QUOTE } from './bytes.js'
import {
  add32,
  and64,
  areEqual8,
  block,
  type Code,
  countOnes64,
  countTrailingZeros64,
  differs64,
  extendUnsigned32,
  get,
  I32,
  I64,
  int32,
  int64,
  isAboveUnsigned32,
  isAtLeast32,
  isZero32,
  isZero64,
  leave,
  leaveIf,
  load16,
  loop,
  low32,
  not64,
  or32,
  or64,
  or128,
  repeat16,
  set,
  shiftLeft32,
  shiftLeft64,
  shiftRight64,
  shiftRightSigned64,
  store32,
  subtract64,
  topBits8,
  V128,
  when,
  writeModule,
  xor64,
} from './wasm-code.js'

/** Bytes that are looked at in one step. */
export const BLOCK_BYTES = 64

/** Where the program leaves its state, as 32-bit numbers. */
export const DEPTH_AT = 0
export const IN_STRING_AT = 4
export const ESCAPES_AT = 8

/** Parameters. Addresses of the first block and behind the last one; see `BlockScanner` for the others. */
const [AT, END, DEPTH, IN_STRING, ESCAPES] = [0, 1, 2, 3, 4]
/** All bits are set if the block begins in a string. */
const BEGINS_INSIDE = 5
/** 1 if the first byte of the block is escaped. */
const BEGINS_ESCAPED = 6
// One bit for each byte of the block, the first one is the lowest.
const BACKSLASHES = 7
const QUOTES = 8
const ESCAPING = 9
/** From an opening quote to the byte before the closing one. */
const INSIDE = 10
const OPENING = 11
const CLOSING = 12
const BRACKETS = 13
/** `BEGINS_ESCAPED` of the next block. */
const ENDS_ESCAPED = 14
const QUARTERS = [15, 16, 17, 18]

/** Every second bit, the lowest is not one of them. */
const ODD = 0xaaaa_aaaa_aaaa_aaaan

/** The bits of the bytes for which `compare` gives 0xff. */
function maskOf(compare: (quarter: Code) => Code): Code {
  const [a, b, c, d] = QUARTERS.map((quarter) => topBits8(compare(get(quarter)))) as [Code, Code, Code, Code]
  const half = (low: Code, high: Code): Code => extendUnsigned32(or32(low, shiftLeft32(high, int32(16))))
  return or64(half(a, b), shiftLeft64(half(c, d), int64(32n)))
}

const isByte = (byte: number): Code => maskOf((quarter) => areEqual8(quarter, repeat16(byte)))

/** Braces and square brackets differ in one bit only. No other byte becomes one of them with that bit. */
const BRACE_BIT = 0x20
const isBracket = (brace: number): Code =>
  maskOf((quarter) => areEqual8(or128(quarter, repeat16(BRACE_BIT)), repeat16(brace)))

/**
 * Finds the quotes that are not escaped. A backslash escapes the next byte if it is not escaped itself: in a run of
 * backslashes, every second one escapes. Adding a run's first bit to the run carries behind its end; with every second
 * bit set before, the bits come out inverted by whether the run began at an even or an odd place.
 */
const DROP_ESCAPED_QUOTES: Code = when(
  isZero64(get(BACKSLASHES)),
  [set(QUOTES, and64(get(QUOTES), not64(get(BEGINS_ESCAPED)))), set(ENDS_ESCAPED, int64(0n))],
  [
    set(ESCAPING, and64(get(BACKSLASHES), not64(get(BEGINS_ESCAPED)))),
    set(
      ESCAPING,
      xor64(subtract64(or64(shiftLeft64(get(ESCAPING), int64(1n)), int64(ODD)), get(ESCAPING)), int64(ODD)),
    ),
    // Of backslashes, those that escape; of others, those that are escaped.
    set(QUOTES, and64(get(QUOTES), not64(xor64(get(ESCAPING), or64(get(BACKSLASHES), get(BEGINS_ESCAPED)))))),
    set(ENDS_ESCAPED, shiftRight64(and64(get(ESCAPING), get(BACKSLASHES)), int64(63n))),
  ],
)

/** Each bit becomes the parity of itself and all lower ones: set from each opening quote up to the closing one. */
const FIND_INSIDES: readonly Code[] = [
  set(INSIDE, get(QUOTES)),
  ...[1n, 2n, 4n, 8n, 16n, 32n].map((n) =>
    set(INSIDE, xor64(get(INSIDE), shiftLeft64(get(INSIDE), int64(n)))),
  ),
  set(INSIDE, xor64(get(INSIDE), get(BEGINS_INSIDE))),
]

const onlyOutside = (mask: Code): Code => and64(mask, not64(get(INSIDE)))

/** A string that is no part of a nested value ends at the first byte that is not inside. */
const END_STRING: Code = when(isZero32(get(DEPTH)), [
  when(differs64(get(INSIDE), int64(-1n)), [
    set(AT, add32(add32(get(AT), low32(countTrailingZeros64(not64(get(INSIDE))))), int32(1))),
    set(BEGINS_INSIDE, int64(0n)),
    set(BEGINS_ESCAPED, int64(0n)),
    // Two conditions, the loop over blocks.
    leave(3),
  ]),
])

/** Walks over the brackets of a block in which the value may end. Leaves the outer block where it does. */
const STEP_OVER_BRACKETS: readonly Code[] = [
  set(BRACKETS, or64(get(OPENING), get(CLOSING))),
  loop(
    when(
      isZero64(and64(get(OPENING), lowestOf(BRACKETS))),
      [set(DEPTH, add32(get(DEPTH), int32(-1)))],
      [set(DEPTH, add32(get(DEPTH), int32(1)))],
    ),
    when(isZero32(get(DEPTH)), [
      set(AT, add32(add32(get(AT), low32(countTrailingZeros64(get(BRACKETS)))), int32(1))),
      set(BEGINS_INSIDE, int64(0n)),
      set(BEGINS_ESCAPED, int64(0n)),
      // The condition, the loop, two conditions around this walk, the loop over blocks.
      leave(5),
    ]),
    set(BRACKETS, and64(get(BRACKETS), subtract64(get(BRACKETS), int64(1n)))),
    leaveIf(0, differs64(get(BRACKETS), int64(0n))),
  ),
]

function lowestOf(mask: number): Code {
  return and64(get(mask), subtract64(int64(0n), get(mask)))
}

const COUNT_BRACKETS: readonly Code[] = [
  set(OPENING, onlyOutside(isBracket(OPEN_BRACE))),
  set(CLOSING, onlyOutside(isBracket(CLOSE_BRACE))),
  when(isAtLeast32(low32(countOnes64(get(CLOSING))), get(DEPTH)), STEP_OVER_BRACKETS, [
    set(DEPTH, add32(get(DEPTH), low32(subtract64(countOnes64(get(OPENING)), countOnes64(get(CLOSING)))))),
  ]),
]

/**
 * Steps over blocks of a nested JSON value, or of a string at depth 0, as simdjson finds its structure (Langdale and
 * Lemire, "Parsing Gigabytes of JSON per Second", 3.1): with masks in place of branches, however many quotes and
 * escapes there are.
 * @returns `run(at, end, depth, isInString, isAfterBackslash)`. It returns the address behind the value, where the
 * depth is 0 and no string is open, or of the first block that it did not step over
 */
export function writeBlockProgram(): Uint8Array {
  return writeModule({
    parameters: [I32, I32, I32, I32, I32],
    result: I32,
    locals: [...Array<number>(10).fill(I64), ...QUARTERS.map(() => V128)],
    body: [
      set(BEGINS_INSIDE, subtract64(int64(0n), extendUnsigned32(get(IN_STRING)))),
      set(BEGINS_ESCAPED, extendUnsigned32(get(ESCAPES))),
      block(
        loop(
          leaveIf(1, isAboveUnsigned32(add32(get(AT), int32(BLOCK_BYTES)), get(END))),
          ...QUARTERS.map((quarter, n) => set(quarter, load16(get(AT), 16 * n))),
          set(BACKSLASHES, isByte(BACKSLASH)),
          set(QUOTES, isByte(QUOTE)),
          DROP_ESCAPED_QUOTES,
          ...FIND_INSIDES,
          END_STRING,
          // Outside of strings a backslash escapes nothing, so that the masks are wrong behind it. It is no JSON.
          leaveIf(1, differs64(onlyOutside(get(BACKSLASHES)), int64(0n))),
          when(differs64(get(INSIDE), int64(-1n)), COUNT_BRACKETS),
          set(BEGINS_INSIDE, shiftRightSigned64(get(INSIDE), int64(63n))),
          set(BEGINS_ESCAPED, get(ENDS_ESCAPED)),
          set(AT, add32(get(AT), int32(BLOCK_BYTES))),
          leave(0),
        ),
      ),
      store32(DEPTH_AT, get(DEPTH)),
      store32(IN_STRING_AT, low32(subtract64(int64(0n), get(BEGINS_INSIDE)))),
      store32(ESCAPES_AT, low32(get(BEGINS_ESCAPED))),
      get(AT),
    ],
  })
}
