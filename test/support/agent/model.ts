import type { ConversationApi } from '../../../src/api/apis.js'
import { cutAt } from '../cuts.js'
import type { Fields } from '../readers/events.js'
import { CHUNKED, head, type Received, type Script, ScriptedUpstream, SSE, whole } from '../upstream.js'
import type { ModelAnswer, ModelCall, Random } from './answers.js'

/** A response before it is sent. */
export interface Written {
  /** Whole, or the events of a stream one by one. */
  readonly parts: readonly string[]
  /** Parts from here on say that the answer is complete. */
  readonly ending: number
  /** What is shown of the thinking. Missing: all of it. */
  readonly shown?: string
}

/** One of the four APIs, as a model double plays it. */
export interface ModelApi {
  readonly api: ConversationApi
  /** Why the vendor would refuse the body. */
  validate(body: Fields): string[]
  isStreamed(request: Received, body: Fields): boolean
  /** Whether the model is asked to think. */
  thinks(body: Fields): boolean
  /** Remembers the thinking that the vendor wants back, and writes the answer. */
  write(answer: ModelAnswer, streamed: boolean, body: Fields): Written
  /** What the vendor would refuse, of the thinking of earlier turns. */
  checkThinking(body: Fields): string[]
  /** The calls in the conversation of a body, in their order, with their exact inputs. */
  listCalls(body: Fields, text: string): ModelCall[]
  /** The member of the body that grows. */
  readonly list: 'messages' | 'input' | 'contents'
}

/** An error in the middle of a stream, as each API says it. */
const ERROR_EVENTS: Readonly<Record<ConversationApi, string>> = {
  chat: 'data: {"error":{"message":"told by the model","type":"server_error","param":null,"code":null}}\n\n',
  responses:
    'event: error\ndata: {"type":"error","sequence_number":99,"code":"server_error","message":"told by the model","param":null}\n\n',
  messages:
    'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"told by the model"}}\n\n',
  gemini: 'data: {"error":{"code":503,"message":"told by the model","status":"UNAVAILABLE"}}\r\n\r\n',
}

/** What a double says next in one session, and what it has seen of it. */
export class Cue {
  /** Of each request, in their order. */
  readonly bodies: Buffer[] = []
  /** What was said last. */
  made: ModelAnswer | null = null
  next: ModelAnswer | null = null
  /** From 0 to 1: where the next response is broken off. */
  breakAt: number | null = null
  /** Where it is broken off, the upstream says an error, and ends the response well. */
  saysError = false
  /** Why the last request was refused, with its body; null if it was not. */
  refusal: string | null = null
  /**
   * How often, from 0 to 1, a stream comes in place of a whole answer, or the other way round: some gateways have one
   * form alone.
   */
  oddForms = 0
}

/**
 * A model behind an upstream: it judges each request and answers what the test has put next. It is the cue of all
 * requests that belong to no other one.
 */
export class ModelDouble extends Cue {
  readonly upstream: ScriptedUpstream
  readonly rules: ModelApi
  /** A response in place of the answer; null if there is none. */
  failure: { readonly status: string; readonly body: string } | null = null
  /** Requests that asked the model to think. */
  thought = 0
  private readonly random: Random
  /** By a text that stands in all bodies of the session. */
  private readonly cues = new Map<string, Cue>()

  private constructor(upstream: ScriptedUpstream, rules: ModelApi, random: Random) {
    super()
    this.upstream = upstream
    this.rules = rules
    this.random = random
  }

  static async start(rules: ModelApi, random: Random): Promise<ModelDouble> {
    let double: ModelDouble | null = null
    const script: Script = (request) => double?.answer(request)
    const upstream = await ScriptedUpstream.start(script)
    double = new ModelDouble(upstream, rules, random)
    return double
  }

  /** The cue of the session whose bodies have this text: sessions that run at the same time have one each. */
  cueFor(mark: string): Cue {
    const cue = this.cues.get(mark) ?? new Cue()
    this.cues.set(mark, cue)
    return cue
  }

  private findCue(text: string): Cue {
    for (const [mark, cue] of this.cues) if (text.includes(mark)) return cue
    return this
  }

  private async answer(request: Received): Promise<void> {
    const { rules, random } = this
    const text = request.body.toString()
    const body = JSON.parse(text) as Fields
    const cue = this.findCue(text)
    const { next } = cue
    cue.bodies.push(request.body)
    const problems = [...rules.validate(body), ...rules.checkThinking(body)]
    if (next === null) problems.push('nobody expects a request')
    if (problems.length > 0) {
      cue.refusal = `${rules.api}: ${problems.join('; ').slice(0, 3000)}\n${process.env.SHOW_BODY === '1' ? text : ''}`
      const error = { error: { message: `refused by the ${rules.api} double`, problems } }
      await request.write(whole('400 Bad Request', JSON.stringify(error), 'content-type: application/json'))
      return
    }
    if (this.failure !== null) {
      const { status, body } = this.failure
      await request.write(whole(status, body, 'content-type: application/json'))
      return
    }
    const asked = rules.isStreamed(request, body)
    const streamed = random() < cue.oddForms ? !asked : asked
    const thinks = rules.thinks(body)
    if (thinks) this.thought++
    const made = { ...(next as ModelAnswer), ...(thinks ? null : { thinking: '' }) }
    const written = rules.write(made, streamed, body)
    cue.made = { ...made, thinking: written.shown ?? made.thinking }
    await this.send(request, written, streamed, cue)
  }

  private async send(
    request: Received,
    { parts, ending }: Written,
    streamed: boolean,
    { breakAt, saysError }: Cue,
  ): Promise<void> {
    const { random } = this
    const bytes = Buffer.from(parts.join(''))
    await request.write(head('200 OK', streamed ? SSE : 'content-type: application/json', CHUNKED))
    const kept = parts.slice(0, streamed ? ending : undefined)
    const most = Buffer.byteLength(kept.join('')) - (streamed ? 0 : 1)
    if (breakAt !== null && streamed && saysError) {
      await request.chunk(kept.slice(0, Math.floor(breakAt * (kept.length + 1))).join(''))
      await request.chunk(ERROR_EVENTS[this.rules.api])
      await request.lastChunk()
      return
    }
    const sent = breakAt === null ? bytes : bytes.subarray(0, Math.floor(breakAt * most))
    const places = Array.from({ length: Math.floor(random() * 4) }, () => Math.floor(random() * sent.length))
    const pieces = cutAt(
      sent,
      places.sort((a, b) => a - b),
    )
    for (const piece of pieces) await request.chunk(piece)
    if (breakAt === null) await request.lastChunk()
    else request.destroy()
  }
}
