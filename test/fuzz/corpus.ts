import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** Among the sources, as the build copies no data files. */
const FOLDER = fileURLToPath(new URL('../../../test/fuzz/corpus/', import.meta.url))

/** The inputs that are kept for a target: one a line, as a JSON string whose characters are bytes. */
export function readCorpus(target: string): Buffer[] {
  const file = `${FOLDER}${target}.jsonl`
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => Buffer.from(JSON.parse(line) as string, 'latin1'))
}

export function writeCorpus(target: string, inputs: readonly Buffer[]): void {
  writeFileSync(`${FOLDER}${target}.jsonl`, inputs.map((input) => `${formatInput(input)}\n`).join(''))
}

/** An input as it stands in the corpus, in ASCII. */
export function formatInput(input: Buffer): string {
  return JSON.stringify(input.toString('latin1')).replace(
    /[\x7f-\xff]/g,
    (sign) => `\\u00${sign.charCodeAt(0).toString(16)}`,
  )
}
