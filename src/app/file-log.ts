import type { Log } from '../observe/log.js'

/** What is said of the files that a relay follows. */
export type FileLog = Pick<Log, 'info' | 'warn' | 'error'>

/**
 * The log for what is found in the config, key, price and certificate files. All workers follow the same files, and
 * their primary says once what is in them: they say it at `debug`.
 */
export function openFileLog(log: Log, isWorker: boolean): FileLog {
  if (!isWorker) return log
  const whisper: FileLog['info'] = (fields, message) => log.debug(fields, message)
  return { info: whisper, warn: whisper, error: whisper }
}
