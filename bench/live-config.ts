import type { ChildProcess } from 'node:child_process'
import { utimesSync, writeFileSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'

/** The settings of a config file. */
export type Settings = Readonly<Record<string, unknown>>

/** Size of the file, whatever its settings are. */
const FILE_BYTES = 64 * 1024

const PATIENCE_MS = 10_000

/**
 * The config file of a running Thinwire, which can be replaced. So the costs of two configs are measured in one
 * process: two processes differ by more than that.
 */
export class LiveConfig {
  /** The settings at the start. */
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
   * Resolves when requests follow these settings.
   * @param targets the number of targets with these settings, by which `/readyz` shows the change
   * @throws Error if the relay does not apply them
   */
  async take(settings: Settings, targets: number, port: number, relay: ChildProcess): Promise<void> {
    if (!this.write(settings)) return
    relay.kill('SIGHUP')
    const deadline = performance.now() + PATIENCE_MS
    while ((await targetsOf(port)) !== targets) {
      if (performance.now() > deadline) throw new Error('the new config was not applied')
      await setTimeout(5)
    }
  }

  /**
   * Writes the file with the same size and time as before. Thinwire watches the file, and would otherwise read it again
   * during a measurement.
   * @returns false if the file has these settings already
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
