import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout } from 'node:timers/promises'

/** What the model has to complete. */
export interface Question {
  readonly before: string
  readonly behind: string
  readonly maxTokens: number
  readonly stop: string
}

export interface ModelSettings {
  /** The final text, from which the model knows the continuation. */
  readonly finalText: string
  /** Share of words that the model guesses right. */
  readonly right: number
  /** How many times faster than a real model it is. */
  readonly speed: number
}

/** Median time to the first token, and the deviation of its logarithm. */
const FIRST_TOKEN_MS = 180
const FIRST_TOKEN_SPREAD = 0.35
/** A hundred tokens a second, like a small model. */
const TOKEN_MS = 10

/** Share of lines at which a completion ends. */
const ENDS_WITH_LINE = 0.6

/** Number of equal characters by which a place in the text is recognized. */
const KNOWN_AGAIN = 12
const LOOKED_BACK = 200

/** Where FIM tokens are in the prompt itself (Qwen, StarCoder and others; the spelling differs). */
export const FIM = { prefix: '<|fim_prefix|>', suffix: '<|fim_suffix|>', middle: '<|fim_middle|>' }

export interface Completion {
  readonly tokens: readonly string[]
  /** `length`: the completion was cut off at `max_tokens`. */
  readonly finish: 'stop' | 'length'
}

/**
 * The model's completion, always the same for the same question. It is the final text up to the text behind the cursor
 * or to a line at which the model ends, with some words guessed wrong. If the prompt is not in the final text, such as
 * after a wrong key, the model invents a line.
 */
export function complete(
  { before, behind, maxTokens, stop }: Question,
  { finalText, right }: Pick<ModelSettings, 'finalText' | 'right'>,
): Completion {
  const at = placeOf(before, finalText)
  const text =
    at === null ? madeUp(before, finalText) : guessed(finalText, at, endOf(behind, finalText, at), right)
  const stopAt = stop === '' ? -1 : text.indexOf(stop, 1)
  const all = tokens(stopAt === -1 ? text : text.slice(0, stopAt))
  return { tokens: all.slice(0, maxTokens), finish: all.length > maxTokens ? 'length' : 'stop' }
}

/** Finds the place in the text that has most characters in common with the end of the prompt; null if too few. */
function placeOf(before: string, text: string): number | null {
  let best: number | null = null
  let most = Math.min(KNOWN_AGAIN, before.length) - 1
  const last = before.at(-1)
  for (let at = 1; at <= text.length; at++) {
    if (text[at - 1] !== last) continue
    let common = 1
    while (common < LOOKED_BACK && common < at && text[at - 1 - common] === before.at(-1 - common)) common++
    if (common > most) [best, most] = [at, common]
  }
  return best
}

/** Where the model ends: where the text behind the cursor begins, or at the end of an earlier line. */
function endOf(behind: string, text: string, at: number): number {
  const found = behind.trim() === '' ? -1 : text.indexOf(behind.slice(0, LOOKED_BACK), at)
  const last = found === -1 ? text.length : found
  for (let line = text.indexOf('\n', at + 1); line !== -1 && line < last; line = text.indexOf('\n', line + 1))
    if (chance(`end ${line}`) < ENDS_WITH_LINE) return line
  return last
}

function guessed(text: string, from: number, end: number, right: number): string {
  let guess = ''
  for (const { 0: word, index } of text.slice(from, end).matchAll(/\w+|\W+/g)) {
    const place = from + index
    // The guess depends on how many letters of the word are typed.
    const typed = index === 0 ? (/\w*$/.exec(text.slice(0, from))?.[0].length ?? 0) : 0
    const isKnown = !/\w/.test(word) || chance(`${place - typed} ${typed}`) < right
    guess += isKnown ? word : wordOf(text, `${place}`)
  }
  return guess
}

function madeUp(before: string, text: string): string {
  const seed = before.slice(-LOOKED_BACK)
  return `${[1, 2, 3, 4].map((n) => wordOf(text, seed + n)).join(' ')}\n`
}

function wordOf(text: string, seed: string): string {
  const words = text.match(/\w+/g) ?? ['']
  return words[Math.floor(chance(seed) * words.length)] as string
}

