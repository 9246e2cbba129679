import type { ChildProcess } from 'node:child_process'
import { utimesSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

/** What a config file says. */
export type Settings = Readonly<Record<string, unknown>>

/** Of the file, whatever is in it. */
const FILE_BYTES = 64 * 1024

const PATIENCE_MS = 10_000

/**
 * The config file of a Thinwire that runs, and may be given another one: what two configs cost is then measured in one
 * process, as two of them differ by more than that.
 */
export class LiveConfig {
  /** As it was at the start. */
  readonly first: Settings
  private readonly file: string
  private current: string

  constructor(file: string, first: Settings) {
    this.file = file
    this.first = first
    this.current = ''
    this.write(first)
  }

  /**
   * Resolves when requests go by these settings.
   * @param targets how many there are of those that they name, by which it can be told
   * @throws Error if they are not taken over
   */
  async take(settings: Settings, targets: number, port: number, relay: ChildProcess): Promise<void> {
    if (!this.write(settings)) return
    relay.kill('SIGHUP')
    const deadline = performance.now() + PATIENCE_MS
    while ((await targetsOf(port)) !== targets) {
      if (performance.now() > deadline) throw new Error('another config was not taken over')
      await setTimeout(5)
    }
  }

  /**
   * Always as long and as old: Thinwire looks at the file once in a while, and would read it once more at a time of its own.
   * @returns false if it says just that
   */
  private write(settings: Settings): boolean {
    const text = JSON.stringify(settings)
    if (text === this.current) return false
    if (text.length > FILE_BYTES) throw new Error(`a config of ${text.length} bytes is too long`)
    this.current = text
    writeFileSync(this.file, text.padEnd(FILE_BYTES))
    utimesSync(this.file, 0, 0)
    return true
  }
}

async function targetsOf(port: number): Promise<number> {
  const answer = await fetch(`http://127.0.0.1:${port}/readyz`)
  const { targets } = (await answer.json()) as { targets: Readonly<Record<string, number>> }
  return (targets.closed ?? 0) + (targets.open ?? 0) + (targets.half_open ?? 0)
}
