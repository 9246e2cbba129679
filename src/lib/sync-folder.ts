import { closeSync, fsyncSync, openSync } from 'node:fs'

/**
 * Writes a folder to disk. A new name of a file is on disk only when its folder is: without this a power failure may
 * take the file and its synced bytes. Never throws.
 */
export function syncFolder(folder: string): void {
  let fd: number | null = null
  try {
    fd = openSync(folder, 'r')
    fsyncSync(fd)
  } catch {
    // Windows cannot do this, and some file systems refuse it. The file is written: an error here would lose it.
  } finally {
    if (fd !== null) closeSync(fd)
  }
}
