/** A call as a model makes it. */
export interface ModelCall {
  readonly name: string
  /** JSON text of the arguments; of `ApplyPatch` the free text. */
  readonly input: string
  /** Found in the input, and in no other call's; null if the input is empty. */
  readonly nonce: string | null
}

/** What a model says in one turn. */
export interface ModelAnswer {
  /** Empty: it does not think. */
  readonly thinking: string
  readonly text: string
  readonly calls: readonly ModelCall[]
}

/** The custom tool of Cursor's agent: its input is free text. */
export const PATCH_TOOL = 'ApplyPatch'

/** The tools that are functions. */
export const FUNCTIONS = ['Shell', 'read_file', 'Grep'] as const

export type Random = () => number

export const pick = <T>(random: Random, values: readonly T[]): T =>
  values[Math.floor(random() * values.length)] as T

/** Values whose digits and escapes no translation may change. */
const VALUES = [
  ...['2512292042121000001', '1e400', '1.0', '-0', '0.1000', '1E5', '9223372036854775807', 'null', 'true'],
  ...['"Grüß \\u00dcber 🦊"', '"line\\nnext \\"quoted\\" \\\\ end"', '"\\ud83e\\udd8a"', '[]', '{}', '""'],
  ...['[1.50,{"deep":[[-0.0]]}]', '"data: [DONE]"', '"</think>"', '"{\\"json\\":1}"'],
]

const TEXTS = [
  ...['I look at it.', 'Grüß Gott 🦊', 'one\ntwo\n\nthree', ' starts with a space', 'ends with one '],
  ...['"quoted" \\ slash', 'data: [DONE]', '`code` and {"json": 1}', '漢字かな', 'a'.repeat(700)],
]

/** Draws what a model says next. @param n of the turn: no two turns say the same */
export function drawAnswer(random: Random, n: number): ModelAnswer {
  const count = random() < 0.7 ? 1 + Math.floor(random() * 3) : 0
  const calls = Array.from({ length: count }, (_, k) => drawCall(random, `n${n}x${k}`))
  // Rarely, a model thinks and says nothing.
  const hasText = random() < (count === 0 ? 0.85 : 0.5)
  return {
    thinking: `thought ${n}: ${pick(random, TEXTS)}`,
    text: hasText ? `${pick(random, TEXTS)}${n}` : '',
    calls,
  }
}

function drawCall(random: Random, nonce: string): ModelCall {
  if (random() < 0.2) {
    const text = `*** Begin Patch\n*** Nonce: ${nonce}\n+ "a" \\ 🦊\n*** End Patch`
    return { name: PATCH_TOOL, input: text, nonce }
  }
  const name = pick(random, FUNCTIONS)
  if (random() < 0.08) return { name, input: '{}', nonce: null }
  const members = Array.from(
    { length: Math.floor(random() * 4) },
    (_, k) => `"k${k}":${pick(random, VALUES)}`,
  )
  return { name, input: `{${[`"nonce":"${nonce}"`, ...members].join(',')}}`, nonce }
}

/** Splits a text at random places, never within a character. */
export function splitText(random: Random, text: string): string[] {
  const letters = [...text]
  const pieces: string[] = []
  for (let at = 0; at < letters.length; ) {
    const size = 1 + Math.floor(random() * Math.max(12, letters.length / 3))
    pieces.push(letters.slice(at, at + size).join(''))
    at += size
  }
  return pieces
}
