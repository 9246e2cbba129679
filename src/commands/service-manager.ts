import { type ChildProcess, spawn } from 'node:child_process'
import type { Log } from '../observe/log.js'

/** Variables of systemd. The programs that the relay starts shall not speak for it. */
const NAMES = ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID'] as const

/** How a service manager wants to be told of this process (sd_notify(3)). */
export interface NotifySettings {
  readonly socket: string
  /** Milliseconds between two signs of life; null: none are wanted. */
  readonly watchdogMs: number | null
}

/**
 * Node cannot send to the socket of systemd, which takes datagrams. `systemd-notify` can. A shell starts it for each
 * message, and not the relay: to start a program stops the event loop of a large process for some milliseconds. The
 * shell has to outlive the SIGTERM that systemd sends to all processes of a service, and ends with its input.
 */
const SENDER = `trap '' TERM INT HUP
command -v systemd-notify > /dev/null || exit 127
set -f
IFS='	'
while read -r message; do systemd-notify $message < /dev/null; done`

/**
 * Reads what systemd wants, and removes the variables.
 * @param env is changed
 * @param pid of this process
 * @returns null without NOTIFY_SOCKET
 */
export function takeNotifySettings(
  env: Record<string, string | undefined>,
  pid: number,
): NotifySettings | null {
  const { NOTIFY_SOCKET: socket = '', WATCHDOG_USEC: usec = '', WATCHDOG_PID: watched = '' } = env
  for (const name of NAMES) delete env[name]
  if (socket === '') return null
  const isWatched = /^[1-9]\d{0,14}$/.test(usec) && (watched === '' || watched === String(pid))
  return { socket, watchdogMs: isWatched ? Math.max(1, Math.floor(Number(usec) / 2_000)) : null }
}

/** @returns null without NOTIFY_SOCKET */
export function openServiceManager(
  env: Record<string, string | undefined>,
  pid: number,
  log: Pick<Log, 'warn'>,
): ServiceManager | null {
  const settings = takeNotifySettings(env, pid)
  return settings === null ? null : new ServiceManager(settings, log)
}

/** Tells systemd what the relay is doing. */
export class ServiceManager {
  private readonly sender: ChildProcess
  private readonly clock: NodeJS.Timeout | null
  isOpen: boolean
  private readonly settings: NotifySettings
  private isStopping: boolean

  /** @param log says once if systemd cannot be told */
  constructor(settings: NotifySettings, log: Pick<Log, 'warn'>) {
    const { socket, watchdogMs } = settings
    this.settings = settings
    this.isOpen = true
    this.isStopping = false
    this.sender = spawn('/bin/sh', ['-c', SENDER], {
      env: { PATH: process.env.PATH, NOTIFY_SOCKET: socket },
      // Its own messages say why systemd takes nothing.
      stdio: ['pipe', 'ignore', 'inherit'],
    })
    const fail = (cause: string): void => {
      if (!this.isOpen) return
      this.close()
      log.warn({ cause }, `the service manager is not told what the relay does: ${cause}`)
    }
    this.sender.on('error', (error) => fail(error.message))
    this.sender.on('exit', (code, signal) =>
      fail(code === 127 ? 'there is no systemd-notify' : `systemd-notify has failed (${signal ?? code})`),
    )
    this.sender.stdin?.on('error', () => fail('systemd-notify takes nothing'))
    // It has nothing to say of when the relay ends.
    this.sender.unref()
    ;(this.sender.stdin as unknown as { unref?: () => void } | null)?.unref?.()
    this.clock = watchdogMs === null ? null : setInterval(() => this.beat(), watchdogMs).unref()
  }

  /** @param status a short line for `systemctl status` */
  ready(status: string): void {
    // A signal may end the relay while it still warms up.
    if (this.isStopping) return
    this.send(['READY=1', `STATUS=${status}`])
  }

  /** The config is read again; `reloaded` has to follow. */
  reloading(): void {
    // The clock of `hrtime` is the one that systemd means.
    this.send(['RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`])
  }

  reloaded(): void {
    this.send(['READY=1'])
  }

  /** The relay is about to end. @param withinMs how long that may take, which systemd shall wait for */
  stopping(status: string, withinMs: number): void {
    this.isStopping = true
    this.send(['STOPPING=1', `STATUS=${status}`, `EXTEND_TIMEOUT_USEC=${Math.ceil(withinMs) * 1_000}`])
  }

  /** Variables by which a process of this service is told the same. */
  get variables(): Record<string, string> {
    const { socket, watchdogMs } = this.settings
    const watchdog = watchdogMs === null ? {} : { WATCHDOG_USEC: String(watchdogMs * 2_000) }
    return { NOTIFY_SOCKET: socket, ...watchdog }
  }

  /** Another process is the main one of the service from now on, and says what the relay does. */
  handOver(pid: number): void {
    this.send([`MAINPID=${pid}`])
    this.close()
  }

  /** Nothing is sent from now on. */
  close(): void {
    this.isOpen = false
    if (this.clock !== null) clearInterval(this.clock)
    this.sender.stdin?.end()
  }

  /** It comes from the event loop, so that a relay that hangs sends none. */
  private beat(): void {
    // A service manager that takes nothing shall not fill the memory.
    if (this.sender.stdin?.writableNeedDrain !== true) this.send(['WATCHDOG=1'])
  }

  private send(assignments: readonly string[]): void {
    if (!this.isOpen) return
    const message = assignments.map((each) => each.replace(/\s+/g, ' ')).join('\t')
    this.sender.stdin?.write(`${message}\n`)
  }
}
