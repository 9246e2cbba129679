import { createHash } from 'node:crypto'
import type { ConversationApi } from '../../api/apis.js'
import type { ModelTraits } from '../../api/model-traits.js'
import { isObject } from '../../json/values.js'
import type { Conversation } from '../conversation.js'

/** Which names of tools a vendor takes. */
type Form = NonNullable<ModelTraits['toolNames']>

/**
 * Sources: OpenAI's API reference (`function.name`), Anthropic's (`tools.name`: "String should match pattern"), and
 * Gemini's error ("Must start with a letter or an underscore", FunctionDeclaration).
 */
const LEGAL: Readonly<Record<Form, RegExp>> = {
  openai: /^[a-zA-Z0-9_-]{1,64}$/,
  anthropic: /^[a-zA-Z0-9_-]{1,128}$/,
  gemini: /^[a-zA-Z_][a-zA-Z0-9_.:-]{0,63}$/,
}

/** What an API takes wherever it is served. Many servers of chat completions take any name. */
const BY_API: Readonly<Record<ConversationApi, Form | null>> = {
  chat: null,
  responses: 'openai',
  messages: 'anthropic',
  gemini: 'gemini',
}

/** In characters, of a name that is made: every vendor takes it. */
const LONGEST = 64

/** Names of tools that a target takes, in place of those that it refuses. */
export class ToolNames {
  /** By the target's names, those of the client. */
  readonly clients: Map<string, string>
  private readonly legal: RegExp | null

  /** @param form null: any name is taken */
  constructor(form: Form | null) {
    this.clients = new Map()
    this.legal = form === null ? null : LEGAL[form]
  }

  /**
   * A name that is taken stays as it is. Any other one becomes what is legal of it, with a hash of all of it: the same
   * in each request, so that the prompt stays the same, and another one for each name.
   */
  nameFor(name: string): string {
    if (this.legal === null || this.legal.test(name)) return name
    const hash = createHash('sha256').update(name).digest('hex').slice(0, 10)
    const safe = name.replace(/[^a-zA-Z0-9_-]/g, '_').replace(/^(?![a-zA-Z_])/, '_')
    const made = `${safe.slice(0, LONGEST - hash.length - 1)}_${hash}`
    this.clients.set(made, name)
    return made
  }

  /** Puts the target's names into a parsed `tool_choice` of any API. @returns the same value if none changes */
  renameChoice(choice: unknown): unknown {
    if (this.legal === null || !isObject(choice)) return choice
    let isChanged = false
    const entries = Object.entries(choice).map(([key, value]): [string, unknown] => {
      const renamed = this.renameMember(key, value)
      isChanged ||= renamed !== value
      return [key, renamed]
    })
    return isChanged ? Object.fromEntries(entries) : choice
  }

  private renameMember(key: string, value: unknown): unknown {
    if (key === 'name') return typeof value === 'string' ? this.nameFor(value) : value
    if (key === 'function' || key === 'custom' || key === 'allowed_tools') return this.renameChoice(value)
    if (key !== 'tools' || !Array.isArray(value)) return value
    const tools = value.map((tool) => this.renameChoice(tool))
    return tools.some((tool, n) => tool !== value[n]) ? tools : value
  }
}

/** The same conversation with names of tools that the target takes. The same object if it takes all of them. */
export function renameTools(
  conversation: Conversation,
  api: ConversationApi,
  traits: ModelTraits,
): { readonly conversation: Conversation; readonly clients: ReadonlyMap<string, string> } {
  const names = new ToolNames(traits.toolNames ?? BY_API[api])
  const rename = <T extends { readonly name: string }>(named: T): T => {
    const name = names.nameFor(named.name)
    return name === named.name ? named : { ...named, name }
  }
  const tools = conversation.tools.map(rename)
  const items = conversation.items.map((item) => (item.kind === 'call' ? rename(item) : item))
  const { clients } = names
  if (clients.size === 0) return { conversation, clients }
  const { toolChoice: choice } = conversation
  const toolChoice =
    choice?.kind === 'one'
      ? rename(choice)
      : choice?.kind === 'allowed'
        ? { ...choice, names: choice.names.map((name) => names.nameFor(name)) }
        : choice
  return { conversation: { ...conversation, tools, items, toolChoice }, clients }
}
