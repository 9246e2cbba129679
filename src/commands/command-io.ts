import type { ConfigSource } from '../config/config.js'

/** What a command that reads the config by itself reads and writes. */
export interface CommandIo {
  readonly out: NodeJS.WritableStream
  readonly err: NodeJS.WritableStream
  readonly env: ConfigSource['env']
  readonly cwd: string
}
