import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { selfSigned } from '../scripts/certificate.js'
import { Child, freePort, programOf } from './child.js'
import { SECURE_NAME, type Secure } from './contestants.js'
import type { Placement } from './machine.js'
import type { Mode } from './results.js'
import { SILENCE_MS } from './scenarios/tls-upstream.js'

/** The bench's upstream in its process, over HTTP and HTTPS. */
export interface Upstream {
  readonly child: Child
  readonly port: number
  readonly secure: Secure
  stop(): Promise<void>
}

/** Starts the upstream with a new certificate. Over HTTPS it closes a connection that is silent for a third of the silence. */
export async function startUpstream(placement: Placement, mode: Mode): Promise<Upstream> {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-bench-upstream-'))
  const { cert, key } = selfSigned(SECURE_NAME)
  const caFile = join(folder, 'cert.pem')
  const keyFile = join(folder, 'key.pem')
  writeFileSync(caFile, cert)
  writeFileSync(keyFile, key, { mode: 0o600 })
  const [port, securePort] = await Promise.all([freePort(), freePort()])
  const child = Child.node(
    programOf('wire/upstream.js'),
    [String(port), String(securePort), caFile, keyFile, String(SILENCE_MS[mode] / 3)],
    { core: placement.others },
  )
  await child.listening(port)
  return {
    child,
    port,
    secure: { port: securePort, caFile },
    stop: async () => {
      await child.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
