import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Problem } from './problems.js'
import type { SecretRef } from './schema.js'

/** Where the values are that a config refers to. */
export class Secrets {
  readonly env: Readonly<Record<string, string | undefined>>
  private readonly folder: string
  private readonly problems: Problem[]

  /** @param problems are added to: a secret that is not there, by the path of who needs it */
  constructor(env: Secrets['env'], folder: string, problems: Problem[]) {
    this.env = env
    this.folder = folder
    this.problems = problems
  }

  /** @returns the secret; an empty text if there is a problem with it */
  read(ref: SecretRef, path: string): string {
    const from = 'env' in ref ? `the environment variable ${ref.env}` : `the file ${ref.file}`
    const text = 'env' in ref ? (this.env[ref.env]?.trim() ?? '') : this.readFile(ref.file, path)?.trim()
    if (text === undefined) return ''
    if (text === '') this.tell(path, 'env' in ref ? `${from} is not set` : `${from} is empty`)
    // A key with a line break or a space in it is two keys, or a key and a comment; an upstream would answer 401.
    else if (/[^\x21-\x7e]/.test(text))
      this.tell(path, `${from} holds more than a key: one line without spaces`)
    else return text
    return ''
  }

  /**
   * @param file relative to the folder of the config file
   * @returns undefined if there is a problem with it
   */
  readFile(file: string, path: string): string | undefined {
    try {
      return readFileSync(resolve(this.folder, file), 'utf8')
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
      this.tell(path, `the file ${file} cannot be read (${code})`)
      return undefined
    }
  }

  tell(path: string, message: string): void {
    this.problems.push({ path, message })
  }
}
