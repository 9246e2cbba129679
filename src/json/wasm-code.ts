/**
 * Writes the few WebAssembly instructions that `block-program.ts` needs. Each function returns the bytes of an
 * expression or a statement (WebAssembly Core Specification 2.0, 5.4), as a tree: copied at each level, they would take
 * ten times as long, at every start.
 */
export type Code = number | readonly Code[]

/** Unsigned LEB128. */
function unsigned(value: number): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return [...bytes, rest]
    bytes.push((rest & 0x7f) | 0x80)
  }
}

/** Signed LEB128. */
function signed(value: bigint): number[] {
  const bytes: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    const low = Number(rest & 0x7fn)
    if (rest >> 6n === 0n || rest >> 6n === -1n) return [...bytes, low]
    bytes.push(low | 0x80)
  }
}

function sized(items: readonly Code[]): Code {
  return [unsigned(items.length), items]
}

function binary(...op: number[]): (a: Code, b: Code) => Code {
  return (a, b) => [a, b, op]
}

function unary(...op: number[]): (a: Code) => Code {
  return (a) => [a, op]
}

export const I32 = 0x7f
export const I64 = 0x7e
export const V128 = 0x7b

export const get = (local: number): Code => [0x20, local]
export const set = (local: number, value: Code): Code => [value, 0x21, local]

export const int32 = (value: number): Code => [0x41, signed(BigInt(value))]
export const add32 = binary(0x6a)
export const or32 = binary(0x72)
export const shiftLeft32 = binary(0x74)
export const isZero32 = unary(0x45)
export const isAtLeast32 = binary(0x4e)
export const isAboveUnsigned32 = binary(0x4b)

/** @param value any of 64 bits, read as a number with a sign or without */
export const int64 = (value: bigint): Code => [0x42, signed(BigInt.asIntN(64, value))]
export const subtract64 = binary(0x7d)
export const and64 = binary(0x83)
export const or64 = binary(0x84)
export const xor64 = binary(0x85)
export const not64 = (a: Code): Code => xor64(a, int64(-1n))
export const shiftLeft64 = binary(0x86)
export const shiftRightSigned64 = binary(0x87)
export const shiftRight64 = binary(0x88)
export const isZero64 = unary(0x50)
export const differs64 = binary(0x52)
export const countTrailingZeros64 = unary(0x7a)
export const countOnes64 = unary(0x7b)
export const low32 = unary(0xa7)
export const extendUnsigned32 = unary(0xad)

/** Sixteen bytes at an address and an offset. */
export const load16 = (address: Code, offset: number): Code => [address, 0xfd, 0, 0, unsigned(offset)]
/** Sixteen times one byte. */
export const repeat16 = (byte: number): Code => [0xfd, 12, Array<number>(16).fill(byte)]
export const or128 = binary(0xfd, 0x50)
/** 0xff for each of sixteen bytes that is the same in both. */
export const areEqual8 = binary(0xfd, 0x23)
/** The highest bit of each of sixteen bytes, the first one as the lowest bit. */
export const topBits8 = unary(0xfd, 0x64)

export const store32 = (address: number, value: Code): Code => [int32(address), value, 0x36, 2, 0]

const NO_RESULT = 0x40
const END = 0x0b
/** A block can be left by `leave`. */
export const block = (...body: readonly Code[]): Code => [0x02, NO_RESULT, body, END]
/** A loop begins again by `leave`, and ends otherwise. */
export const loop = (...body: readonly Code[]): Code => [0x03, NO_RESULT, body, END]
export const when = (condition: Code, then: readonly Code[], otherwise: readonly Code[] = []): Code => [
  condition,
  0x04,
  NO_RESULT,
  then,
  otherwise.length === 0 ? [] : [0x05, otherwise],
  END,
]
/** @param levels of blocks, loops and conditions around this place that stay within the one meant */
export const leave = (levels: number): Code => [0x0c, levels]
export const leaveIf = (levels: number, condition: Code): Code => [condition, 0x0d, levels]

/** One function, `run`, over the memory that is imported as `host.memory`. */
export interface Program {
  readonly parameters: readonly number[]
  readonly result: number
  /** Types of the locals behind the parameters. */
  readonly locals: readonly number[]
  readonly body: readonly Code[]
}

/** The bytes of a module (5.5). */
export function writeModule({ parameters, result, locals, body }: Program): Uint8Array {
  const code = [sized(locals.map((type) => [1, type])), body, END]
  return Uint8Array.from([
    ...[0x00, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...writeSection(1, [0x60, sized(parameters), sized([result])]),
    ...writeSection(2, [nameOf('host'), nameOf('memory'), 2, 0, 1]),
    ...writeSection(3, 0),
    ...writeSection(7, [nameOf('run'), 0, 0]),
    ...writeSection(10, [unsigned(flatten(code).length), code]),
  ])
}

/** A section with one item. */
function writeSection(id: number, item: Code): number[] {
  const bytes = flatten(sized([item]))
  return [id, ...unsigned(bytes.length), ...bytes]
}

function nameOf(text: string): Code {
  return sized([...Buffer.from(text)])
}

function flatten(code: Code, bytes: number[] = []): number[] {
  if (typeof code === 'number') bytes.push(code)
  else for (const part of code) flatten(part, bytes)
  return bytes
}
