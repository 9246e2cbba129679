import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { type AddressInfo, createServer, type ListenOptions, type Server } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { environment, type Place } from './thinwire.js'
import { until } from './until.js'

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))

/** Starts a relay for each line that it reads, writes its process id, and goes on holding its sockets. */
const HOLD = `while read -r count names; do
  LISTEN_FDS=$count LISTEN_FDNAMES=$names sh -c 'export LISTEN_PID=$$; exec "$0" "$@"' "$@" >> out 2>> err &
  echo $!
done`

/** What systemd does for a socket unit: it holds listening sockets, and starts relays that get them as fd 3 and up. */
export class SocketHolder {
  readonly ports: number[]
  private readonly child: ChildProcess
  private readonly folder: string
  private readonly started: number[]
  private answers: string

  private constructor(place: Place, servers: readonly Server[], env: NodeJS.ProcessEnv, prepare: string) {
    this.folder = place.folder
    this.started = []
    this.answers = ''
    const fds = servers.map((server) => (server as unknown as { _handle: { fd: number } })._handle.fd)
    this.ports = servers.map((server) => (server.address() as AddressInfo | null)?.port ?? 0)
    this.child = spawn('/bin/sh', ['-c', prepare + HOLD, 'sh', process.execPath, CLI, 'start'], {
      cwd: place.folder,
      env,
      stdio: ['pipe', 'pipe', 'inherit', ...fds],
    })
    this.child.stdout?.on('data', (piece: Buffer) => {
      this.answers += piece.toString()
    })
  }

  /** @param prepare a line for the shell, such as `ulimit` */
  static async open(
    place: Place,
    options: { listen?: ListenOptions[]; env?: Record<string, string>; prepare?: string } = {},
  ): Promise<SocketHolder> {
    const { listen = [{ host: '127.0.0.1', port: 0 }], env = {}, prepare = '' } = options
    const servers = listen.map((each) => createServer().listen(each))
    for (const server of servers) if (!server.listening) await once(server, 'listening')
    const holder = new SocketHolder(place, servers, environment(env), prepare === '' ? '' : `${prepare}\n`)
    // Nobody knows the ports yet, so that this process has accepted nothing.
    for (const server of servers) server.close()
    return holder
  }

  get port(): number {
    return this.ports[0] ?? 0
  }

  /** All that its relays have written to standard output. */
  get out(): string {
    return this.read('out')
  }

  get err(): string {
    return this.read('err')
  }

  private read(name: string): string {
    try {
      return readFileSync(join(this.folder, name), 'utf8')
    } catch {
      return ''
    }
  }

  /** Starts a relay. @returns its process id */
  async start(names = 'thinwire.socket'): Promise<number> {
    const before = this.answers.split('\n').length
    this.child.stdin?.write(`${this.ports.length} ${names}\n`)
    await until(() => this.answers.split('\n').length > before, 'the process id')
    const pid = Number(this.answers.trimEnd().split('\n').at(-1))
    this.started.push(pid)
    return pid
  }

  /** Starts a relay, and waits for its banner. */
  async run(names?: string): Promise<number> {
    const banners = this.err.split('see README').length
    const pid = await this.start(names)
    await until(() => this.err.split('see README').length > banners || !isRunning(pid), 'the banner', 120_000)
    if (!isRunning(pid)) throw new Error(`the relay has ended: ${this.err}`)
    return pid
  }

  /** Ends a relay, and waits until it is gone. */
  async stop(pid: number): Promise<void> {
    process.kill(pid, 'SIGTERM')
    await this.ended(pid)
  }

  async ended(pid: number): Promise<void> {
    await until(() => !isRunning(pid), 'the relay to end')
  }

  close(): void {
    for (const pid of this.started) if (isRunning(pid)) process.kill(pid, 'SIGKILL')
    this.child.kill('SIGKILL')
    for (const stream of this.child.stdio) stream?.destroy()
  }
}

/** A process that has ended, and that its parent has not yet asked for, counts as gone. */
function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}
