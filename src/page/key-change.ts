import { Worker } from 'node:worker_threads'
import type { KeyOwner } from '../access/key.js'
import { ApiRefusal } from './page-response.js'
import type { NewKey } from './shapes.js'
import type { NewKeyLimits } from './source.js'

/** What is to become of a key. */
export type KeyFileChange =
  | { readonly op: 'add'; readonly owner: KeyOwner; readonly limits: NewKeyLimits }
  | { readonly op: 'rotate'; readonly id: string; readonly overlapMs: number }
  | { readonly op: 'revoke'; readonly id: string }

export type KeyChangeTask = KeyFileChange & {
  readonly file: string
  /** The session, for the audit. */
  readonly page: string
  /** The relay knows keys of this file: if it is gone or empty, what is written now must not be all that there is. */
  readonly hasKeys: boolean
}

/** What the thread says at its end. */
export interface KeyChangeNews {
  readonly done: NewKey | null
  /** The change is made, and could not be added to the audit. */
  readonly problem: string | null
  readonly failure: { readonly code: string; readonly message: string } | null
}

/** Statuses of what cannot be done; all else is of the file. */
const STATUSES: Readonly<Record<string, number>> = {
  unknown_key: 404,
  bad_key: 404,
  ambiguous_key: 409,
  already_revoked: 409,
  expired_key: 409,
  already_rotated: 409,
  bad_key_owner: 400,
}

/** Changes that run or wait. More are refused. */
const MOST_CHANGES = 8

let running = 0
let last: Promise<unknown> = Promise.resolve()

/**
 * Changes the key file in a thread of its own, one change after the other: it waits for a lock, and for the disk, and
 * no request may wait for either.
 * @returns the key is empty where none was issued
 * @throws {ApiRefusal}
 */
export async function changeKeyFile(
  task: KeyChangeTask,
): Promise<NewKey & { readonly problem: string | null }> {
  if (running >= MOST_CHANGES) throw new ApiRefusal(503, 'busy', 'too many changes at one time: try again')
  running++
  const before = last
  const mine = before.then(
    () => runThread(task),
    () => runThread(task),
  )
  last = mine
  try {
    const { done, problem, failure } = await mine
    if (done !== null) return { ...done, problem }
    const { code, message } = failure ?? { code: 'unwritable', message: 'the key file cannot be changed' }
    const status = STATUSES[code] ?? 503
    throw new ApiRefusal(status, status === 503 ? 'key_file' : code, message)
  } finally {
    running--
  }
}

function runThread(task: KeyChangeTask): Promise<KeyChangeNews> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./key-change-thread.js', import.meta.url), { workerData: task })
    worker.on('message', resolve)
    worker.on('error', reject)
    worker.on('exit', () => reject(new Error('the thread ended before it was done')))
  })
}
