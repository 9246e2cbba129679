import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child, freePort, programOf } from './child.js'
import type { Contestant } from './contestants.js'
import { EVERY_ROUND } from './scenario.js'

const PACKAGE = '@portkey-ai/gateway'
const VERSION = '1.15.2'

/** A contestant that is no part of this repository, in a folder of its own. */
export interface Peer {
  readonly contestant: Contestant
  remove(): void
}

/**
 * Installs Portkey's gateway from npm, without running scripts of its packages.
 * @throws Error if it cannot be installed
 */
export function installPortkey(): Peer {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-bench-peers-'))
  const remove = (): void => rmSync(folder, { recursive: true, force: true })
  writeFileSync(join(folder, 'package.json'), '{"private":true}')
  const args = ['install', '--no-audit', '--no-fund', '--ignore-scripts', `${PACKAGE}@${VERSION}`]
  const { status, stderr, error } = spawnSync('npm', args, { cwd: folder, encoding: 'utf8' })
  const script = join(folder, 'node_modules', PACKAGE, 'build', 'start-server.js')
  if (status !== 0 || !existsSync(script)) {
    remove()
    throw new Error(`cannot install ${PACKAGE}: ${error?.message ?? stderr.trim().split('\n')[0]}`)
  }
  return { contestant: portkey(folder, script), remove }
}

function portkey(folder: string, script: string): Contestant {
  return {
    name: 'portkey',
    baseline: true,
    everywhere: true,
    rounds: EVERY_ROUND,
    start: async ({ placement, upstreamPort }) => {
      const port = await freePort()
      const child = Child.node(
        script,
        [`--port=${port}`, '--headless'],
        { core: placement.relay, cwd: folder, env: { ...process.env, NODE_ENV: 'production' } },
        ['--import', programOf('contestants/portkey.js')],
      )
      await child.listening(port)
      const headers = [
        'authorization: Bearer sk-bench',
        'x-portkey-provider: openai',
        `x-portkey-custom-host: http://127.0.0.1:${upstreamPort}/v1`,
      ]
      return {
        name: 'portkey',
        port,
        headers,
        child,
        ledger: null,
        reconfigure: null,
        stop: () => child.stop(),
      }
    },
  }
}
