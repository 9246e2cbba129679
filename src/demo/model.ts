import type { Prompt } from './prompt.js'
import { chooseTool, createArguments } from './tool.js'

/** The answer to a prompt. The same prompt always gets the same answer. */
export interface Generation {
  /** The name of the tool that is called; null if the answer is text. */
  readonly tool: string | null
  /** The text, or the JSON of the tool's arguments, in pieces of one token each. */
  readonly pieces: readonly string[]
  /** Why the answer ends. */
  readonly end: 'done' | 'stop' | 'tool' | 'length'
  /** The stop sequence that was reached, if `end` is `stop`. It is not part of the pieces. */
  readonly stop: string | null
  readonly inputTokens: number
  readonly outputTokens: number
}

/** With this model name, a request that has tools gets a tool call even if the user does not name the tool. */
export const TOOLS_MODEL = 'thinwire-demo-tools'

/**
 * With such a name, a streamed chat is silent for this number of seconds after its first chunk. It tests the timeouts
 * of proxies in front.
 */
const SILENT_MODEL = /^thinwire-demo-silent-(\d{1,4})$/

/** Reads the silence that a model name asks for. @returns milliseconds; 0 for any other model */
export function readSilence(model: string): number {
  return Number(SILENT_MODEL.exec(model)?.[1] ?? 0) * 1000
}

/** Characters of the user's text that the answer repeats: the answer must not grow with the prompt. */
const ECHO_CHARACTERS = 80
const ARGUMENT_CHARACTERS = 40

const SETUP =
  'To talk to a real provider, set OPENAI_API_KEY or ANTHROPIC_API_KEY and start Thinwire again. 🚀'

/**
 * Words of at most eight letters with the space before them, punctuation, blanks: about four bytes each, like the
 * tokens of real models. The `u` flag keeps surrogate pairs whole, so every piece is valid UTF-8.
 */
const PIECE = /\s?[\p{L}\p{N}]{1,8}|\s?[^\s\p{L}\p{N}]{1,3}|\s+/gu

/** Answers a conversation: with a tool call (see chooseTool), or else with a few friendly sentences. */
export function answer(prompt: Prompt): Generation {
  const userText = findUserText(prompt)
  const tool = chooseTool(prompt, userText, prompt.model === TOOLS_MODEL)
  if (tool === null) return finish(prompt, null, createReply(prompt, userText))
  return finish(
    prompt,
    tool.name,
    createArguments(tool, createSnippet(userText, ARGUMENT_CHARACTERS) || 'demo'),
  )
}

/** Continues a completion prompt: with a comment after code, else with a sentence. */
export function continueText(prompt: Prompt): Generation {
  const text = prompt.turns.at(-1)?.texts.at(-1) ?? ''
  return finish(prompt, null, createContinuation(text))
}

/** Shortens a text to at most `characters` on one line, with an ellipsis if something is missing. */
export function createSnippet(text: string, characters: number): string {
  // A prompt may have megabytes. Only its beginning can be shown.
  const line = text
    .trim()
    .slice(0, characters * 8)
    .replace(/\s+/g, ' ')
  const whole = Array.from(line)
  return whole.length <= characters ? line : `${whole.slice(0, characters).join('').trimEnd()}…`
}

/** Splits a text into pieces of one token each. */
export function splitPieces(text: string): string[] {
  return text.match(PIECE) ?? []
}

function createReply(prompt: Prompt, userText: string): string {
  const last = prompt.turns.at(-1)
  if (last?.role === 'tool') {
    const result = createSnippet(last.texts.join(' '), ECHO_CHARACTERS)
    return `Thank you! 🔧 The tool returned ${result === '' ? 'nothing' : `“${result}”`}. This is Thinwire's demo upstream, so that is all I make of it. ${SETUP}`
  }
  const echo = createSnippet(userText, ECHO_CHARACTERS)
  const quote = echo === '' ? '' : `You wrote: “${echo}”. `
  return `Hello! 👋 This is Thinwire's demo upstream: there is no real model here, but every byte of this answer came through the relay. ${quote}${SETUP}`
}

function createContinuation(text: string): string {
  if (/[{};)=\]]\s*$/.test(text.slice(-16))) {
    return `\n  // Thinwire's demo upstream would write code here. ✨ ${SETUP}\n`
  }
  const start = /[.!?…]\s*$/.test(text.slice(-16)) ? ' And so it goes on' : ' and so it goes on'
  return `${start}, says Thinwire's demo upstream, which is no real model. ✨ ${SETUP}`
}

/** Finds the user's own words in the last user turn. Cursor puts them in tags after the context that it adds. */
function findUserText(prompt: Prompt): string {
  const text = prompt.turns.findLast((turn) => turn.role === 'user')?.texts.at(-1) ?? ''
  const open = text.lastIndexOf('<user_query>')
  const close = text.lastIndexOf('</user_query>')
  return open !== -1 && close > open ? text.slice(open + '<user_query>'.length, close) : text
}

function finish(prompt: Prompt, tool: string | null, text: string): Generation {
  let stop: string | null = null
  let cut = text.length
  // Stop sequences are for text: real models do not apply them to the arguments of a tool.
  for (const candidate of tool === null ? prompt.stops : []) {
    const at = text.indexOf(candidate)
    if (at !== -1 && at < cut) {
      cut = at
      stop = candidate
    }
  }
  const all = splitPieces(text.slice(0, cut))
  const tooLong = all.length > prompt.maxTokens
  const pieces = tooLong ? all.slice(0, prompt.maxTokens) : all
  const end = tooLong ? 'length' : tool !== null ? 'tool' : stop !== null ? 'stop' : 'done'
  return {
    tool,
    pieces,
    end,
    stop: tooLong ? null : stop,
    inputTokens: prompt.tokens,
    outputTokens: pieces.length,
  }
}
