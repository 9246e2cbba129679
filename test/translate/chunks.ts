import type { Translation } from '../../src/translate/translation.js'

/** A chunk of a chat completion without the members that all chunks share. */
export type Chunk =
  | { readonly delta: object; readonly finish?: string }
  | { readonly usage: object }
  | { readonly error: object }
  /** A comment line, or `[DONE]`. */
  | string

export const ROLE: Chunk = { delta: { role: 'assistant', content: '' } }
export const DONE: Chunk = '[DONE]'
export const say = (content: string): Chunk => ({ delta: { content } })
export const think = (text: string): Chunk => ({ delta: { reasoning_content: text } })
export const open = (index: number, id: string, name: string): Chunk => ({
  delta: { tool_calls: [{ index, id, type: 'function', function: { name, arguments: '' } }] },
})
export const argue = (index: number, text: string): Chunk => ({
  delta: { tool_calls: [{ index, function: { arguments: text } }] },
})
export const finish = (reason: string): Chunk => ({ delta: {}, finish: reason })

/** The members that all chunks share. */
export interface Head {
  readonly id: string
  readonly created: number
  readonly model: string
}

export interface Written {
  readonly chunks: Chunk[]
  /** Null if there is no chunk. */
  readonly head: Head | null
}

/** Reads a written stream strictly: each event is one line of data and a blank line. */
export function readChunks(text: string): Written {
  const chunks: Chunk[] = []
  let head: Head | null = null
  const blocks = text.split('\n\n')
  if (blocks.pop() !== '') throw new Error('it does not end with a blank line')
  for (const block of blocks) {
    if (block.startsWith(':')) {
      chunks.push(block)
      continue
    }
    if (!block.startsWith('data: ') || block.includes('\n')) throw new Error(`an odd event: ${block}`)
    const data = block.slice('data: '.length)
    if (data === '[DONE]') {
      chunks.push(data)
      continue
    }
    const { id, object, created, model, choices, ...more } = JSON.parse(data)
    if (more.error !== undefined) {
      chunks.push({ error: more.error })
      continue
    }
    if (object !== 'chat.completion.chunk') throw new Error(`an odd object: ${data}`)
    if (head === null) head = { id, created, model }
    else if (JSON.stringify(head) !== JSON.stringify({ id, created, model }))
      throw new Error(`another head: ${data}`)
    if (choices.length === 0) chunks.push({ usage: more.usage })
    else {
      const { index, delta, logprobs, finish_reason: reason } = choices[0]
      if (choices.length > 1 || index !== 0 || logprobs !== null) throw new Error(`odd choices: ${data}`)
      chunks.push(reason === null ? { delta } : { delta, finish: reason })
    }
  }
  return { chunks, head }
}

/** All bytes that a translation returns for a response in these pieces. */
export function translate(translation: Translation, pieces: readonly Buffer[]): string {
  const out = pieces.map((piece) => Buffer.from(translation.push(Buffer.from(piece))))
  return Buffer.concat([...out, translation.end()]).toString()
}

/** The bytes in two pieces, for each place of the cut, and then byte by byte. */
export function* cutsOf(bytes: Buffer): Generator<Buffer[]> {
  for (let at = 0; at <= bytes.length; at++) yield [bytes.subarray(0, at), bytes.subarray(at)]
  yield Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
}

export interface Event {
  readonly type: string
  readonly [field: string]: unknown
}

/** Events as the Responses and the Messages API send them. */
export function named(...events: readonly Event[]): string {
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
}
