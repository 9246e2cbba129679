import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import type { Response } from '../client.js'
import { randomFrom } from '../random.js'
import { readChatStream } from '../readers/chat.js'
import { auth } from '../relay.js'
import { drawAnswer, type ModelAnswer, pick, type Random } from './answers.js'
import { drawUser, type Entry, keepAnswer, PIXEL, printRequest } from './cursor.js'
import type { Cue, ModelDouble } from './model.js'
import { measurePrefix } from './prefix.js'
import { type AgentAnswer, looksComplete, readAgentAnswer } from './read-answer.js'
import { MODEL_NAMES, type ModelName, type Stage } from './stage.js'

/** Of each answer of a double: the cached ones are a part of them, but for Claude's. */
const PROMPT_TOKENS = { chat: 12, responses: 12, messages: 16, gemini: 12 }

/** What a relay writes around thinking that it shows as text. */
const SHOWN = /<think>/

export interface SessionOptions {
  readonly shape: BodyApi
  readonly streamed: boolean
  readonly model: ModelName
  readonly turns: number
  /** No two sessions of a stage have the same. */
  readonly seed: number
  /** What the user says first. */
  readonly first?: string
  /** Missing: the relay's own. */
  readonly key?: string
}

/** What happened in a session. */
export interface SessionReport {
  requests: number
  calls: number
  cuts: number
  /** Cuts in place of which the model said an error, which the client read. */
  errors: number
  edits: number
  stops: number
  switches: number
  /** Pairs of bodies whose prefix was measured. */
  prefixes: number
  /** Requests that asked the model to think, and were answered with thinking. */
  thinking: number
}

/** Plays a session of Cursor's agent: see `Session.play`. */
export function playSession(stage: Stage, options: SessionOptions): Promise<SessionReport> {
  return new Session(stage, options).play()
}

class Session {
  private readonly stage: Stage
  private readonly options: SessionOptions
  private readonly random: Random
  /** Of the tools: it tells the session's bodies apart from all others. */
  private readonly purpose: string
  private history: Entry[]
  private model: ModelName
  /** The last whole body of each model since the history was edited. */
  private readonly lastBodies: Map<ModelName, Buffer>
  private readonly report: SessionReport

  constructor(stage: Stage, options: SessionOptions) {
    this.stage = stage
    this.options = options
    this.random = randomFrom(options.seed)
    const first = options.first ?? `session ${options.seed}: rename foo`
    this.history = [{ kind: 'user', text: first, image: null }]
    this.purpose = `run in session ${options.seed}.`
    this.model = options.model
    this.lastBodies = new Map()
    this.report = {
      requests: 0,
      calls: 0,
      cuts: 0,
      errors: 0,
      edits: 0,
      stops: 0,
      switches: 0,
      prefixes: 0,
      thinking: 0,
    }
  }

  /** Each turn is one request: the answer is checked and kept, and what Cursor and its user do next is drawn. */
  async play(): Promise<SessionReport> {
    const { turns } = this.options
    for (let n = 0; n < turns; n++) {
      // For four turns in the middle, another model answers.
      if (n === Math.floor(turns / 2)) this.switchModel(true)
      if (n === Math.floor(turns / 2) + 4) this.switchModel(false)
      const made = drawAnswer(this.random, this.options.seed * 1000 + n)
      if (this.random() < 0.12) await this.playCut(made)
      const read = await this.playTurn(made)
      this.history.push(keepAnswer(read))
      this.act(read, n)
    }
    return this.report
  }

  private get double(): ModelDouble {
    return this.stage.doubles[this.model]
  }

  private get cue(): Cue {
    return this.double.cueFor(this.purpose)
  }

  private switchModel(away: boolean): void {
    const others = MODEL_NAMES.filter((each) => each !== this.options.model)
    this.model = away ? pick(this.random, others) : this.options.model
    this.report.switches++
  }

