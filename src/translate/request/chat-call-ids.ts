import { equalsText, findMember, type Value } from '../../json/outline.js'
import { readCallId } from './native-call-ids.js'

/** The ids of a chat's calls and results, by the index of the message. */
export interface ChatCallIds {
  /** Of each call in the message, in their order; '' for one that has none. */
  readonly calls: readonly (readonly string[])[]
  /** Null if the message is no result, or one of the new form that belongs to no call. */
  readonly results: readonly (string | null)[]
}

/** Whether a message is the result of a call: `function` is the older role. */
export function isToolRole(body: Buffer, message: Value): boolean {
  const role = findMember(message, 'role')
  return equalsText(body, role, 'tool') || equalsText(body, role, 'function')
}

/**
 * Lists the ids of calls and results. Each call of a message has its own: vendors refuse doubled ones, so that of calls
 * with the same id all but the first get another one, and so do their results, in the same order. Calls of the older
 * form have none and get one. The same beginning of a chat always gets the same ids.
 */
export function listChatCallIds(body: Buffer, messages: readonly Value[]): ChatCallIds {
  const lister = new Lister(body)
  const calls: (readonly string[])[] = []
  const results: (string | null)[] = []
  for (const message of messages) {
    const isResult = isToolRole(body, message)
    results.push(isResult ? lister.readResult(message) : null)
    calls.push(isResult ? NONE : lister.readCalls(message))
  }
  return { calls, results }
}

const NONE: readonly string[] = []

class Lister {
  private readonly body: Buffer
  /** By the id that stands in the body, the ids of the last calls with it, less those that have a result. */
  private readonly open: Map<string, string[]>
  /** The id of the last call of the older form, until its result comes. */
  private legacy: string | null
  private made: number

  constructor(body: Buffer) {
    this.body = body
    this.open = new Map()
    this.legacy = null
    this.made = 0
  }

  readResult(message: Value): string | null {
    const id = this.readId(message, 'tool_call_id')
    if (id === '') {
      if (!equalsText(this.body, findMember(message, 'role'), 'function')) return null
      const legacy = this.legacy ?? this.create()
      this.legacy = null
      return legacy
    }
    return this.open.get(id)?.shift() ?? id
  }

  readCalls(message: Value): readonly string[] {
    const calls = findMember(message, 'tool_calls')?.elements ?? []
    if (calls.length === 0) {
      if (!findMember(message, 'function_call')?.members) return NONE
      this.legacy = this.create()
      return [this.legacy]
    }
    const given = calls.map((call) => this.readId(call, 'id'))
    const used = new Set(given)
    const own: string[] = []
    const seen = new Map<string, string[]>()
    for (const id of given) {
      const alike = seen.get(id) ?? []
      seen.set(id, alike)
      let unique = id
      for (let n = alike.length + 1; id !== '' && alike.length > 0 && used.has(unique); n++)
        unique = `${id}_${n}`
      used.add(unique)
      alike.push(unique)
      own.push(unique)
    }
    for (const [id, alike] of seen) this.open.set(id, alike)
    return own
  }

  private readId(object: Value, key: string): string {
    return readCallId(this.body, findMember(object, key)) ?? ''
  }

  private create(): string {
    return `call_unnamed_${this.made++}`
  }
}
