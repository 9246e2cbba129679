import { isatty } from 'node:tty'

/** They would end a relay that starts, which means to do something else of them once it serves. */
const HELD = ['SIGHUP', 'SIGUSR2'] as const

/** A worker leaves these to its primary, too: a terminal and a service manager send them to every process. */
const LEFT_TO_PRIMARY = ['SIGINT', 'SIGTERM', ...HELD] as const

/** Keeps signals from ending a process that starts, and hands on those that came when it can do what they ask for. */
export class EarlySignals {
  private readonly names: readonly NodeJS.Signals[]
  private readonly came: Set<NodeJS.Signals>
  private readonly hold: (signal: NodeJS.Signals) => void

  private constructor(names: readonly NodeJS.Signals[]) {
    this.names = names
    this.came = new Set()
    this.hold = (signal) => this.came.add(signal)
    for (const name of names) process.on(name, this.hold)
  }

  /** Holds the signals from now on. Called before the code of the relay is loaded, which takes its time. */
  static hold(env: NodeJS.ProcessEnv): EarlySignals {
    if (process.platform === 'win32') return new EarlySignals([])
    if (env.THINWIRE_WORKER !== undefined) return new EarlySignals(LEFT_TO_PRIMARY)
    // The window of a terminal was closed: that ends the relay.
    const names = HELD.filter((name) => name !== 'SIGHUP' || !(isatty(0) || isatty(1)))
    return new EarlySignals(names)
  }

  /** The listeners of the relay are there: they get what came, and all that follows. */
  release(): void {
    const came = [...this.came]
    this.came.clear()
    for (const name of this.names) process.off(name, this.hold)
    for (const name of came) process.emit(name, name)
  }
}