  private async playTurn(made: ModelAnswer): Promise<AgentAnswer> {
    const { double, cue, options, report } = this
    cue.next = made
    cue.oddForms = 0.1
    cue.refusal = null
    const response = await this.ask()
    const body = cue.bodies.at(-1) as Buffer
    if (response.status !== 200) assert.unreachable(cue.refusal ?? `${response.body}\n${body}`)
    const read = readAgentAnswer(response, options.streamed)
    // Chunks of the model's own API pass as they are, in whatever form they have.
    if (options.streamed && double.rules.api !== 'chat') {
      const { usage } = readChatStream(response.body.toString())
      assert.is(usage?.prompt_tokens, PROMPT_TOKENS[double.rules.api])
    }
    const said = cue.made as ModelAnswer
    const { shown } = this.stage
    const tagged = shown === 'think_tags' && said.thinking !== '' ? `<think>${said.thinking}</think>\n\n` : ''
    assert.is(read.text, tagged + said.text)
    assert.is(read.thinking, shown === 'reasoning_content' ? said.thinking : '')
    assert.equal(
      read.calls.map(({ name, arguments: input }) => ({ name, input })),
      said.calls.map(({ name, input }) => ({ name, input })),
    )
    assert.is(read.reason, said.calls.length > 0 ? 'tool_calls' : 'stop')
    this.checkHistory(body)
    const last = this.lastBodies.get(this.model)
    if (last !== undefined) {
      measurePrefix(last, body, double.rules.list)
      report.prefixes++
    }
    this.lastBodies.set(this.model, body)
    report.requests++
    report.calls += said.calls.length
    if (said.thinking !== '') report.thinking++
    return read
  }

  /** The model gets each call of the history with its exact input. */
  private checkHistory(body: Buffer): void {
    const text = body.toString()
    assert.not(SHOWN.test(text), 'the model gets what Cursor was shown')
    const sent = this.double.rules.listCalls(JSON.parse(text), text)
    const kept = this.history.flatMap((entry) => (entry.kind === 'assistant' ? entry.calls : []))
    assert.equal(
      sent.map(({ name, input }) => ({ name, input })),
      kept.map(({ name, arguments: input }) => ({ name, input })),
    )
  }

  /** The upstream breaks off. The client must see no success, and asks again. */
  private async playCut(made: ModelAnswer): Promise<void> {
    const { cue, options } = this
    cue.next = made
    cue.breakAt = this.random()
    cue.saysError = this.random() < 0.5
    const response = await this.ask()
    cue.breakAt = null
    const body = response.body.toString()
    if (body.includes('told by the model')) this.report.errors++
    assert.not(looksComplete(response, options.streamed), `a cut looks complete: ${body.slice(-800)}`)
    this.report.cuts++
  }

  private async ask(): Promise<Response> {
    const { shape, streamed, key = this.stage.relay.key } = this.options
    const body = printRequest(shape, this.model, this.history, streamed, this.purpose)
    const client = await this.stage.relay.client()
    client.send(
      `POST /cursor/v1/chat/completions HTTP/1.1\r\n${auth({ key })}content-type: application/json\r\n` +
        `content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    )
    const response = await client.response()
    client.destroy()
    return response
  }

  /** What Cursor and its user do after an answer. */
  private act(read: AgentAnswer, n: number): void {
    const { random, history, report } = this
    if (read.calls.length === 0) history.push(drawUser(random, n))
    else {
      // Stop: some calls have no result, and the user writes something else.
      const isStopped = random() < 0.1
      const calls = random() < 0.3 ? [...read.calls].reverse() : read.calls
      for (const { id, name } of calls) {
        if (isStopped && random() < 0.7) continue
        const isError = random() < 0.15
        const text = isError ? `exit code 1 ${n}` : pick(random, ['ok', 'Grüße 🦊\n"x"', '{"a":1.0}', ''])
        if (random() < 0.05) history.push({ kind: 'system', text: `The user opened file ${n}.` })
        const image = random() < 0.1 ? PIXEL : null
        history.push({ kind: 'result', id, text, isError, name, image })
      }
      if (isStopped) {
        history.push(drawUser(random, n))
        report.stops++
      } else if (random() < 0.1) history.push({ kind: 'system', text: `Only a few turns are left: ${n}.` })
    }
    if (random() < 0.06) this.edit(n)
  }

  /** The user changes an earlier message, or removes a turn: from then on the bodies begin otherwise. */
  private edit(n: number): void {
    const { random, history } = this
    const users = history.flatMap((entry, at) => (entry.kind === 'user' && at > 0 ? [at] : []))
    if (users.length < 3) return
    const at = users[Math.floor(random() * (users.length - 1))] as number
    if (random() < 0.5) history[at] = { kind: 'user', text: `changed ${n}`, image: null }
    else history.splice(at, (users[users.indexOf(at) + 1] as number) - at)
    this.lastBodies.clear()
    this.report.edits++
  }
}
