import { statSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { KeyFormatError } from '../access/key.js'
import { type ChangeOptions, issueKey, revokeKey, rotateKey } from '../access/key-changes.js'
import { createFileError, fingerprintKeyFile, KeyringError } from '../access/keyfile.js'
import type { KeyChangeNews, KeyChangeTask } from './key-change.js'

// The thread that changes the key file: see `changeKeyFile`.

function act(task: KeyChangeTask, options: ChangeOptions): { readonly id: string; readonly key: string } {
  switch (task.op) {
    case 'add': {
      const { key, record } = issueKey(task.file, task.owner, { ...options, limits: task.limits })
      return { id: record.id, key }
    }
    case 'rotate': {
      const { key, record } = rotateKey(task.file, task.id, task.overlapMs, undefined, options)
      return { id: record.id, key }
    }
    case 'revoke':
      return { id: revokeKey(task.file, task.id, options).id, key: '' }
  }
}

/**
 * A relay goes on with its keys while their file is away, such as in the middle of an edit. With a new file of one key,
 * it would take all others for removed.
 */
function checkFile(file: string): void {
  try {
    fingerprintKeyFile(statSync(file, { bigint: true }), 1)
  } catch (cause) {
    throw createFileError('unreadable', file, cause)
  }
}

function run(task: KeyChangeTask): KeyChangeNews {
  let problem: string | null = null
  const onProblem = (message: string): void => {
    problem = message
  }
  try {
    if (task.hasKeys) checkFile(task.file)
    return { done: act(task, { page: task.page, onProblem }), problem, failure: null }
  } catch (error) {
    if (!(error instanceof KeyringError || error instanceof KeyFormatError)) throw error
    return { done: null, problem, failure: { code: error.code, message: error.message } }
  }
}

parentPort?.postMessage(run(workerData as KeyChangeTask))
