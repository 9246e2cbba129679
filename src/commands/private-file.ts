import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'

/**
 * Writes a secret to a file that only its owner can read. The file is renamed last, so that it never has half a secret.
 * A link of that name is replaced and not followed.
 * @param draft in the same folder
 */
export function writePrivateFile(file: string, draft: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 })
  // In a container every process has the number 1: a relay that was killed may have left this file.
  rmSync(draft, { force: true })
  const fd = openSync(draft, 'wx', 0o600)
  try {
    writeFileSync(fd, text)
    fsyncSync(fd)
    renameSync(draft, file)
  } finally {
    closeSync(fd)
    rmSync(draft, { force: true })
  }
}
