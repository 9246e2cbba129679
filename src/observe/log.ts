import pino, { type Logger } from 'pino'
import type { Config } from '../config/config.js'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import { showLines } from '../lib/visible-text.js'
import { formatRequestLine } from './request-line.js'
import { type OpenSink, openSink, type Sink } from './sink.js'

/**
 * The operations log: JSON lines on standard output, or readable lines in a terminal. Fields are chosen one by one, so
 * that no header, body or credential gets into it.
 */
export class Log implements SummarySink {
  private readonly logger: Logger
  private readonly lines: Sink | null
  private readonly sink: OpenSink | null

  /** Number of the worker that writes it; null for a relay of one process. */
  private readonly worker: number | null

  /**
   * @param lines where the logger writes JSON to; null if it writes another format
   * @param sink where all output ends up; null if `drain` has nothing to wait for
   */
  constructor(
    logger: Logger,
    lines: Sink | null,
    sink: OpenSink | null = null,
    worker: number | null = null,
  ) {
    this.logger = logger
    this.lines = lines
    this.sink = sink
    this.worker = worker
  }

  /** Waits until everything is written, at most `ms` milliseconds: a stopped reader does not hold up the shutdown. */
  async drain(ms: number): Promise<void> {
    const deadline = performance.now() + ms
    while (this.sink !== null && this.sink.queued > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  /** Whether other processes write to the same standard output now. */
  share(isShared: boolean): void {
    this.sink?.share?.(isShared)
  }

  debug(fields: Record<string, unknown>, message: string): void {
    this.logger.debug(showFields(fields), showLines(message))
  }

  info(fields: Record<string, unknown>, message: string): void {
    this.logger.info(showFields(fields), showLines(message))
  }

  warn(fields: Record<string, unknown>, message: string): void {
    this.logger.warn(showFields(fields), showLines(message))
  }

  error(fields: Record<string, unknown>, message: string): void {
    this.logger.error(showFields(fields), showLines(message))
  }

  /** Writes the line of a request, at `debug` if the relay answered by itself. */
  record(summary: RequestSummary): void {
    const level =
      summary.outcome.end === 'local' ? 'debug' : summary.outcome.end === 'crashed' ? 'error' : 'info'
    if (!this.logger.isLevelEnabled(level)) return
    const line = formatRequestLine(summary, pino.levels.values[level] as number, this.worker)
    // Bypasses pino, which would walk an object field by field.
    if (this.lines !== null) {
      this.lines.write(line)
      return
    }
    const { level: _, time: __, msg, ...fields } = JSON.parse(line)
    this.logger[level](fields, msg)
  }

  startBatch(): void {
    this.sink?.startBatch?.()
  }

  endBatch(): void {
    this.sink?.endBatch?.()
  }
}

/** Names and texts of a line may be a client's: what a terminal obeys or hides is not in them. */
function showFields(fields: Record<string, unknown>): Record<string, unknown> {
  const shown: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields))
    shown[name] = typeof value === 'string' ? showLines(value) : value
  return shown
}

/** Which of several processes with the same standard output this one is. */
export interface LogPlace {
  /** Number of the worker, which its lines have; null for the primary. */
  readonly worker: number | null
}

/**
 * Opens the log on standard output.
 * @param terminal whether standard output is a terminal
 * @param place null: this process is the only one that writes there
 */
export async function openLog(
  options: Config['log'],
  terminal: boolean,
  place: LogPlace | null = null,
): Promise<Log> {
  const sink = openSink(place !== null)
  const worker = place?.worker ?? null
  const base = worker === null ? null : { worker }
  const readable = options.format === 'pretty' || (options.format === 'auto' && terminal)
  if (!readable) {
    const timestamp = pino.stdTimeFunctions.isoTime
    return new Log(pino({ level: options.level, base, timestamp }, sink), sink, sink, worker)
  }
  const { prettyFactory } = await import('pino-pretty')
  const format = prettyFactory({
    colorize: terminal,
    translateTime: 'SYS:HH:MM:ss',
    // The message is complete, as fields are for programs. Faults are shown with their stack.
    include: 'time,level,err',
    singleLine: true,
  })
  const logger = pino({ level: options.level, base }, { write: (line) => sink.write(format(line)) })
  return new Log(logger, null, sink)
}
