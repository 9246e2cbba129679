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

  /** @param object outlined with all of its members (`findEvery`) */
  constructor(object: Value) {
    this.object = object
    this.members = object.members ?? []
    this.cuts = new Set()
    this.changes = []
    this.added = []
  }

  /** Removes all members with this key. */
  cut(key: string): void {
    for (const member of this.members) if (member.key === key) this.cuts.add(member)
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
    const last = this.members.findLast((member) => member.key === key)
    if (last === undefined) return
    for (const member of this.members) if (member.key === key && member !== last) this.cuts.add(member)
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
    const edits = this.changes.filter(
      ({ start, end }) => !members.some((member) => cuts.has(member) && contains(member, start, end)),
    )
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
    return sortEdits(edits)
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

function contains(member: Member, start: number, end: number): boolean {
  return start >= member.keyStart && end <= member.value.end
}
