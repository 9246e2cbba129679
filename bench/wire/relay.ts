import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueKey, Keyring } from '../../src/access/keyring.js'
import { loadConfig } from '../../src/config/config.js'
import { Gateway } from '../../src/gateway.js'
import { openLog } from '../../src/ops/log.js'
import { Router } from '../../src/routing/router.js'
import { Server } from '../../src/server.js'

// Thinwire as `thinwire start` makes it, keys and request log on, in a process that tells its port and key.

const folder = mkdtempSync(join(tmpdir(), 'thinwire-bench-'))
const loaded = loadConfig({ listen: '127.0.0.1:0', env: { OPENAI_API_KEY: 'sk-bench' }, cwd: folder })
const upstreams = loaded.upstreams.map((upstream) => ({ ...upstream, origin: process.argv[2] ?? '' }))
const config = { ...loaded, upstreams }
const keyring = Keyring.open(config.keys.file)
const { key } = issueKey(config.keys.file, { env: 'bench', team: 'team1', user: 'user1' })
keyring.reload()
const log = openLog(config.log, false)
const gateway = new Gateway({ config, keyring, router: new Router(config), log })
const { port } = await new Server(config, gateway, log).listen()
process.send?.({ port, key })
process.on('disconnect', () => {
  rmSync(folder, { recursive: true, force: true })
  process.exit(0)
})
