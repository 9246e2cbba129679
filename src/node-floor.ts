/** The oldest Node that the relay runs on, as `engines` in package.json has it. */
export const NODE_FLOOR = '20.18.1'

// The first import of what is started: an older Node would fail at some other module, with a stack trace that does not
// say why.
if (isOlder(process.versions.node, NODE_FLOOR)) {
  process.stderr.write(`thinwire needs Node ${NODE_FLOOR} or newer; this is ${process.version}\n`)
  process.exit(1)
}

function isOlder(version: string, floor: string): boolean {
  const parts = version.split('.').map(Number)
  for (const [i, least] of floor.split('.').map(Number).entries()) {
    const part = parts[i] ?? 0
    if (part !== least) return part < least
  }
  return false
}
