import { createHmac } from 'node:crypto'
import http from 'node:http'
import https from 'node:https'
import type { LimitRulesConfig } from '../../config/limit-rules.js'
import { readErrorCode } from '../../lib/error-code.js'
import { ignore } from '../../lib/ignore.js'
import type { BoundCounters } from '../../lib/limit-counters.js'
import type { Log } from '../../observe/log.js'
import { VERSION } from '../../version.js'

/** Milliseconds between one try and the next. After the last one the alert is given up. */
const PAUSES_MS = [1_000, 5_000, 25_000, 125_000, 300_000]

/** The whole time for one try: connection, TLS and the head of the answer. */
const TRY_MS = 10_000

/** The whole time for what waits when the relay ends. */
const CLOSE_MS = 2_000

/** Alerts that are named when they could not be sent before the end. */
const MAX_NAMED = 20

/** What is sent to the webhook. */
export interface WebhookAlert {
  /** The same in each try. */
  readonly id: string
  /** For the log. */
  readonly name: string
  /** JSON. */
  readonly body: string
}

/** What became of the alerts since the start. */
export interface WebhookCounts {
  readonly sent: number
  /** Given up after the last try, or not even tried because the queue was full. */
  readonly failed: number
  readonly waiting: number
}

/**
 * Sends alerts to a webhook, one after the other. They wait in a bounded queue, so that nothing waits for the webhook.
 * A try that fails is repeated after a pause, which grows. The clock of the listener drives it, so that no timer is
 * needed before the end.
 */
export class AlertWebhook {
  private settings: LimitRulesConfig['alerts']
  private readonly log: Pick<Log, 'warn'>
  private readonly bounds: Pick<BoundCounters, 'hit'>
  /** The first one is being sent, or is tried next. */
  private readonly waiting: WebhookAlert[]
  /** Failed tries of the first one. */
  private failures: number
  /** When it is tried: `performance.now()`. */
  private nextAt: number
  private current: Try | null
  private sent: number
  private failed: number
  private isFull: boolean
  private isClosing: boolean

  /** @param bounds counts alerts that find the queue full */
  constructor(
    settings: LimitRulesConfig['alerts'],
    log: Pick<Log, 'warn'>,
    bounds: Pick<BoundCounters, 'hit'>,
  ) {
    this.settings = settings
    this.log = log
    this.bounds = bounds
    this.waiting = []
    this.failures = 0
    this.nextAt = 0
    this.current = null
    this.sent = 0
    this.failed = 0
    this.isFull = false
    this.isClosing = false
  }

  /** What waits goes to the new address, if there is one. */
  reconfigure(settings: LimitRulesConfig['alerts']): void {
    if (settings.url !== this.settings.url) this.nextAt = 0
    this.settings = settings
  }

  /** Takes an alert, which is sent at a tick. Without a webhook it does nothing. */
  add(alert: WebhookAlert): void {
    if (this.settings.url === null) return
    if (this.waiting.length < this.settings.maxQueued) {
      this.waiting.push(alert)
      return
    }
    this.failed++
    this.bounds.hit('maxQueuedAlerts')
    if (this.isFull) return
    this.isFull = true
    this.log.warn(
      { waiting: this.waiting.length },
      'the webhook of limits.alerts is too slow: as many alerts wait as may, and further ones are in the log alone',
    )
  }

  get counts(): WebhookCounts {
    return { sent: this.sent, failed: this.failed, waiting: this.waiting.length }
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    if (this.current !== null) {
      if (now >= this.current.deadline) this.current.giveUp('no answer')
    } else if (this.waiting.length > 0 && now >= this.nextAt && !this.isClosing) void this.sendFirst(now)
  }

  /** Tries each alert that waits once more, within two seconds in all. The log names those that are left. */
  async close(): Promise<void> {
    this.isClosing = true
    let isOver = false
    const timer = setTimeout(() => {
      isOver = true
      this.current?.giveUp('the relay ends')
    }, CLOSE_MS)
    await this.current?.done
    while (this.waiting.length > 0 && !isOver) {
      const [alert] = this.waiting as [WebhookAlert]
      if ((await this.send(alert, performance.now())) !== null) break
      this.waiting.shift()
    }
    clearTimeout(timer)
    this.logLeft()
  }

