import { showText } from '../lib/visible-text.js'

const COLUMNS = 80

/**
 * Wraps a line. The lines after the first are indented as far as `label` is long.
 * @param columns width of the terminal
 */
export function wrapLine(label: string, text: string, columns: number = COLUMNS): string {
  const indent = ' '.repeat(label.length)
  let lines = ''
  let line = label
  for (const word of showText(text).split(' ')) {
    const separator = line === label || line === indent ? '' : ' '
    if (separator !== '' && line.length + 1 + word.length > columns) {
      lines += `${line}\n`
      line = indent + word
    } else line += separator + word
  }
  return `${lines}${line}\n`
}
