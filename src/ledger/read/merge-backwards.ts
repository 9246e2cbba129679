import { readIdentity } from './entry.js'

/** Lines of one worker's files, read backwards. */
interface Source {
  readonly chunks: AsyncIterator<string[]>
  /** Lines that are not taken yet. */
  lines: string[]
  at: number
  /** When the request of the next line ended: epoch milliseconds. */
  endedAt: number
}

/**
 * Merges the lines of several workers, each read backwards, by the times at which their requests ended: the last line
 * first. A line without such a time comes right behind the line that follows it in its file.
 */
export async function* mergeBackwards(
  streams: readonly AsyncGenerator<string[]>[],
): AsyncGenerator<string[]> {
  const [only] = streams
  // As it is in its file.
  if (only !== undefined && streams.length === 1) return yield* only
  try {
    const sources: Source[] = []
    for (const chunks of streams) {
      const source = { chunks, lines: [], at: -1, endedAt: 0 }
      if (await advance(source)) sources.push(source)
    }
    while (sources.length > 0) {
      // Of two of the same time, that of the higher number comes first here, and so last in the order of time.
      const next = sources.reduce((latest, one) => (one.endedAt >= latest.endedAt ? one : latest))
      yield [next.lines[next.at] as string]
      if (!(await advance(next))) sources.splice(sources.indexOf(next), 1)
    }
  } finally {
    for (const stream of streams) await stream.return(undefined)
  }
}

/** Goes on to the next line. @returns false if there is none */
async function advance(source: Source): Promise<boolean> {
  source.at++
  while (source.at >= source.lines.length) {
    const chunk = await source.chunks.next()
    if (chunk.done === true) return false
    source.lines = chunk.value
    source.at = 0
  }
  source.endedAt = findEnd(source.lines[source.at] as string)
  return true
}

/** @returns infinity if the line does not tell when it was written */
function findEnd(line: string): number {
  const found = readIdentity(line)
  const { ts = '', total_ms: took, recovered_from: from } = found?.fields ?? {}
  const end = Date.parse(ts) + (took ?? 0)
  // A later start has written what was under way long before.
  return Number.isNaN(end) || typeof from === 'string' ? Number.POSITIVE_INFINITY : end
}
