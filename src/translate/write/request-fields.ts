import type { ModelTraits } from '../../api/model-traits.js'
import { type Peek, peekFields } from '../../json/peek.js'
import type { Conversation, Json, JsonString } from '../conversation.js'
import type { TranslationTarget } from '../conversation-request.js'
import type { ThoughtMemory } from '../thinking/thought-memory.js'

/** A conversation as the request of one target. */
export interface WrittenRequest {
  readonly body: Buffer
  /** Where the model and other fields stand in the body. */
  readonly peeked: Peek
  /** The endpoint behind the version. */
  readonly path: string
  /** The query in place of the client's, with its `?`; null: the client's. */
  readonly query: string | null
  /**
   * Names of fields that were left out, as the target does not have them or its model refuses them. A field that all
   * APIs have is named as in chat completions, any other one as in the client's body.
   */
  readonly dropped: readonly string[]
  /** Names of custom tools that went out as functions: their calls have to be unwrapped in the response. */
  readonly wrapped: readonly string[]
}

/** What a writer needs besides the conversation and its target. */
export interface WriteContext {
  /** The thinking of earlier turns; null: none is kept. */
  readonly thoughts: ThoughtMemory | null
  /** The effort that the client chose by the model's name: it goes ahead of the body's. */
  readonly effort: string | null
  /** The target's ids of calls; null: those of the client. */
  readonly callIds?: CallIdMap | null
}

/** The ids of calls as a target takes them: the same id always gives the same, and two ids never give one. */
export interface CallIdMap {
  idFor(id: string): string
}

/**
 * The members of a request body, in the order of the calls. A field that the model refuses is left out and reported.
 */
export class RequestFields {
  readonly dropped: string[]
  /** The members ahead of the history, with its key; '' if there is none so far. */
  private ahead: Json
  private history: Json
  /** The members, or those behind the history. */
  private members: Json
  private readonly refuses: readonly string[]
  private readonly together: ModelTraits['refusesTogether']
  /** Names of the members so far. */
  private readonly names: string[]

  /** @param traits names of fields, as in `ModelTraits` */
  constructor({ refuses, refusesTogether }: Pick<ModelTraits, 'refuses' | 'refusesTogether'>) {
    this.dropped = []
    this.ahead = ''
    this.history = ''
    this.members = ''
    this.refuses = refuses
    this.together = refusesTogether
    this.names = []
  }

  /**
   * @param json null: the field is left out
   * @param client the name by which it is reported, if that is another
   */
  add(name: string, json: Json | null, client = name): void {
    if (json === null || !this.accepts(name, client)) return
    if (this.together.some(([first, second]) => second === name && this.names.includes(first))) {
      this.drop(client)
      return
    }
    this.names.push(name)
    this.members += `${this.isEmpty ? '' : ','}${JSON.stringify(name)}:${json}`
  }

  /** Adds the conversation, once: nearly all of the body, which need not be walked over again. */
  addHistory(name: string, json: Json): void {
    if (!this.accepts(name)) return
    this.ahead = `${this.members}${this.isEmpty ? '' : ','}${JSON.stringify(name)}:`
    this.history = json
    this.members = ''
  }

  /** Whether the model takes the field. If it does not, the field is reported. */
  accepts(name: string, client = name): boolean {
    if (!this.refuses.includes(name)) return true
    this.drop(client)
    return false
  }

  /** Reports a field that is left out. */
  drop(name: string): void {
    if (!this.dropped.includes(name)) this.dropped.push(name)
  }

  /** Reports those fields that the client gave, as the target's API does not have them. */
  dropGiven(conversation: Conversation, fields: readonly GivenField[]): void {
    for (const field of fields) {
      const value = conversation[field]
      // These say what happens anyway.
      if (value === null || (field === 'n' && value === '1') || (field === 'logprobs' && value === 'false'))
        continue
      this.drop(CLIENT_NAMES[field])
    }
  }

  /** Adds those of the other fields that the API has under the same name, and reports the rest. */
  addOthers(conversation: Conversation, known: readonly string[]): void {
    for (const name of known) this.add(name, conversation.others.get(name) ?? null)
    for (const name of conversation.others.keys()) if (!known.includes(name)) this.drop(name)
  }

  /** The members as an object. */
  format(): Json {
    return `{${this.ahead}${this.history}${this.members}}`
  }

  /** The members as a body. */
  formatBody(): Pick<WrittenRequest, 'body' | 'peeked'> {
    // No field whose place is asked for stands behind the history: a conversation has a session of its own.
    const short = this.history === '' ? this.members : `${this.ahead}[]${this.members}`
    const peeked = { ...peekFields(Buffer.from(`{${short}}`)), session: null }
    return { body: Buffer.from(this.format()), peeked }
  }

  private get isEmpty(): boolean {
    return this.members === '' && this.ahead === ''
  }
}

const CLIENT_NAMES = {
  temperature: 'temperature',
  topP: 'top_p',
  topK: 'top_k',
  seed: 'seed',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
  stop: 'stop',
  format: 'response_format',
  verbosity: 'verbosity',
  user: 'user',
  metadata: 'metadata',
  serviceTier: 'service_tier',
  promptCacheKey: 'prompt_cache_key',
  n: 'n',
  logprobs: 'logprobs',
  topLogprobs: 'top_logprobs',
  logitBias: 'logit_bias',
} as const satisfies Partial<Record<keyof Conversation, string>>

/** A field of a conversation that some API does not have. */
export type GivenField = keyof typeof CLIENT_NAMES

/** The model's name at the target. */
export function formatModel(conversation: Conversation, target: TranslationTarget): JsonString | null {
  return target.model === null ? conversation.model : JSON.stringify(target.model)
}

/** The service tier of OpenAI's APIs; Anthropic's `standard_only` is their `default`. */
export function formatServiceTier({ serviceTier }: Conversation): JsonString | null {
  return serviceTier === '"standard_only"' ? '"default"' : serviceTier
}

/**
 * The limit of output tokens, within what the model takes: a higher or lower one is refused.
 * @param least the lowest that the API takes
 */
export function formatLimit({ maxTokens }: Conversation, most: number | null, least = 1): Json | null {
  if (maxTokens === null) return null
  const limit = Number(maxTokens)
  if (most !== null && limit > most) return String(most)
  return limit < least ? String(least) : maxTokens
}

/** The members of an object, of which those that are null are left out. */
export function formatObject(members: Readonly<Record<string, Json | null>>): Json {
  let text = ''
  for (const name in members) {
    const json = members[name] ?? null
    if (json !== null) text += `${text === '' ? '' : ','}"${name}":${json}`
  }
  return `{${text}}`
}
