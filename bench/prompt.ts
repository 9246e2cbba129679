/** A line of code with what JSON escapes and UTF-8 widens, as prompts are full of. */
export const LINE = 'const relay = new Relay("x", { timeouts });\n\treturn relay; // naïve\n'

/** Whose turn it is, by turns. */
export const TURNS = 8

/** A chat of so many lines in each turn. */
export function messagesOf(lines: number): { role: string; content: string }[] {
  const content = LINE.repeat(lines)
  return Array.from({ length: TURNS }, (_, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))
}
