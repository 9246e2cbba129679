import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable, Writable } from 'node:stream'
import * as assert from 'uvu/assert'
import { runDoctor } from '../../src/commands/doctor.js'
import { type Demo, startDemo } from '../../src/demo/server.js'
import type { FailoverPace } from '../../src/doctor/failover/failover.js'
import { type Faults, FaultyFront } from './front.js'
import { startRelay, type TestRelay } from './relay.js'

/** A relay with the demo upstream, and the proxies of a test in front of it. */
export interface Ward {
  demo: Demo
  relay: TestRelay
  fronts: FaultyFront[]
}

/** Its stream takes nearly a second, as one has to that is judged. */
const PACE_MS = 10

export async function openWard(ward: Ward): Promise<void> {
  ward.demo = await startDemo({ paceMs: PACE_MS })
  ward.relay = await startRelay(`${ward.demo.origin}/v1`)
  ward.fronts = []
}

export async function clearWard(ward: Ward): Promise<void> {
  for (const front of ward.fronts.splice(0)) await front.close()
}

export async function closeWard(ward: Ward): Promise<void> {
  await ward.relay.close()
  await ward.demo.close()
}

class Page extends Writable {
  text = ''
  isTTY = false

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.text += chunk.toString()
    done()
  }
}

export interface Look {
  readonly env?: Record<string, string>
  readonly input?: string
  readonly terminal?: boolean
  readonly roots?: readonly string[]
  readonly cwd?: string
  readonly failoverPace?: FailoverPace
}

/** Runs `thinwire doctor` in this process. */
export async function look(
  args: readonly string[],
  { env = {}, input = '', terminal = false, roots, cwd, failoverPace }: Look = {},
) {
  const out = new Page()
  const err = new Page()
  out.isTTY = terminal
  err.isTTY = terminal
  const given = {
    in: Readable.from([input]),
    out,
    err,
    env,
    ...(roots === undefined ? {} : { roots }),
    ...(cwd === undefined ? {} : { cwd }),
    ...(failoverPace === undefined ? {} : { failoverPace }),
  }
  const code = await runDoctor(args, given)
  return { code, out: out.text, err: err.text }
}

/** A finding by the name of its check, as a line: `outcome: what was seen > what to change`. */
export type Find = (name: string) => string

interface Report {
  readonly checks: ReadonlyArray<{
    readonly check: string
    readonly outcome: string
    readonly seen: string
    readonly change: readonly string[]
  }>
}

/** @param json what `--json` printed */
export function finder(json: string): Find {
  const { checks } = JSON.parse(json) as Report
  return (name) => {
    const found = checks.find(({ check }) => check === name)
    return found === undefined ? 'none' : `${found.outcome}: ${found.seen} > ${found.change.join(' | ')}`
  }
}

export interface Behind extends Look {
  readonly path?: string
  readonly args?: readonly string[]
}

/** What a look finds at the relay of a ward behind such a proxy: findings, the exit code and all of the output. */
export async function behind(ward: Ward, faults: Faults, options: Behind = {}) {
  const front = await FaultyFront.start(ward.relay.port, faults)
  ward.fronts.push(front)
  const origin = faults.certificate === undefined ? 'http://127.0.0.1' : 'https://localhost'
  const url = `${origin}:${front.port}${options.path ?? '/v1'}`
  const { code, out, err } = await look(
    [url, '--json', '--key', ward.relay.key, ...(options.args ?? [])],
    options,
  )
  assert.is(err, '')
  return { code, out, find: finder(out) }
}

/** With it nothing waits for a model: what needs a key that is good is left out. */
export const NO_KEY: Behind = { args: ['--key', 'sk-of-nobody'] }

/** Names of the checks that found something, but for the URL, which is always one of this machine. */
export function faulty(json: string): string[] {
  const { checks } = JSON.parse(json) as Report
  return checks
    .filter(({ check, outcome }) => check !== 'url' && (outcome === 'warning' || outcome === 'failed'))
    .map(({ check }) => check)
}

/** An response of a proxy's own. */
export function answerPage(res: ServerResponse, status: number, title: string): true {
  res.writeHead(status, { 'content-type': 'text/html', server: 'nginx/1.22.1' })
  res.end(`<html>\r\n<head><title>${title}</title></head>\r\n<body><h1>${title}</h1></body></html>`)
  return true
}

export function isStream(upstream: IncomingMessage): boolean {
  return /event-stream/.test(upstream.headers['content-type'] ?? '')
}
