import { findMember, findString, sliceText, type Value } from '../../json/outline.js'
import { isBlankString } from '../../json/scanner.js'
import type { NativeContext } from './native-context.js'

/** The system prompt of a Messages body, and the system messages that move there. */
export class SystemPrompt {
  private readonly context: NativeContext
  private readonly own: Value | null
  private readonly blocks: string[]
  /** The last block has a cache mark, or is none that can have one. */
  private isMarked: boolean
  /** Something is to be written. */
  private isChanged: boolean

  constructor(context: NativeContext) {
    this.context = context
    this.own = findMember(context.request, 'system')
    this.blocks = []
    this.isMarked = true
    this.isChanged = false
    this.collect(this.own)
  }

  /** @param content of a system message */
  add(content: Value | null): void {
    this.isChanged = true
    this.collect(content)
  }

  /** Messages refuses empty texts, and an empty list of blocks says nothing. */
  write(): void {
    const { own, blocks, isChanged } = this
    const { edits } = this.context
    if (!isChanged) return
    const text = `[${blocks.join(',')}]`
    if (blocks.length === 0) edits.cut('system')
    else if (own === null) edits.add('system', text)
    else edits.replace(own, text)
  }

  /** Adds the blocks of a content with their bytes. The cache mark of one that is left out goes to the one before. */
  private collect(content: Value | null): void {
    const { body } = this.context
    if (content === null) return
    if (findString(body, content)) {
      if (isBlankString(body, content.start + 1, content.end - 1)) this.isChanged = true
      else this.push(`{"type":"text","text":${sliceText(body, content)}}`, false)
      return
    }
    for (const block of content.elements ?? []) {
      const text = findString(body, findMember(block, 'text'))
      if (text === null || !isBlankString(body, text.start + 1, text.end - 1)) {
        this.push(sliceText(body, block), text === null || findMember(block, 'cache_control') !== null)
        continue
      }
      this.isChanged = true
      const mark = findMember(block, 'cache_control')
      if (mark !== null) this.markLast(sliceText(body, mark))
    }
  }

  private push(block: string, isMarked: boolean): void {
    this.blocks.push(block)
    this.isMarked = isMarked
  }

  private markLast(mark: string): void {
    const last = this.blocks.at(-1)
    if (last === undefined || this.isMarked) return
    this.blocks[this.blocks.length - 1] = `${last.slice(0, -1)},"cache_control":${mark}}`
    this.isMarked = true
  }
}
