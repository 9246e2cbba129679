import { readFileSync } from 'node:fs'

/** One keystroke as a change of the text: a part is replaced, and the cursor is behind the new text. */
export interface Stroke {
  /** Time since the session began. */
  readonly ms: number
  readonly at: number
  /** Number of removed characters. */
  readonly removed: number
  /** One character for a key, more for a line end with its indent or an accepted suggestion, none for a move. */
  readonly inserted: string
}

/** The text of an editor, before and behind the cursor. */
export interface View {
  readonly before: string
  readonly behind: string
}

export interface Session {
  /** Seed of the typist. The same seed types the same text, but the times differ by milliseconds. */
  readonly seed: number
  readonly start: View
  readonly strokes: readonly Stroke[]
}

/** The text after each keystroke. */
export function* play({ start, strokes }: Session): Generator<View & { readonly stroke: Stroke }> {
  let text = start.before + start.behind
  for (const stroke of strokes) {
    const { at, removed, inserted } = stroke
    const before = text.slice(0, at) + inserted
    const behind = text.slice(at + removed)
    text = before + behind
    yield { before, behind, stroke }
  }
}

/** The text at the end. */
export function finalText(session: Session): string {
  let text = session.start.before + session.start.behind
  for (const { before, behind } of play(session)) text = before + behind
  return text
}

/**
 * Finds the change that a keystroke made between two views.
 * @throws if there is more than one change at the cursor
 */
export function strokeBetween(old: View, { before, behind }: View, ms: number): Stroke {
  const text = old.before + old.behind
  const kept = text.length - behind.length
  if (!text.endsWith(behind)) throw new Error('more than the place at the cursor has changed')
  let at = 0
  while (at < Math.min(kept, before.length) && text[at] === before[at]) at++
  return { ms, at, removed: kept - at, inserted: before.slice(at) }
}

/** The format is one line for the session, and one for each keystroke. */
export function formatSession({ seed, start, strokes }: Session): string {
  const lines = strokes.map(({ ms, at, removed, inserted }) => JSON.stringify([ms, at, removed, inserted]))
  return `${[JSON.stringify({ v: 1, seed, start }), ...lines].join('\n')}\n`
}

export function parseSession(text: string): Session {
  const [head = '', ...lines] = text.trimEnd().split('\n')
  const { seed, start } = JSON.parse(head) as { seed: number; start: View }
  const strokes = lines.map((line) => {
    const [ms, at, removed, inserted] = JSON.parse(line) as [number, number, number, string]
    return { ms, at, removed, inserted }
  })
  return { seed, start, strokes }
}

/** The session that the bench replays. `scripts/typing.ts` has recorded it. */
export const RECORDED = new URL('../../../bench/typing/session.jsonl', import.meta.url)

/** @param seconds length of the beginning that is read */
export function readRecorded(seconds = Number.POSITIVE_INFINITY): Session {
  const session = parseSession(readFileSync(RECORDED, 'utf8'))
  return { ...session, strokes: session.strokes.filter(({ ms }) => ms < seconds * 1_000) }
}
