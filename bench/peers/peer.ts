import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child, freePort, programOf } from '../child.js'
import type { Contestant } from '../contestants.js'
import { EVERY_ROUND } from '../scenario.js'

/** Longest wait for a gateway that has started until it responds: LiteLLM loads for ten seconds and more. */
const PATIENCE_MS = 150_000

/** Where a gateway listens and asks, and the folder of its files. */
export interface Place {
  readonly port: number
  readonly upstreamPort: number
  readonly folder: string
}

/** How a gateway is started for its best speed. */
export interface Launch {
  /** Its config files, by their names in its folder. */
  readonly files: Readonly<Record<string, string>>
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** Headers that its clients send. */
  readonly headers: readonly string[]
  /** A path at which it responds with 200 as soon as it can be used; null if it can be used as soon as it listens. */
  readonly ready: string | null
}

/** An LLM gateway of somebody else. */
export interface Peer {
  /** As `scripts/peers.sh` names it. */
  readonly name: string
  readonly title: string
  readonly language: string
  /** Its program, below its folder of `scripts/peers.sh`. */
  readonly program: string
  /** Modules that are loaded before a program of Node; null for any other program. */
  readonly modules: readonly string[] | null
  /** Before the path of an API of OpenAI; empty for most. */
  readonly prefix: string
  launch(place: Place): Launch
}

/** @param folder what `scripts/peers.sh` installed into */
export function contestantOf(peer: Peer, folder: string): Contestant {
  return {
    name: peer.name,
    baseline: true,
    everywhere: true,
    rounds: EVERY_ROUND,
    start: async ({ placement, upstreamPort }) => {
      const own = mkdtempSync(join(tmpdir(), `thinwire-bench-${peer.name}-`))
      const port = await freePort()
      const { files, args, env, headers, ready } = peer.launch({ port, upstreamPort, folder: own })
      for (const [name, text] of Object.entries(files)) writeFileSync(join(own, name), text)
      const program = join(folder, peer.name, peer.program)
      const options = { core: placement.relay, cwd: own, env: { ...process.env, ...env } }
      const flags = (peer.modules ?? []).flatMap((module) => ['--import', programOf(module)])
      const child =
        peer.modules === null
          ? Child.program(program, args, options)
          : Child.node(program, args, options, flags)
      const forget = endWith(child)
      const stop = async (): Promise<void> => {
        const workers = workersOf(child)
        await child.stop()
        for (const worker of workers) kill(worker)
        forget()
        rmSync(own, { recursive: true, force: true })
      }
      try {
        if (ready === null) await child.listening(port)
        else await respond(child, `http://127.0.0.1:${port}${ready}`)
      } catch (error) {
        await stop()
        throw error
      }
      const { name, prefix } = peer
      return { name, port, prefix, headers, child, ledger: null, reconfigure: null, stop }
    },
  }
}

async function respond(child: Child, url: string): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (performance.now() < deadline) {
    if (child.ended) throw new Error(`it ended at once: ${lastLine(child.lastWords)}`)
    const good = await fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
      ({ ok }) => ok,
      () => false,
    )
    if (good) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  throw new Error(`it never responded: ${lastLine(child.lastWords)}`)
}

function lastLine(text: string): string {
  return text.split('\n').at(-1) ?? ''
}

/** Processes that the program has started. Some outlive it when it has to be killed. */
function workersOf(child: Child): number[] {
  const { pid } = child.process
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** At an exit of the bench, ends what a program has started, before the program itself is ended. @returns undoes it */
function endWith(child: Child): () => void {
  const end = (): void => workersOf(child).forEach(kill)
  process.prependListener('exit', end)
  return () => process.removeListener('exit', end)
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // It has ended, as it should.
  }
}
