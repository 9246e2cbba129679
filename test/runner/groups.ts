/**
 * Files that share a process at most: enough to spread the cost of its start, and few enough that the processes spread
 * over the cores, and that little runs again when one of them fails.
 */
const MOST_TOGETHER = 16

/**
 * The files that run in one process each, in the order in which they start. Those that are alone come first, as the
 * longest are among them, then each folder's others, in processes of about as many files: short ones fill up the end.
 * @param files their paths below `test`, sorted
 * @param shares whether a file can share a process
 */
export function groupFiles(files: readonly string[], shares: (file: string) => boolean): string[][] {
  const alone: string[][] = []
  const folders = new Map<string, string[]>()
  for (const file of files) {
    if (!shares(file)) {
      alone.push([file])
      continue
    }
    const folder = file.split('/', 1)[0] as string
    folders.set(folder, [...(folders.get(folder) ?? []), file])
  }
  return [...alone, ...[...folders.values()].flatMap(split)]
}

/** Parts of a list that differ in length by one at most. */
function split(files: readonly string[]): string[][] {
  const count = Math.ceil(files.length / MOST_TOGETHER)
  return Array.from({ length: count }, (_, i) =>
    files.slice(Math.floor((i * files.length) / count), Math.floor(((i + 1) * files.length) / count)),
  )
}
