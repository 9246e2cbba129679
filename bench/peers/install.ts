import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** What `scripts/peers.sh` has to say about one gateway. */
export interface Installed {
  readonly name: string
  /** `-` if it is not there, or does not tell. */
  readonly version: string
  readonly word: string
}

export interface Installation {
  readonly folder: string
  readonly peers: readonly Installed[]
}

/** The words of a gateway that can be started. */
const THERE: readonly string[] = ['installed', 'present', 'found']

/**
 * Runs `scripts/peers.sh`, which tells on standard error what it does.
 * @param root folder of the checkout
 * @param folder null for a temporary one
 * @throws Error if it cannot be run
 */
export function installPeers(root: string, folder: string | null): Installation {
  const args = [join(root, 'scripts', 'peers.sh'), ...(folder === null ? [] : [folder])]
  const { status, stdout, error } = spawnSync('bash', args, {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  if (status !== 0) throw new Error(`scripts/peers.sh cannot be run: ${error?.message ?? `code ${status}`}`)
  return readInstallation(stdout)
}

export function readInstallation(text: string): Installation {
  const lines = text.trim().split('\n')
  const rows = lines.map((line) => line.split('\t'))
  const folder = rows.find(([name]) => name === 'folder')?.[1] ?? ''
  const peers = rows
    .filter(([name]) => name !== 'folder')
    .map(([name = '', version = '-', word = '']) => ({ name, version, word }))
  return { folder, peers }
}

export function isThere({ word }: Installed): boolean {
  return THERE.includes(word)
}
