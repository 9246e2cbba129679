import type { Edit } from './edits.js'
import type { Member, Value } from './outline.js'

/**
 * Changes to the members of one object that leave every byte of the others as it is, commas and spaces too. What is cut stays
 * cut, whatever else is asked of it.
 */
export class ObjectEdits {
  private readonly object: Value
  private readonly members: readonly Member[]
  private readonly cuts: Set<Member>
  private readonly changes: Edit[]
  private readonly added: string[]

  /** @param object one that was looked into */
  constructor(object: Value) {
    this.object = object
    this.members = object.members ?? []
    this.cuts = new Set()
    this.changes = []
    this.added = []
  }

  /** Takes it out, each time that it is there. */
  cut(key: string): void {
    for (const member of this.members) if (member.key === key) this.cuts.add(member)
  }

  cutOthersThan(key: string): void {
    for (const member of this.members) if (member.key !== key) this.cuts.add(member)
  }

  /** The same value, or another, under another key; whatever had that key is taken out. */
  rename(key: string, to: string, value: string | null = null): void {
    this.cut(to)
    const last = this.members.findLast((member) => member.key === key)
    if (last === undefined) return
    for (const member of this.members) if (member.key === key && member !== last) this.cuts.add(member)
    this.changes.push({ start: last.keyStart, end: last.keyEnd, text: JSON.stringify(to) })
    if (value !== null) this.replace(last.value, value)
  }

  /** Another value in place of one that is somewhere in the object. */
  replace(value: Value, text: string): void {
    this.changes.push({ start: value.start, end: value.end, text })
  }

  /** What is changed within a value. */
  within(edits: readonly Edit[]): void {
    for (const edit of edits) this.changes.push(edit)
  }

  /** Behind all others. */
  add(key: string, value: string): void {
    this.added.push(`${JSON.stringify(key)}:${value}`)
  }

  /** In their order. */
  edits(): Edit[] {
    const { members, cuts } = this
    const edits = this.changes.filter(
      ({ start, end }) => !members.some((member) => cuts.has(member) && within(member, start, end)),
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

  /** A run of members with the comma that has nothing to part any more: the one ahead of it, if there is one. */
  private cutOf(first: number, last: number): Edit {
    const before = this.members[first - 1]
    const after = this.members[last + 1]
    const start = before === undefined ? (this.members[first] as Member).keyStart : before.value.end
    const end =
      before === undefined && after !== undefined ? after.keyStart : (this.members[last] as Member).value.end
    return { start, end, text: '' }
  }
}

/** An array with these of its elements taken out. */
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

/** As `splice` wants them: of two that begin at one place, the one that only puts something in comes first. */
export function sortEdits(edits: readonly Edit[]): Edit[] {
  return [...edits].sort((a, b) => a.start - b.start || a.end - b.end)
}

function within(member: Member, start: number, end: number): boolean {
  return start >= member.keyStart && end <= member.value.end
}
