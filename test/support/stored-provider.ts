import { gzipSync } from 'node:zlib'
import { type Received, type Script, ScriptedUpstream, whole } from './upstream.js'

interface Kept {
  readonly id: string
  readonly kind: string
  /** Tokens of the prompt: another number for each object, by which its record is found. */
  readonly prompt: number
  /** Of a run: its thread. */
  readonly parent: string
  /** Looks at it until it is done; 0: it is done. */
  pending: number
  isDeleted: boolean
}

/**
 * A provider that keeps what it makes, each object with its own number of tokens: responses, chat completions,
 * conversations, threads with runs, batches, files, and Anthropic's message batches.
 */
export class StoredProvider {
  readonly upstream: ScriptedUpstream
  readonly kept: Map<string, Kept>
  /** `METHOD PATH`, behind the version, in the order of the requests. */
  readonly asked: string[]
  /** It answers 503 to everything. */
  isDown: boolean
  /** It makes at once what else it makes later. */
  isPrompt: boolean
  /** Its responses are compressed. */
  isCompressed: boolean

  private constructor(upstream: ScriptedUpstream, kept: Map<string, Kept>, asked: string[]) {
    this.upstream = upstream
    this.kept = kept
    this.asked = asked
    this.isDown = false
    this.isPrompt = false
    this.isCompressed = false
  }

  /** @param name stands in the ids @param pending looks at what is made later until it is done */
  static async start(name: string, pending = 2): Promise<StoredProvider> {
    const kept = new Map<string, Kept>()
    const asked: string[] = []
    const script: Script = (request) => provider.answer(name, pending, request)
    const provider: StoredProvider = new StoredProvider(await ScriptedUpstream.start(script), kept, asked)
    return provider
  }

  get url(): string {
    return this.upstream.url
  }

  close(): Promise<void> {
    return this.upstream.close()
  }

  private answer(name: string, pending: number, request: Received): Promise<void> {
    const path = request.target.replace(/^\/v1/, '').replace(/\?.*/, '')
    this.asked.push(`${request.method} ${path}`)
    if (this.isDown) return request.write(this.json('503 Busy', { error: { message: 'down' } }))
    const maker = request.method === 'POST' ? findMaker(path) : null
    if (maker !== null) return this.make(name, maker, pending, request)
    const ids = path.split('/').filter((segment) => this.kept.has(segment))
    const object = this.kept.get(ids.at(-1) ?? '')
    if (object === undefined || object.isDeleted)
      return request.write(
        this.json('404 Not Found', { error: { message: `upstream ${name} has no ${path}` } }),
      )
    if (request.method === 'DELETE') {
      object.isDeleted = true
      return request.write(
        this.json('200 OK', { id: object.id, object: `${object.kind}.deleted`, deleted: true }),
      )
    }
    if (path.endsWith('/input_items') || path.endsWith('/messages'))
      return request.write(this.json('200 OK', { object: 'list', data: [] }))
    if (path.endsWith('/cancel')) object.pending = 0
    else if (object.pending > 0) object.pending--
    const shown = show(object)
    return request.write(
      request.target.includes('stream=true') ? this.stream(shown) : this.json('200 OK', shown),
    )
  }

  private make(name: string, [kind, prefix]: Maker, pending: number, request: Received): Promise<void> {
    const body = JSON.parse(request.body.toString() || '{}') as Record<string, unknown>
    const id = `${prefix}${name}${this.kept.size}`
    const isLater = !this.isPrompt && (body.background === true || LATER.includes(kind))
    const prompt = 1_000_000 * (name.charCodeAt(0) - 96) + 1_000 + this.kept.size
    const [, , parent = ''] = request.target.replace(/^\/v1/, '').split('/')
    const object = { id, kind, prompt, parent, pending: isLater ? pending : 0, isDeleted: false }
    this.kept.set(id, object)
    return request.write(body.stream === true ? this.stream(show(object)) : this.json('200 OK', show(object)))
  }

  private json(status: string, value: unknown): Buffer {
    return this.encode(status, JSON.stringify(value), 'content-type: application/json')
  }

  private stream(response: Record<string, unknown>): Buffer {
    const begun = { type: 'response.created', response: { ...response, status: 'in_progress', usage: null } }
    const ended = { type: 'response.completed', response }
    const events = response.status === 'completed' ? [begun, ended] : [begun]
    const text = events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('')
    return this.encode('200 OK', text, 'content-type: text/event-stream')
  }

  private encode(status: string, text: string, type: string): Buffer {
    if (!this.isCompressed) return whole(status, text, type)
    return whole(status, gzipSync(text), type, 'content-encoding: gzip')
  }
}

/** The kind of what is made, and how its ids begin. */
type Maker = readonly [kind: string, prefix: string]

const MAKERS: readonly (readonly [RegExp, ...Maker])[] = [
  [/^\/responses$/, 'response', 'resp_'],
  [/^\/chat\/completions$/, 'chat.completion', 'chatcmpl-'],
  [/^\/conversations$/, 'conversation', 'conv_'],
  [/^\/threads$/, 'thread', 'thread_'],
  [/^\/threads\/[^/]+\/runs$/, 'thread.run', 'run_'],
  [/^\/batches$/, 'batch', 'batch_'],
  [/^\/files$/, 'file', 'file-'],
  [/^\/messages\/batches$/, 'message_batch', 'msgbatch_'],
  [/^\/fine_tuning\/jobs$/, 'fine_tuning.job', 'ftjob-'],
  [/^\/vector_stores$/, 'vector_store', 'vs_'],
  [/^\/videos$/, 'video', 'video_'],
  [/^\/uploads$/, 'upload', 'upload_'],
  [/^\/containers$/, 'container', 'cntr_'],
  [/^\/evals$/, 'eval', 'eval_'],
]

const LATER = ['thread.run', 'batch']

function findMaker(path: string): Maker | null {
  for (const [pattern, kind, prefix] of MAKERS) if (pattern.test(path)) return [kind, prefix]
  return null
}

function show({ id, kind, prompt, parent, pending }: Kept): Record<string, unknown> {
  const isDone = pending === 0
  const base = kind === 'message_batch' ? { id, type: kind } : { id, object: kind }
  if (kind === 'chat.completion') {
    const usage = { prompt_tokens: prompt, completion_tokens: 7, total_tokens: prompt + 7 }
    return { ...base, model: 'm', choices: [], usage }
  }
  if (kind === 'response' || kind === 'batch') {
    const status = isDone ? 'completed' : 'in_progress'
    const counts = { input_tokens: prompt, output_tokens: 7, total_tokens: prompt + 7 }
    // A batch counts while it works.
    const usage = isDone ? counts : kind === 'batch' ? { ...counts, output_tokens: 1 } : null
    return { ...base, status, model: 'm', output: [], usage }
  }
  if (kind === 'thread.run') {
    const usage = { prompt_tokens: prompt, completion_tokens: 7, total_tokens: prompt + 7 }
    return {
      ...base,
      status: isDone ? 'completed' : 'queued',
      thread_id: parent,
      usage: isDone ? usage : null,
    }
  }
  return base
}
