import { readFile } from 'node:fs/promises'
import type { Socket } from 'node:net'

/** One line for each connection of this network namespace (Linux, proc(5)). */
const FILES: readonly string[] = ['/proc/net/tcp', '/proc/net/tcp6']

/** Whose process is at the other end of a connection of this machine. `unknown` where no table tells it. */
export type PeerOwner = 'relay' | 'other' | 'unknown'

/**
 * Finds out whether the other end of a loopback connection belongs to the user of this process, or to root. Everybody
 * on the machine can connect to loopback; these two could profile the process anyhow, by a signal or a debugger.
 */
export async function findPeerOwner({ localPort, remotePort }: Socket): Promise<PeerOwner> {
  const uid = process.getuid?.()
  if (
    process.platform !== 'linux' ||
    uid === undefined ||
    localPort === undefined ||
    remotePort === undefined
  )
    return 'unknown'
  const texts = await Promise.all(FILES.map((file) => readFile(file, 'latin1').catch(() => '')))
  return judgeOwner(texts, remotePort, localPort, uid)
}

/**
 * @param texts of such files; empty ones where a sandbox has none
 * @param uid of this process
 */
export function judgeOwner(
  texts: readonly string[],
  fromPort: number,
  toPort: number,
  uid: number,
): PeerOwner {
  if (texts.every((text) => text === '')) return 'unknown'
  // Several, if other addresses of loopback have the same ports. None, if it is closed already.
  const owners = texts.flatMap((text) => findOwners(text, fromPort, toPort))
  const isOwn = owners.length > 0 && owners.every((owner) => owner === uid || owner === 0)
  return isOwn ? 'relay' : 'other'
}

/**
 * Finds the user ids of the connections from one port to another one.
 * @param text of such a file
 * @returns null for one that is not open any more: once its program has closed it, the kernel shows it as root's
 */
function findOwners(text: string, fromPort: number, toPort: number): (number | null)[] {
  const [from, to] = [fromPort, toPort].map((port) => port.toString(16).toUpperCase().padStart(4, '0'))
  // ` 12: 0100007F:8B72 0100007F:81CD 01 0000006B:00000000 01:00000012 00000000  1000        0 4005024 2 ...`
  const line = new RegExp(`: [0-9A-F]+:${from} [0-9A-F]+:${to} (\\S\\S) \\S+ \\S+ \\S+ +(\\d+) `, 'g')
  return [...text.matchAll(line)].map(([, state, uid]) => (state === '01' ? Number(uid) : null))
}
