/**
 * Files that share a process at most: enough to spread the cost of its start, and few enough that the processes spread
 * over the cores, and that little runs again when one of them fails.
 */
const MOST_TOGETHER = 16

export interface Groups {
  /** Files that have a process each. Most of their time they wait for others that they have started. */
  readonly alone: string[][]
  /** The others, in processes of about as many files of one folder. They keep a core busy. */
  readonly together: string[][]
}

/**
 * The files that run in one process each, in the order in which they start.
 * @param files their paths below `test`, sorted
 * @param shares whether a file can share a process
 */
export function groupFiles(files: readonly string[], shares: (file: string) => boolean): Groups {
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
  return { alone, together: [...folders.values()].flatMap(split) }
}

/** Parts of a list that differ in length by one at most. */
function split(files: readonly string[]): string[][] {
  const count = Math.ceil(files.length / MOST_TOGETHER)
  return Array.from({ length: count }, (_, i) =>
    files.slice(Math.floor((i * files.length) / count), Math.floor(((i + 1) * files.length) / count)),
  )
}

/** Where a process finds its next files: in the first list, or if that is empty in the second. */
export type Lane = readonly [string[][], string[][]]

/**
 * Lists for the processes that run at one time, one more than there are cores where the suite is meant to run (two). A
 * file that is alone waits for half of its time, so that two of these and one group keep both cores busy.
 */
export function openLanes({ alone, together }: Groups): Lane[] {
  return [
    [alone, together],
    [alone, together],
    [together, alone],
  ]
}

/** Takes the next files of a lane. @returns undefined if there are none left */
export function takeNext([first, second]: Lane): string[] | undefined {
  return first.shift() ?? second.shift()
}
