import type { Fields } from '../readers/events.js'
import type { Received } from '../upstream.js'
import { membersOf } from '../vendors/checks.js'
import { type ModelCall, PATCH_TOOL, type Random } from './answers.js'

export const quote = JSON.stringify
const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789'

export function drawId(random: Random, prefix: string): string {
  return `${prefix}${Array.from({ length: 24 }, () => LETTERS[Math.floor(random() * 62)]).join('')}7a`
}

/** The arguments of a function that stands for the custom tool. */
export const inputOf = ({ name, input }: ModelCall): string =>
  name === PATCH_TOOL ? `{"input":${quote(input)}}` : input

export const streamFlag = (_: Received, body: Fields): boolean => body.stream === true

export const sse = (json: string): string => `data: ${json}\n\n`
export const named = (type: string, rest: string): string =>
  `event: ${type}\ndata: {"type":"${type}"${rest === '' ? '' : `,${rest}`}}\n\n`

/** The call of a body by its name and exact input. @param text of the input: its nonce is found in it */
export function callOf(name: unknown, text: string): ModelCall {
  const nonce = /n\d+x\d+/.exec(text)?.[0] ?? null
  return { name: String(name), input: text, nonce }
}

/** The input of a call that was sent as a function: the text of the custom tool is taken out. */
export function plainInput(name: unknown, args: string): string {
  return name === PATCH_TOOL ? String(membersOf(JSON.parse(args)).input) : args
}

/** The calls whose inputs are objects: their exact text is looked for in the body. */
export function listObjectCalls(
  text: string,
  calls: readonly { name: unknown; input: unknown }[],
): ModelCall[] {
  return calls.map(({ name, input }) => {
    const { nonce } = membersOf(input)
    if (name === PATCH_TOOL) return callOf(name, String(membersOf(input).input))
    if (typeof nonce !== 'string') return callOf(name, quote(input))
    const start = text.indexOf(`{"nonce":"${nonce}"`)
    return callOf(name, text.slice(start, findEnd(text, start)))
  })
}

/** The index behind the object that starts here. */
function findEnd(text: string, start: number): number {
  let depth = 0
  let quoted = false
  for (let at = start; at < text.length; at++) {
    const letter = text[at]
    if (quoted) {
      if (letter === '\\') at++
      else if (letter === '"') quoted = false
    } else if (letter === '"') quoted = true
    else if (letter === '{') depth++
    else if (letter === '}' && --depth === 0) return at + 1
  }
  return text.length
}