  /** Names the alerts that wait in the log. Nothing is sent from now on. */
  logLeft(): void {
    this.isClosing = true
    const left = this.waiting.splice(0)
    if (left.length === 0) return
    const alerts = left.slice(0, MAX_NAMED).map(({ name }) => name)
    this.log.warn(
      { alerts, count: left.length },
      `${left.length === 1 ? '1 alert has' : `${left.length} alerts have`} not reached the webhook of limits.alerts before the end`,
    )
  }

  /** @param now `performance.now()` */
  private async sendFirst(now: number): Promise<void> {
    const [alert] = this.waiting as [WebhookAlert]
    const cause = await this.send(alert, now)
    // The process may have ended by itself in the meantime.
    if (this.waiting[0] !== alert) return
    if (cause === null) this.remove()
    else if (this.failures < PAUSES_MS.length) {
      this.nextAt = performance.now() + (PAUSES_MS[this.failures] as number)
      if (this.failures === 0) this.warn(alert, cause, 'it is tried again')
      this.failures++
    } else {
      this.failed++
      this.remove()
      this.warn(alert, cause, 'it is given up')
    }
  }

  private remove(): void {
    this.waiting.shift()
    this.failures = 0
    this.nextAt = 0
    this.isFull = false
  }

  /** @returns null if it has arrived, else why not */
  private async send(alert: WebhookAlert, now: number): Promise<string | null> {
    this.current = new Try(alert, this.settings, now + TRY_MS)
    const cause = await this.current.done
    this.current = null
    if (cause === null) this.sent++
    return cause
  }

  private warn({ id, name }: WebhookAlert, cause: string, what: string): void {
    this.log.warn(
      { id, alert: name, cause },
      `the webhook of limits.alerts has not taken an alert (${cause}): ${what}`,
    )
  }
}

/** One try to send an alert. */
class Try {
  /** `performance.now()` */
  readonly deadline: number
  /** Null if the alert has arrived, else why not. */
  readonly done: Promise<string | null>
  private readonly aborter: AbortController
  private cause: string | null

  constructor(alert: WebhookAlert, settings: LimitRulesConfig['alerts'], deadline: number) {
    this.deadline = deadline
    this.aborter = new AbortController()
    this.cause = null
    this.done = this.post(alert, settings)
  }

  giveUp(cause: string): void {
    this.cause ??= cause
    this.aborter.abort()
  }

  private async post(
    { id, body: text }: WebhookAlert,
    { url, secret }: LimitRulesConfig['alerts'],
  ): Promise<string | null> {
    if (url === null) return 'there is no webhook any more'
    const headers: Record<string, string> = {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text)),
      'user-agent': `thinwire/${VERSION}`,
      'x-thinwire-alert': id,
    }
    if (secret !== null) headers['x-thinwire-signature'] = sign(text, secret, Math.floor(Date.now() / 1_000))
    try {
      const status = await postText(url, headers, text, this.aborter.signal)
      return status >= 200 && status < 300 ? null : `status ${status}`
    } catch (error) {
      return this.cause ?? readErrorCode(error)
    }
  }
}

/**
 * Redirects are not followed: whoever answers with one is not the receiver that the config names.
 * @returns the status of the answer, of which no more is read
 */
function postText(
  url: string,
  headers: Record<string, string>,
  text: string,
  signal: AbortSignal,
): Promise<number> {
  const { request } = url.startsWith('https:') ? https : http
  return new Promise((resolve, reject) => {
    // Alerts are rare: a connection is not kept from one to the next.
    const call = request(url, { method: 'POST', headers, signal, agent: false }, (answer) => {
      resolve(answer.statusCode ?? 0)
      answer.on('error', ignore).destroy()
    })
    call.on('error', reject).end(text)
  })
}

/**
 * Signs the body of a call: HMAC with SHA-256 over the time, a dot and the body. The time lets a receiver refuse a copy
 * that somebody sends later.
 * @param seconds since the epoch
 */
function sign(body: string, secret: string, seconds: number): string {
  const v1 = createHmac('sha256', secret).update(`${seconds}.${body}`).digest('hex')
  return `t=${seconds},v1=${v1}`
}
