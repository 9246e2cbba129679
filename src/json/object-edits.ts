import type { Edit } from './edits.js'
import type { Member, Value } from './outline.js'

/**
 * Collects changes to the members of one object. They leave every byte of all other members as it is, with commas and
 * spaces. A member that is cut stays cut, whatever other changes are made to it.
 */
export class ObjectEdits {
  private readonly object: Value
  private readonly members: readonly Member[]
  private readonly cuts: Set<Member>
  private readonly changes: Edit[]
  private readonly added: string[]
  /** The members of each key, in their order, once they were asked for. */
  private byKey: ReadonlyMap<string, readonly Member[]> | null

  /** @param object outlined with all of its members (`findEvery`) */
  constructor(object: Value) {
    this.object = object
    this.members = object.members ?? []
    this.cuts = new Set()
    this.changes = []
    this.added = []
    this.byKey = null
  }

  /** Removes all members with this key. */
  cut(key: string): void {
    for (const member of this.listMembers(key)) this.cuts.add(member)
  }

  /** Removes all members with other keys. */
  cutOthersThan(key: string): void {
    for (const member of this.members) if (member.key !== key) this.cuts.add(member)
  }

  /**
   * Renames a member, and replaces its value if one is given. Members that had the new key are removed.
   * @param value JSON text
   */
  rename(key: string, to: string, value: string | null = null): void {
    this.cut(to)
    const alike = this.listMembers(key)
    const last = alike.at(-1)
    if (last === undefined) return
    for (const member of alike) if (member !== last) this.cuts.add(member)
    this.changes.push({ start: last.keyStart, end: last.keyEnd, text: JSON.stringify(to) })
    if (value !== null) this.replace(last.value, value)
  }

  /**
   * Replaces a value, however deep it is in the object.
   * @param text JSON text
   */
  replace(value: Value, text: string): void {
    this.changes.push({ start: value.start, end: value.end, text })
  }

  /** Adds edits that were made for a value in the object. */
  within(edits: readonly Edit[]): void {
    for (const edit of edits) this.changes.push(edit)
  }

  /**
   * Adds a member after all others.
   * @param value JSON text
   */
  add(key: string, value: string): void {
    this.added.push(`${JSON.stringify(key)}:${value}`)
  }

  /** All changes, as `applyEdits` takes them. */
  edits(): Edit[] {
    const { members, cuts } = this
    const edits = [...this.changes]
    for (let n = 0; n < members.length; n++) {
      if (!cuts.has(members[n] as Member)) continue
      const first = n
      while (n + 1 < members.length && cuts.has(members[n + 1] as Member)) n++
      edits.push(this.cutOf(first, n))
    }
    if (this.added.length > 0) {
      const last = members.at(-1)
      const at = last === undefined ? this.object.start + 1 : last.value.end
      const comma = cuts.size < members.length ? ',' : ''
      edits.push({ start: at, end: at, text: comma + this.added.join(',') })
    }
    return resolveEdits(edits)
  }

  private listMembers(key: string): readonly Member[] {
    if (this.members.length <= FEW_MEMBERS) return this.members.filter((member) => member.key === key)
    if (this.byKey === null) {
      const byKey = new Map<string, Member[]>()
      for (const member of this.members) {
        const alike = byKey.get(member.key)
        if (alike === undefined) byKey.set(member.key, [member])
        else alike.push(member)
      }
      this.byKey = byKey
    }
    return this.byKey.get(key) ?? []
  }

  /** Removes a run of members and the comma that would be left over: the one before the run, if there is one. */
  private cutOf(first: number, last: number): Edit {
    const before = this.members[first - 1]
    const after = this.members[last + 1]
    const start = before === undefined ? (this.members[first] as Member).keyStart : before.value.end
    const end =
      before === undefined && after !== undefined ? after.keyStart : (this.members[last] as Member).value.end
    return { start, end, text: '' }
  }
}

/**
 * Removes elements of an array.
 * @param isCut whether to remove the element at this index
 */
export function removeElements(elements: readonly Value[], isCut: (n: number) => boolean): Edit[] {
  const edits: Edit[] = []
  for (let n = 0; n < elements.length; n++) {
    if (!isCut(n)) continue
    const first = n
    while (n + 1 < elements.length && isCut(n + 1)) n++
    const before = elements[first - 1]
    const after = elements[n + 1]
    const start = before === undefined ? (elements[first] as Value).start : before.end
    const end = before === undefined && after !== undefined ? after.start : (elements[n] as Value).end
    edits.push({ start, end, text: '' })
  }
  return edits
}

/** Sorts edits for `applyEdits`. Of two that begin at the same byte, the one that only inserts comes first. */
export function sortEdits(edits: readonly Edit[]): Edit[] {
  return [...edits].sort((a, b) => a.start - b.start || a.end - b.end)
}

/** So many members are searched for each key; more get an index. */
const FEW_MEMBERS = 64

/** Sorts edits, and leaves out those that are within what another one removes or replaces. O(n log n). */
export function resolveEdits(edits: readonly Edit[]): Edit[] {
  const resolved: Edit[] = []
  for (const edit of sortEdits(edits)) {
    const last = resolved.at(-1)
    if (last === undefined || edit.start >= last.end) resolved.push(edit)
    // Of two that begin at the same byte, the longer one comes second.
    else if (edit.start === last.start && edit.end > last.end) resolved[resolved.length - 1] = edit
  }
  return resolved
}

/**
 * Collects changes to the elements of one array: elements that are cut, and new ones between them. Commas come out
 * right whatever is left.
 */
export class ArrayEdits {
  private readonly array: Value
  private readonly elements: readonly Value[]
  /** Null as long as there is none: most arrays do not change. */
  private cuts: Set<number> | null
  /** New elements ahead of the element with this index; behind all for their number. */
  private inserts: Map<number, string[]> | null

  /** @param array outlined with its elements */
  constructor(array: Value) {
    this.array = array
    this.elements = array.elements ?? []
    this.cuts = null
    this.inserts = null
  }

  cut(n: number): void {
    this.cuts ??= new Set()
    this.cuts.add(n)
  }

  isCut(n: number): boolean {
    return this.cuts?.has(n) === true
  }

  /**
   * Inserts an element ahead of the element `n`, behind all that were inserted there.
   * @param text JSON text
   */
  insert(n: number, text: string): void {
    this.inserts ??= new Map()
    const texts = this.inserts.get(n)
    if (texts === undefined) this.inserts.set(n, [text])
    else texts.push(text)
  }

  /** How many elements there are in the end. */
  countLeft(): number {
    let left = this.elements.length - (this.cuts?.size ?? 0)
    for (const texts of this.inserts?.values() ?? []) left += texts.length
    return left
  }

  /** All changes, in ascending order. */
  edits(): Edit[] {
    if (this.cuts === null && this.inserts === null) return []
    const { elements } = this
    const cuts = this.cuts ?? new Set()
    const inserts = this.inserts ?? new Map<number, string[]>()
    const edits = removeElements(elements, (n) => cuts.has(n) && !inserts.has(n))
    const isLeft = (n: number): boolean => !cuts.has(n) || inserts.has(n)
    for (const [n, texts] of inserts) {
      const text = texts.join(',')
      const element = elements[n]
      if (element === undefined) {
        const at = elements.at(-1)?.end ?? this.array.start + 1
        edits.push({ start: at, end: at, text: elements.some((_, k) => isLeft(k)) ? `,${text}` : text })
      } else if (cuts.has(n)) edits.push({ start: element.start, end: element.end, text })
      else edits.push({ start: element.start, end: element.start, text: `${text},` })
    }
    return sortEdits(edits)
  }
}
