import pino, { type Logger } from 'pino'
import type { Config } from '../config/config.js'
import type { RequestSummary, SummarySink } from '../exchange/summary.js'
import { formatRequestLine } from './request-line.js'
import { type OpenSink, openSink, type Sink } from './sink.js'

/**
 * The operations log: JSON lines on standard output, or readable lines in a terminal. Fields are chosen one by one,
 * so that no header, body or credential can come along.
 */
export class Log implements SummarySink {
  private readonly logger: Logger
  private readonly lines: Sink | null
  private readonly sink: OpenSink | null

  /**
   * @param lines where the logger writes JSON to, null if it writes anything else
   * @param sink where all of it ends up
   */
  constructor(logger: Logger, lines: Sink | null, sink: OpenSink | null = null) {
    this.logger = logger
    this.lines = lines
    this.sink = sink
  }

  /** Waits until everything has left, but no longer than `ms`: a reader who has stopped does not hold up the end. */
  async drain(ms: number): Promise<void> {
    const deadline = performance.now() + ms
    while (this.sink !== null && this.sink.queued > 0 && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }
  }

  debug(fields: Record<string, unknown>, message: string): void {
    this.logger.debug(fields, message)
  }

  info(fields: Record<string, unknown>, message: string): void {
    this.logger.info(fields, message)
  }

  warn(fields: Record<string, unknown>, message: string): void {
    this.logger.warn(fields, message)
  }

  error(fields: Record<string, unknown>, message: string): void {
    this.logger.error(fields, message)
  }

  /** One line for a request that is over. What the relay answers by itself to anyone is told at `debug`. */
  record(summary: RequestSummary): void {
    const level =
      summary.outcome.end === 'local' ? 'debug' : summary.outcome.end === 'crashed' ? 'error' : 'info'
    if (!this.logger.isLevelEnabled(level)) return
    const line = formatRequestLine(summary, pino.levels.values[level] as number)
    // Past pino, which walks an object field by field.
    if (this.lines !== null) {
      this.lines.write(line)
      return
    }
    const { level: _, time: __, msg, ...fields } = JSON.parse(line)
    this.logger[level](fields, msg)
  }
}

/** Makes the log of a config, on standard output. */
export async function openLog(options: Config['log'], terminal: boolean): Promise<Log> {
  const sink = openSink()
  const readable = options.format === 'pretty' || (options.format === 'auto' && terminal)
  if (!readable) {
    const timestamp = pino.stdTimeFunctions.isoTime
    return new Log(pino({ level: options.level, base: null, timestamp }, sink), sink, sink)
  }
  const { prettyFactory } = await import('pino-pretty')
  const format = prettyFactory({
    colorize: terminal,
    translateTime: 'SYS:HH:MM:ss',
    // The message has it all; the fields are for programs. Faults are told in full.
    include: 'time,level,err',
    singleLine: true,
  })
  const logger = pino({ level: options.level, base: null }, { write: (line) => sink.write(format(line)) })
  return new Log(logger, null, sink)
}
