/** What is written before a file's own output, with the path of its script behind it. */
export const BEGIN = '=== begins: '

/** What is written for each thing that it has left behind. */
export const LEFT = '=== has left behind: '

/** What is written after it, with the time in milliseconds. */
export const END = '=== has ended: '

export interface Section {
  /** What the file wrote. */
  readonly output: string
  /** What it has left behind in the process: see leftovers.ts. */
  readonly leftovers: readonly string[]
  /** Null if it did not come to its end. */
  readonly seconds: number | null
}

/** The parts of the output of many.ts, by the script that wrote them. */
export function readSections(stdout: string): Map<string, Section> {
  const sections = new Map<string, Section>()
  let script: string | null = null
  let lines: string[] = []
  let leftovers: string[] = []
  const close = (seconds: number | null): void => {
    if (script !== null) sections.set(script, { output: lines.join('\n'), leftovers, seconds })
    script = null
    lines = []
    leftovers = []
  }
  for (const line of stdout.split('\n')) {
    if (line.startsWith(BEGIN)) {
      close(null)
      script = line.slice(BEGIN.length)
    } else if (line.startsWith(LEFT)) leftovers.push(line.slice(LEFT.length))
    else if (line.startsWith(END)) close(Number(line.slice(END.length)) / 1000)
    else lines.push(line)
  }
  close(null)
  return sections
}