/** Splits a text into pieces of about the size of tokens. */
function tokens(text: string): string[] {
  return text.match(/\s?\w{1,6}|\n\s*|[^\w\n]{1,3}/g) ?? []
}

/** A number from 0 to 1, the same for the same text (FNV-1a, with its bits mixed once more). */
function chance(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d)
  hash = Math.imul(hash ^ (hash >>> 13), 0x297a2d39)
  return ((hash ^ (hash >>> 16)) >>> 0) / 4294967296
}

/** Time to the first token in milliseconds, the same for the same prompt. */
function firstTokenMs(seed: string): number {
  const normal = [1, 2, 3, 4, 5, 6].reduce((sum, n) => sum + chance(`${n}${seed}`), -3) * Math.SQRT2
  return FIRST_TOKEN_MS * Math.exp(FIRST_TOKEN_SPREAD * normal)
}

/** A completion API on loopback with the speed of a real one. It counts its requests. */
export class TypingUpstream {
  /** Requests by model. */
  readonly asked = new Map<string, number>()
  private readonly settings: ModelSettings
  private readonly server: Server

  private constructor(settings: ModelSettings) {
    this.settings = settings
    this.server = createServer({ noDelay: true }, (req, res) => {
      // A cancelled request gets no response.
      this.answer(req, res).catch(() => res.destroy())
    })
  }

  static async start(settings: ModelSettings): Promise<TypingUpstream> {
    const upstream = new TypingUpstream(settings)
    await new Promise<void>((resolve) => upstream.server.listen(0, '127.0.0.1', resolve))
    return upstream
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  close(): void {
    this.server.close()
    this.server.closeAllConnections()
  }

  private async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of req) pieces.push(piece as Buffer)
    if (req.method !== 'POST') {
      res.writeHead(404).end()
      return
    }
    const body = JSON.parse(Buffer.concat(pieces).toString()) as CompletionRequest
    this.asked.set(body.model, (this.asked.get(body.model) ?? 0) + 1)
    const gone = new AbortController()
    res.once('close', () => gone.abort())
    const startedAt = performance.now()
    /** Waits until a time since the request, so that delays of timers do not add up. */
    const until = async (ms: number): Promise<void> => {
      const rest = startedAt + ms / this.settings.speed - performance.now()
      if (rest > 0) await setTimeout(rest, undefined, { signal: gone.signal })
    }
    const { tokens: completion, finish } = complete(questionOf(body), this.settings)
    const head = { id: 'cmpl-typing', object: 'text_completion', created: 0, model: body.model }
    const usage = { prompt_tokens: tokens(body.prompt).length, completion_tokens: completion.length }
    let due = firstTokenMs(body.prompt)
    if (!body.stream) {
      await until(due + completion.length * TOKEN_MS)
      const choice = { text: completion.join(''), index: 0, logprobs: null, finish_reason: finish }
      res.writeHead(200, { 'content-type': 'application/json' })
      res.end(JSON.stringify({ ...head, choices: [choice], usage }))
      return
    }
    await until(due)
    res.writeHead(200, { 'content-type': 'text/event-stream' })
    const sendEvent = (text: string, reason: string | null): void => {
      const choice = { text, index: 0, logprobs: null, finish_reason: reason }
      res.write(`data: ${JSON.stringify({ ...head, choices: [choice] })}\n\n`)
    }
    for (const token of completion) {
      sendEvent(token, null)
      due += TOKEN_MS
      await until(due)
    }
    sendEvent('', finish)
    res.end('data: [DONE]\n\n')
  }
}

/** The fields of a request that are read (OpenAI API reference, Completions). */
export interface CompletionRequest {
  readonly model: string
  readonly prompt: string
  readonly suffix?: string
  readonly stream: boolean
  readonly max_tokens: number
  readonly stop: string
}

export function questionOf({ prompt, suffix, max_tokens, stop }: CompletionRequest): Question {
  const limits = { maxTokens: max_tokens, stop }
  if (!prompt.startsWith(FIM.prefix)) return { before: prompt, behind: suffix ?? '', ...limits }
  const [before = '', behind = ''] = prompt.slice(FIM.prefix.length, -FIM.middle.length).split(FIM.suffix)
  return { before, behind, ...limits }
}
