/**
 * Characters that a terminal obeys, hides, or shows in another order than they stand in: controls, formats such as the
 * overrides of the direction, line and paragraph separators, and halves of surrogate pairs.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** The same without the line end and the tab, which stand in texts of several lines. */
const UNSEEN_IN_LINES = /(?![\n\t])[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu

/** As `showText`, for a text that may have lines. */
export function showLines(text: string): string {
  return text.replace(UNSEEN_IN_LINES, '?')
}

/** Makes a text from a client or a file safe to print: what cannot be seen in it becomes `?`. */
export function showText(text: string): string {
  return text.replace(UNSEEN, '?')
}
