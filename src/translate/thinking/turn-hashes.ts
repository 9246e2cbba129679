import { createHash } from 'node:crypto'
import { equalsText, findMember, findString, isEmptyValue, readText, type Value } from '../../json/outline.js'
import { parseRequestOutline, readRequestMeta } from '../request/request-outline.js'

/** What stands ahead of each turn of the assistant's in a conversation, as hashes. */
export interface TurnHashes {
  /**
   * By the index of a message or item: the hash of all that is ahead of the turn that it belongs to; ''
   * if it is none of the assistant's.
   */
  readonly ahead: readonly string[]
  /**
   * In the same way, a hash of `beginning` and of what is directly ahead of the turn: the assistant's turn before it,
   * and what the user and the tools said since. It stays if something further ahead is edited.
   */
  readonly near: readonly string[]
  /** The same as `ahead` for the turn that the answer belongs to. */
  readonly next: string
  /** The same as `near` for the turn that the answer belongs to. */
  readonly nextNear: string
  /** Of the first thing that the user has said: it stays if a later message is edited. */
  readonly beginning: string
  /** The request says which conversation it belongs to. */
  readonly isNamed: boolean
}

const NOTHING: TurnHashes = {
  ahead: [],
  near: [],
  next: '',
  nextNear: '',
  beginning: '',
  isNamed: false,
}

/**
 * Hashes the conversation of a request of any of the three APIs. A chat that grows keeps the hashes of its turns. What
 * a client changes from turn to turn is not in them: cache marks, thinking, and whether a lone text is in a list.
 */
export function hashTurns(body: Buffer): TurnHashes {
  const request = parseRequestOutline(body)
  if (request === null) return NOTHING
  return new TurnHasher(body).hash(request)
}

// They stand in no JSON string, so that no two conversations are written alike.
const KEY = Buffer.from([0])
const END = Buffer.from([1])
const TEXT = Buffer.from([2])

/** Members of a message or an item, in the order in which they are hashed. The content is apart. */
const MEMBERS = ['type', 'role', 'name', 'tool_call_id', 'call_id', 'arguments', 'input', 'tool_calls']
const KEYS = new Map([...MEMBERS, 'function_call'].map((key) => [key, Buffer.from(key)]))

class TurnHasher {
  private readonly body: Buffer
  /** What is new since the last hash. */
  private pieces: Buffer[]
  private last: string
  /** The hash of what was new then. */
  private near: string

  constructor(body: Buffer) {
    this.body = body
    this.pieces = []
    this.last = ''
    this.near = ''
  }

  hash(request: Value): TurnHashes {
    const { body } = this
    const { conversation } = readRequestMeta(body, request)
    this.last = conversation ?? ''
    this.addContent(findMember(request, 'instructions'))
    this.addContent(findMember(request, 'system'))
    const ahead: string[] = []
    const near: string[] = []
    const list = findMember(request, isFilled(body, request, 'messages') ? 'messages' : 'input')
    let beginning: string | null = null
    let inTurn = false
    for (const message of list?.elements ?? []) {
      const wasInTurn = inTurn
      inTurn = isAssistants(body, message)
      if (inTurn && !wasInTurn) this.digest()
      ahead.push(inTurn ? this.last : '')
      near.push(inTurn ? this.near : '')
      const first = this.pieces.length
      this.addMessage(message)
      if (beginning === null && equalsText(body, findMember(message, 'role'), 'user'))
        beginning = hashBeginning(conversation, this.pieces.slice(first))
    }
    if (list !== null && list.elements === null) this.addContent(list)
    if (!inTurn) this.digest()
    beginning ??= hashBeginning(conversation, [])
    const start = beginning
    return {
      ahead,
      near: near.map((each) => (each === '' ? '' : joinHashes(start, each))),
      next: this.last,
      nextNear: joinHashes(start, this.near),
      beginning,
      isNamed: conversation !== null,
    }
  }

  private digest(): void {
    this.near = digest('', this.pieces)
    this.last = digest(this.last, [Buffer.from(this.near)])
    this.pieces = []
  }

  private addMessage(message: Value): void {
    const { body } = this
    if (message.members === null) {
      this.add(message)
      return
    }
    if (equalsText(body, findMember(message, 'type'), 'reasoning')) return
    for (const [key, bytes] of KEYS) {
      const value = findMember(message, key)
      // Only some clients write the type of a message.
      if (isEmptyValue(body, value) || equalsText(body, value, 'message')) continue
      if (value?.elements?.length === 0) continue
      this.pieces.push(KEY, bytes)
      this.add(value as Value)
    }
    this.addContent(findMember(message, 'content'))
    this.addContent(findMember(message, 'output'))
    this.pieces.push(END)
  }

  private addContent(content: Value | null): void {
    const { body } = this
    if (content === null || isEmptyValue(body, content)) return
    if (findString(body, content)) {
      this.addText(content)
      return
    }
    if (content.elements === null) {
      this.add(content)
      return
    }
    for (const part of content.elements) {
      const type = findMember(part, 'type')
      if (equalsText(body, type, 'thinking') || equalsText(body, type, 'redacted_thinking')) continue
      const text = findString(body, part) ?? findString(body, findMember(part, 'text'))
      if (text === null) this.add(part)
      else this.addText(text)
    }
  }

  private addText({ start, end }: Value): void {
    if (end - start > 2) this.pieces.push(TEXT, this.body.subarray(start + 1, end - 1))
  }

  /** Any value: of what is outlined, the members without cache marks. */
  private add(value: Value): void {
    if (value.members !== null) {
      for (const { keyStart, keyEnd, key, value: each } of value.members) {
        if (key === 'cache_control' || isEmptyValue(this.body, each)) continue
        this.pieces.push(KEY, this.body.subarray(keyStart, keyEnd))
        if (key === 'content') this.addContent(each)
        else this.add(each)
      }
    } else if (value.elements !== null) for (const each of value.elements) this.add(each)
    else this.pieces.push(TEXT, this.body.subarray(value.start, value.end))
    this.pieces.push(END)
  }
}

function digest(before: string, pieces: readonly Buffer[]): string {
  return createHash('sha256').update(before).update(Buffer.concat(pieces)).digest('base64')
}

/** Never the hash of a turn, nor of a beginning. */
function joinHashes(beginning: string, near: string): string {
  return `${beginning} ${near}`
}

/** Never the hash of a turn. */
function hashBeginning(conversation: string | null, pieces: readonly Buffer[]): string {
  return `first ${digest(conversation ?? '', pieces)}`
}

function isFilled(body: Buffer, request: Value, key: string): boolean {
  const list = findMember(request, key)
  return !isEmptyValue(body, list) && list?.elements?.length !== 0
}

/** Whether a message or an item is a part of a turn of the assistant's. */
function isAssistants(body: Buffer, item: Value): boolean {
  const role = findMember(item, 'role')
  if (!isEmptyValue(body, role)) return equalsText(body, role, 'assistant') || equalsText(body, role, 'model')
  const type = readText(body, findMember(item, 'type'))
  return type !== null && (type === 'reasoning' || type.endsWith('_call'))
}
