import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { readLimitSources } from '../../src/commands/limit-sources.js'
import { runRestart as runRestartCommand } from '../../src/commands/restart.js'
import { runUsage as runUsageCommand } from '../../src/commands/usage.js'
import { loadLedgerConfig, locateLedger } from '../../src/config/config.js'
import { RawClient } from './client.js'
import { until } from './until.js'
import type { ScriptedUpstream } from './upstream.js'

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))

export const KEY = /lc_[a-z0-9-]+_[a-z0-9-]+_[a-z0-9-]+_[0-9A-Za-z]{20,}/

/** Each test's own folder, with what it started in it: all of it is gone when the test is over. */
export interface Place {
  folder: string
  running: Thinwire[]
  upstreams: ScriptedUpstream[]
  clients: RawClient[]
}

export function open(place: Place): void {
  place.folder = mkdtempSync(join(tmpdir(), 'thinwire-start-'))
  place.running = []
  place.upstreams = []
  place.clients = []
}

export async function clear(place: Place): Promise<void> {
  for (const client of place.clients) client.destroy()
  for (const thinwire of place.running) await thinwire.kill()
  for (const upstream of place.upstreams) await upstream.close()
  // Workers of a relay that was killed may still write there while they end.
  rmSync(place.folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 })
}

/** No provider key, and nothing else of this machine, but what a coverage run needs. */
export function environment(env: Readonly<Record<string, string>>): NodeJS.ProcessEnv {
  const { PATH, NODE_V8_COVERAGE, THINWIRE_WARM_UP = 'off' } = process.env
  return { PATH, THINWIRE_WARM_UP, ...(NODE_V8_COVERAGE === undefined ? {} : { NODE_V8_COVERAGE }), ...env }
}

/** A `thinwire` that runs: what it has written so far, and how it ended. */
export class Thinwire {
  readonly child: ChildProcess
  out = ''
  err = ''
  code: number | null = null
  signal: string | null = null
  private closed = false
  private readonly folder: string

  constructor(place: Place, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    const options = { cwd: place.folder, env: environment(env), stdio: 'pipe' } as const
    const child = spawn(process.execPath, [CLI, ...args], options)
    this.child = child
    this.folder = place.folder
    child.stdin.end()
    child.stdout.on('data', (piece: Buffer) => {
      this.out += piece.toString()
    })
    child.stderr.on('data', (piece: Buffer) => {
      this.err += piece.toString()
    })
    child.on('exit', (code, signal) => {
      this.code = code
      this.signal = signal
    })
    child.on('close', () => {
      this.closed = true
    })
    place.running.push(this)
  }

  /** Its exit code, when it has ended and all its output is here. */
  async ended(): Promise<number | null> {
    await until(() => this.closed, 'thinwire to end', 120_000)
    return this.code
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    this.child.stdout?.destroy()
    this.child.stderr?.destroy()
    await until(() => this.closed, 'thinwire to be gone')
  }

  /** Waits until the log has a line with this in it. */
  async logs(part: string): Promise<void> {
    await until(() => this.out.includes(part), `${JSON.stringify(part)} in the log`)
  }

  /** Sends a signal that lets so many open requests end, and waits until the log tells of it. */
  async drains(signal: 'SIGINT' | 'SIGTERM', open: number): Promise<void> {
    this.child.kill(signal)
    await this.logs(`"signal":"${signal}","in_flight":${open},`)
  }

  get lines(): Array<Record<string, unknown>> {
    return this.out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /** The lines of requests. */
  get requests(): Array<Record<string, unknown>> {
    return this.lines.filter((line) => 'end' in line)
  }

  get url(): string {
    return /listens on (\S+)/.exec(this.err)?.[1] ?? ''
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** The key that this start has issued, from the file that its banner names; empty if there is none. */
  get key(): string {
    const file = /\$\(cat (\S+)\)/.exec(this.err)?.[1]
    return file === undefined
      ? (KEY.exec(this.err)?.[0] ?? '')
      : readFileSync(join(this.folder, file), 'utf8').trim()
  }

  async client(place: Place): Promise<RawClient> {
    const client = await RawClient.connect(this.port)
    place.clients.push(client)
    return client
  }
}

/** Starts a relay, and waits for its banner. */
export async function started(place: Place, args: readonly string[] = [], env: Record<string, string> = {}) {
  const thinwire = new Thinwire(place, ['start', '--listen', '127.0.0.1:0', ...args], env)
  // On a busy machine a start takes its time.
  await until(() => thinwire.err.includes('see README') || thinwire.code !== null, 'the banner', 120_000)
  assert.is(thinwire.code, null, thinwire.err)
  return thinwire
}

/** Runs a command to its end. */
export async function run(place: Place, args: readonly string[]) {
  const thinwire = new Thinwire(place, args)
  const code = await thinwire.ended()
  return { code, out: thinwire.out, err: thinwire.err }
}

/** What is written to it, as text. */
export class Written extends Writable {
  text = ''

  override _write(piece: Buffer, _: BufferEncoding, done: () => void): void {
    this.text += piece.toString()
    done()
  }
}

/** `thinwire usage` without a process of its own, for what is about its words: that takes a tenth of the time. */
export async function runUsage(place: Place, args: readonly string[]) {
  const io = { out: new Written(), err: new Written() }
  const folders = (file: string | undefined) => locateLedger({ file, env: {}, cwd: place.folder })
  const ledger = (file: string | undefined) => loadLedgerConfig({ file, env: {}, cwd: place.folder })
  const limitRules = async (file: string | undefined) =>
    readLimitSources({ file, env: {}, cwd: place.folder }, () => {}).rules
  const code = await runUsageCommand(args, { ...io, folders, ledger, limitRules })
  return { code, out: io.out.text, err: io.err.text }
}

/** `thinwire restart` without a process of its own, for what is about the relay: one in `wire/workers/restart` has one. */
export async function runRestart(place: Place) {
  const io = { out: new Written(), err: new Written() }
  const code = await runRestartCommand([], { ...io, env: {}, cwd: place.folder })
  return { code, out: io.out.text, err: io.err.text }
}
