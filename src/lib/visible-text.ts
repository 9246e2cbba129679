/**
 * Characters that a terminal obeys, hides, or shows in another order than they stand in: controls, formats such as the
 * overrides of the direction, line and paragraph separators, and halves of surrogate pairs.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** Makes a text from a client or a file safe to print: what cannot be seen in it becomes `?`. */
export function showText(text: string): string {
  return text.replace(UNSEEN, '?')
}
