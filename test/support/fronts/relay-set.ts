import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type IssueOptions, issueKey } from '../../../src/access/key-changes.js'
import { type Place, Thinwire } from '../thinwire.js'
import { until, wait } from '../until.js'
import { findPorts } from './ports.js'

/** What the relays send to the provider; the direct way of the front has another one. */
export const RELAY_CREDENTIAL = 'sk-of-the-relays-0123456789'

export interface RelaySetOptions {
  /** Base URL of the provider, without the version: `http://127.0.0.1:1234`. */
  readonly providerUrl: string
  readonly count?: number
  /** Whether the relays write to one data folder. Default: yes. */
  readonly shared?: boolean
  /** Further settings of the config. */
  readonly settings?: Readonly<Record<string, unknown>>
}

/** One relay of a set: a `thinwire start` process that keeps its port over restarts. */
export class SetRelay {
  readonly port: number
  private readonly place: Place
  private readonly config: string
  private running: Thinwire | null = null

  constructor(place: Place, config: string, port: number) {
    this.place = place
    this.config = config
    this.port = port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get isRunning(): boolean {
    return this.running !== null && this.running.code === null && this.running.signal === null
  }

  /** The process that runs now. */
  get current(): Thinwire {
    assert.ok(this.running !== null, 'the relay was never started')
    return this.running
  }

  /** Starts it on its port, and waits until `/readyz` says that it is ready. */
  async start(): Promise<void> {
    const args = ['start', '--config', this.config, '--listen', `127.0.0.1:${this.port}`]
    const started = new Thinwire(this.place, args, { PROVIDER_KEY: RELAY_CREDENTIAL })
    this.running = started
    const onExit = (): void => {
      started.child.kill('SIGKILL')
    }
    process.on('exit', onExit)
    started.child.on('exit', () => process.removeListener('exit', onExit))
    const isUp = (): boolean => started.err.includes('see README')
    const hasEnded = (): boolean => started.code !== null || started.signal !== null
    await until(() => isUp() || hasEnded(), 'the banner of a relay').catch((error: Error) => {
      throw new Error(`${error.message}: ${started.err}${started.out.slice(-1_000)}`)
    })
    assert.ok(isUp(), `the relay ended (${started.code ?? started.signal}): ${started.err}`)
    while (!hasEnded() && !(await this.isReady())) await wait(20)
  }

  async isReady(): Promise<boolean> {
    try {
      const response = await fetch(`${this.url}/readyz`)
      await response.text()
      return response.status === 200
    } catch {
      return false
    }
  }

  /**
   * SIGKILL, and waits until the process is gone.
   * @returns `performance.now()` when it was: what a client sends later never reached it
   */
  async kill(): Promise<number> {
    const { child } = this.current
    let goneAt = 0
    child.once('exit', () => {
      goneAt = performance.now()
    })
    await this.current.kill()
    return goneAt
  }

  /** SIGSTOP: the kernel still accepts connections for it, and nothing answers. */
  freeze(): void {
    this.current.child.kill('SIGSTOP')
  }

  thaw(): void {
    this.current.child.kill('SIGCONT')
  }

  /** SIGTERM, and waits for its end. @returns its exit code */
  async drain(): Promise<number | null> {
    this.current.child.kill('SIGTERM')
    return this.current.ended()
  }

  /** An upgrade: drains, and starts on the same port. */
  async upgrade(): Promise<void> {
    assert.is(await this.drain(), 0, this.current.err)
    await this.start()
  }
}

/** Relays behind one front: real processes, one provider. They end with the test's place (`clear`). */
export class RelaySet {
  readonly relays: readonly SetRelay[]
  /** The key file of the first relay; of all, if they share a folder. */
  readonly keyFile: string
  /** The config file of the first relay; of all, if they share a folder. */
  readonly configFile: string
  /** A key that all relays know, if they share a folder. */
  readonly key: string

  private constructor(relays: readonly SetRelay[], folder: string) {
    this.relays = relays
    this.keyFile = join(folder, 'data', 'keys.jsonl')
    this.configFile = join(folder, 'thinwire.json')
    // Before the start: else each relay makes a first key of its own.
    this.key = this.issueKey('first')
  }

  /** Writes the config, and starts nothing yet. */
  static async prepare(place: Place, options: RelaySetOptions): Promise<RelaySet> {
    const { count = 2, shared = true, providerUrl, settings = {} } = options
    const config = {
      trustedProxies: ['127.0.0.1'],
      upstreams: { openai: { baseUrl: `${providerUrl}/v1`, apiKey: { env: 'PROVIDER_KEY' } } },
      ...settings,
      timeouts: { readyGraceMs: 1_500, ...(settings.timeouts as object | undefined) },
      limits: { connectionsPerAddress: 10_000, ...(settings.limits as object | undefined) },
    }
    const folders = Array.from({ length: count }, (_, i) =>
      join(place.folder, shared ? 'relays' : `relay${i}`),
    )
    for (const folder of new Set(folders)) {
      mkdirSync(join(folder, 'data'), { recursive: true })
      writeFileSync(join(folder, 'thinwire.json'), JSON.stringify(config))
    }
    const ports = await findPorts(count)
    const relays = folders.map(
      (folder, i) => new SetRelay(place, join(folder, 'thinwire.json'), ports[i] as number),
    )
    return new RelaySet(relays, folders[0] as string)
  }

  static async start(place: Place, options: RelaySetOptions): Promise<RelaySet> {
    const set = await RelaySet.prepare(place, options)
    await set.startAll()
    return set
  }

  async startAll(): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay.start()))
  }

  /** Kills all. @returns `performance.now()` when the last one was gone */
  async killAll(): Promise<number> {
    return Math.max(...(await Promise.all(this.relays.map((relay) => relay.kill()))))
  }

  get first(): SetRelay {
    return this.relays[0] as SetRelay
  }

  get second(): SetRelay {
    return this.relays[1] as SetRelay
  }

  /** A new key, whole. Relays that run know it within a second. @param user its third part, `[a-z0-9-]` */
  issueKey(user: string, options: IssueOptions = {}): string {
    return issueKey(this.keyFile, { env: 'prod', team: 'core', user }, options).key
  }
}
