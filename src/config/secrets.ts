import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import type { Problem } from './problems.js'
import type { SecretRef } from './schema.js'

/** Reads the secrets that a config refers to, and collects the problems of resolving it. */
export class Secrets {
  readonly env: Readonly<Record<string, string | undefined>>
  private readonly folder: string
  private readonly problems: Problem[]

  /**
   * @param folder of the config file, which paths are relative to
   * @param problems each problem is appended here
   */
  constructor(env: Secrets['env'], folder: string, problems: Problem[]) {
    this.env = env
    this.folder = folder
    this.problems = problems
  }

  /**
   * @param path of the setting that refers to the secret
   * @returns the secret; an empty text if there is a problem with it
   */
  read(ref: SecretRef, path: string): string {
    const text = this.readDocument(ref, path) ?? ''
    // A text with a space or line break is two keys, or a key and a comment. An upstream would only say 401.
    if (!/[^\x21-\x7e]/.test(text)) return text
    this.report(path, `${describePlace(ref)} holds more than a key: it must be one line without spaces`)
    return ''
  }

  /** @returns the absolute path of a file that the config names */
  locate(file: string): string {
    return resolve(this.folder, file)
  }

  /**
   * Reads a secret of several lines.
   * @param path of the setting that refers to it
   * @returns null if there is a problem with it, or if no secret is read
   */
  readDocument(ref: SecretRef, path: string): string | null {
    const text = 'env' in ref ? (this.env[ref.env]?.trim() ?? '') : this.readFile(ref.file, path)?.trim()
    if (text === '') this.report(path, `${describePlace(ref)} is ${'env' in ref ? 'not set' : 'empty'}`)
    return text || null
  }

  /**
   * @param file relative to the folder of the config file
   * @param path of the setting that names the file
   * @returns undefined if there is a problem with it
   */
  readFile(file: string, path: string): string | undefined {
    try {
      return readFileSync(this.locate(file), 'utf8')
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error'
      this.report(path, `the file ${file} cannot be read (${code})`)
      return undefined
    }
  }

  /** Adds a problem. @param path of the setting */
  report(path: string, message: string): void {
    this.problems.push({ path, message })
  }
}

function describePlace(ref: SecretRef): string {
  return 'env' in ref ? `the environment variable ${ref.env}` : `the file ${ref.file}`
}

/** For commands that need no secret: each one is read as the same text, which is a valid URL of a proxy, too. */
export class StandInSecrets extends Secrets {
  override read(): string {
    return 'http://stand-in'
  }

  override readDocument(): null {
    return null
  }
}
