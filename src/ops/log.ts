import pino, { type Logger } from 'pino'
import { prettyFactory } from 'pino-pretty'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange.js'
import { Settled } from './line.js'
import { openSink, type Sink } from './sink.js'

/**
 * Lines of requests are written together: code that runs over and over is in the processor's caches, and what one line takes
 * between the other work of a request is several times what it takes behind another line.
 */
const GATHER_MS = 20
const MOST_GATHERED = 1_000

/**
 * The operations log: JSON lines on standard output, or readable lines in a terminal. Fields are chosen one by one,
 * so that no header, body or credential can come along.
 */
export class Log {
  private readonly logger: Logger
  private readonly lines: Sink | null
  private settled: Settled[]
  private waiting: boolean

  /** @param lines where the logger writes JSON to, null if it writes anything else */
  constructor(logger: Logger, lines: Sink | null) {
    this.logger = logger
    this.lines = lines
    this.settled = []
    this.waiting = false
  }

  debug(fields: Record<string, unknown>, message: string): void {
    this.flush()
    this.logger.debug(fields, message)
  }

  info(fields: Record<string, unknown>, message: string): void {
    this.flush()
    this.logger.info(fields, message)
  }

  warn(fields: Record<string, unknown>, message: string): void {
    this.flush()
    this.logger.warn(fields, message)
  }

  error(fields: Record<string, unknown>, message: string): void {
    this.flush()
    this.logger.error(fields, message)
  }

  /** One line for a request, when it is over. What the relay answers by itself to anyone is told at `debug`. */
  exchange(x: Exchange, now: number): void {
    const level = x.end === 'local' ? 'debug' : x.end === 'crashed' ? 'error' : 'info'
    if (!this.logger.isLevelEnabled(level)) return
    this.settled.push(new Settled(x, pino.levels.values[level] as number, now))
    if (this.settled.length >= MOST_GATHERED) this.flush()
    else if (!this.waiting) {
      this.waiting = true
      setTimeout(flush, GATHER_MS, this).unref()
    }
  }

  /** Writes the lines of all requests that are over. */
  flush(): void {
    const { settled } = this
    this.waiting = false
    if (settled.length === 0) return
    this.settled = []
    for (const one of settled) {
      const line = one.line()
      // Past pino, which walks an object field by field.
      if (this.lines !== null) this.lines.write(line)
      else {
        const { level, time: _, msg, ...fields } = JSON.parse(line)
        this.logger[pino.levels.labels[level] as 'info'](fields, msg)
      }
    }
  }
}

function flush(log: Log): void {
  log.flush()
}

/** Makes the log of a config, on standard output. */
export function openLog(options: Config['log'], terminal: boolean): Log {
  const sink = openSink()
  const readable = options.format === 'pretty' || (options.format === 'auto' && terminal)
  if (!readable) {
    const timestamp = pino.stdTimeFunctions.isoTime
    return flushedAtExit(new Log(pino({ level: options.level, base: null, timestamp }, sink), sink))
  }
  const format = prettyFactory({
    colorize: terminal,
    translateTime: 'SYS:HH:MM:ss',
    // The message has it all; the fields are for programs. Faults are told in full.
    include: 'time,level,err',
    singleLine: true,
  })
  const logger = pino({ level: options.level, base: null }, { write: (line) => sink.write(format(line)) })
  return flushedAtExit(new Log(logger, null))
}

/** Ahead of the sink, which then writes what it has. */
function flushedAtExit(log: Log): Log {
  process.prependOnceListener('exit', () => log.flush())
  return log
}
