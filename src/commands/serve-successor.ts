import type { App } from '../app/app.js'
import { warmUp } from '../app/warm-up.js'
import type { Config } from '../config/config.js'
import { startDemo } from '../demo/server.js'
import { openLog } from '../observe/log.js'
import { tellParent } from '../workers/succession-messages.js'
import type { SuccessorStart } from '../workers/successor-seat.js'
import { flushOnExit } from './process-exit.js'
import { RelayProcess } from './relay-process.js'
import {
  createRelay,
  describeStartError,
  EXIT_CANNOT_RUN,
  findServiceManager,
  type ServeOptions,
} from './serve.js'

/** How long budgets may take to be restored before the first request comes; milliseconds. */
const RESTORE_MS = 10_000

/**
 * Runs the relay in the place of a process that serves so far, at its listening sockets. It says nothing to the person
 * who has started that one.
 * @returns never resolves
 */
export async function serveAsSuccessor(
  config: Config,
  seat: SuccessorStart,
  { source, prices, early }: Pick<ServeOptions, 'source' | 'prices' | 'early'>,
): Promise<number> {
  const { link, inheritance } = seat
  let isServing = false
  link.onClose(() => {
    if (!isServing) process.exit(EXIT_CANNOT_RUN)
  })
  let app: App | null = null
  try {
    const log = await openLog(config.log, process.stdout.isTTY === true, { worker: null })
    inheritance.onEnd(() => log.share(false))
    const manager = await findServiceManager(log)
    const demo = config.upstreams.length === 0 ? await startDemo() : null
    await inheritance.whenNamed()
    app = await createRelay(config, { source, prices }, demo, log, { inheritance })
    flushOnExit(app)
    await warmUp(app, log)
    await app.handover.takeOver(inheritance, RESTORE_MS)
    const ports = await app.listen()
    // From now on there may be clients here: this process goes on, whatever becomes of the other one.
    isServing = true
    const cleanUp = async (): Promise<void> => demo?.close()
    const relay = new RelayProcess({ app, log, options: { source, early }, manager, cleanUp, seat })
    relay.begin(ports)
    await relay.show()
    manager?.ready(`listens on ${ports.host}:${ports.port}`)
    tellParent(link, { type: 'ready' })
  } catch (error) {
    await failAsSuccessor(seat, `thinwire: ${describeStartError(error)}`, EXIT_CANNOT_RUN)
  }
  return new Promise(() => {})
}

/** Tells the process that has started this one why it cannot run, and ends. */
export async function failAsSuccessor(
  { link }: SuccessorStart,
  message: string,
  exitCode: number,
): Promise<never> {
  tellParent(link, { type: 'failed', message })
  await link.flush()
  return process.exit(exitCode)
}
