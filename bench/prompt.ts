/** A line of code with characters that JSON escapes and UTF-8 widens, as in real prompts. */
export const LINE = 'const relay = new Relay("x", { timeouts });\n\treturn relay; // naïve\n'

/** Number of messages, by turns of user and assistant. */
export const TURNS = 8

/** Builds a chat with `lines` lines in each message. */
export function messagesOf(lines: number): { role: string; content: string }[] {
  const content = LINE.repeat(lines)
  return Array.from({ length: TURNS }, (_, i) => ({ role: i % 2 === 0 ? 'user' : 'assistant', content }))
}
