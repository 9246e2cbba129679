import { chmodSync, readFileSync } from 'node:fs'

// Run by the build: tsc writes files that are not executable, and npm corrects that only for packages that it installs.
const ROOT = new URL('../../', import.meta.url)
const { bin } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8')) as {
  bin: Record<string, string>
}
for (const file of Object.values(bin)) chmodSync(new URL(file, ROOT), 0o755)
